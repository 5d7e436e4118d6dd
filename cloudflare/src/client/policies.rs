//! Policies: of one application, and reusable ones.
//! <https://developers.cloudflare.com/api/resources/zero_trust/subresources/access/subresources/policies/>

use super::call::{Call, access};
use super::{Client, Scope};
use crate::access::AccessPolicy;
use crate::error::ApiError;

impl Client {
    /// Lists an application's policies.
    pub async fn app_policies(
        &self,
        scope: &Scope,
        app: &str,
    ) -> Result<Vec<AccessPolicy>, ApiError> {
        self.list(of_app(scope, app, None)).await
    }

    /// Reads one policy of an application; `None` where there is none (404).
    pub async fn app_policy(
        &self,
        scope: &Scope,
        app: &str,
        id: &str,
    ) -> Result<Option<AccessPolicy>, ApiError> {
        self.find(Call::get(of_app(scope, app, Some(id)))).await
    }

    /// Adds a policy to an application.
    pub async fn create_app_policy(
        &self,
        scope: &Scope,
        app: &str,
        new: &AccessPolicy,
    ) -> Result<AccessPolicy, ApiError> {
        self.call(Call::post(of_app(scope, app, None)).with_body(new))
            .await
    }

    /// Replaces a policy of an application.
    pub async fn update_app_policy(
        &self,
        scope: &Scope,
        app: &str,
        id: &str,
        update: &AccessPolicy,
    ) -> Result<AccessPolicy, ApiError> {
        self.call(Call::put(of_app(scope, app, Some(id)), update))
            .await
    }

    /// Deletes a policy of an application; `false` where it is gone already.
    pub async fn delete_app_policy(
        &self,
        scope: &Scope,
        app: &str,
        id: &str,
    ) -> Result<bool, ApiError> {
        self.delete(Call::delete(of_app(scope, app, Some(id))))
            .await
    }

    /// Lists the reusable policies. They are an account's; a zone has none.
    pub async fn reusable_policies(&self, scope: &Scope) -> Result<Vec<AccessPolicy>, ApiError> {
        match scope {
            Scope::Account(_) => self.list(access(scope, &[POLICIES])).await,
            Scope::Zone(_) => Ok(Vec::new()),
        }
    }

    /// Reads one reusable policy; `None` where there is none (404).
    pub async fn reusable_policy(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Option<AccessPolicy>, ApiError> {
        match scope {
            Scope::Account(_) => self.find(Call::get(access(scope, &[POLICIES, id]))).await,
            Scope::Zone(_) => Ok(None),
        }
    }

    /// Deletes a reusable policy; `false` where it is gone already.
    pub async fn delete_reusable_policy(&self, scope: &Scope, id: &str) -> Result<bool, ApiError> {
        self.delete(Call::delete(access(scope, &[POLICIES, id])))
            .await
    }
}

fn of_app(scope: &Scope, app: &str, policy: Option<&str>) -> String {
    match policy {
        Some(id) => access(scope, &["apps", app, POLICIES, id]),
        None => access(scope, &["apps", app, POLICIES]),
    }
}

const POLICIES: &str = "policies";
