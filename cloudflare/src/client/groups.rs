//! Rule groups.
//! <https://developers.cloudflare.com/api/resources/zero_trust/subresources/access/subresources/groups/>

use super::call::{Call, access};
use super::{Client, Scope};
use crate::access::AccessGroup;
use crate::error::ApiError;

impl Client {
    /// Lists the rule groups.
    pub async fn groups(&self, scope: &Scope) -> Result<Vec<AccessGroup>, ApiError> {
        self.list(access(scope, &[GROUPS])).await
    }

    /// Reads one rule group; `None` where there is none (404).
    pub async fn group(&self, scope: &Scope, id: &str) -> Result<Option<AccessGroup>, ApiError> {
        self.find(Call::get(access(scope, &[GROUPS, id]))).await
    }

    /// Makes a rule group.
    pub async fn create_group(
        &self,
        scope: &Scope,
        new: &AccessGroup,
    ) -> Result<AccessGroup, ApiError> {
        self.call(Call::post(access(scope, &[GROUPS])).with_body(new))
            .await
    }

    /// Replaces a rule group.
    pub async fn update_group(
        &self,
        scope: &Scope,
        id: &str,
        update: &AccessGroup,
    ) -> Result<AccessGroup, ApiError> {
        self.call(Call::put(access(scope, &[GROUPS, id]), update))
            .await
    }

    /// Deletes a rule group; `false` where it is gone already.
    pub async fn delete_group(&self, scope: &Scope, id: &str) -> Result<bool, ApiError> {
        self.delete(Call::delete(access(scope, &[GROUPS, id])))
            .await
    }
}

const GROUPS: &str = "groups";
