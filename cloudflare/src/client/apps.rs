//! Applications.
//! <https://developers.cloudflare.com/api/resources/zero_trust/subresources/access/subresources/applications/>

use super::call::{Call, access};
use super::{Client, Scope};
use crate::access::App;
use crate::error::ApiError;

impl Client {
    /// Lists the applications.
    pub async fn apps(&self, scope: &Scope) -> Result<Vec<App>, ApiError> {
        self.list(access(scope, &[APPS])).await
    }

    /// Reads one application; `None` where there is none (404).
    pub async fn app(&self, scope: &Scope, id: &str) -> Result<Option<App>, ApiError> {
        self.find(Call::get(access(scope, &[APPS, id]))).await
    }

    /// Makes an application.
    pub async fn create_app(&self, scope: &Scope, new: &App) -> Result<App, ApiError> {
        self.call(Call::post(access(scope, &[APPS])).with_body(new))
            .await
    }

    /// Replaces an application, all of it: what `update` does not name is gone.
    pub async fn update_app(&self, scope: &Scope, id: &str, update: &App) -> Result<App, ApiError> {
        self.call(Call::put(access(scope, &[APPS, id]), update))
            .await
    }

    /// Deletes an application; `false` where it is gone already.
    pub async fn delete_app(&self, scope: &Scope, id: &str) -> Result<bool, ApiError> {
        self.delete(Call::delete(access(scope, &[APPS, id]))).await
    }
}

const APPS: &str = "apps";
