//! Service tokens.
//! <https://developers.cloudflare.com/api/resources/zero_trust/subresources/access/subresources/service_tokens/>

use serde_json::json;

use super::call::{Call, access};
use super::{Client, Scope};
use crate::access::{MintedToken, NewServiceToken, ServiceToken, ServiceTokenUpdate};
use crate::error::ApiError;

impl Client {
    /// Lists the service tokens.
    pub async fn service_tokens(&self, scope: &Scope) -> Result<Vec<ServiceToken>, ApiError> {
        self.list(access(scope, &[TOKENS])).await
    }

    /// Reads one service token; `None` where there is none (404).
    pub async fn service_token(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Option<ServiceToken>, ApiError> {
        self.find(Call::get(access(scope, &[TOKENS, id]))).await
    }

    /// Mints a token. The answer is the only place where its secret is ever shown.
    pub async fn create_service_token(
        &self,
        scope: &Scope,
        new: &NewServiceToken,
    ) -> Result<MintedToken, ApiError> {
        self.call(Call::post(access(scope, &[TOKENS])).with_body(new))
            .await
    }

    /// Changes a token.
    pub async fn update_service_token(
        &self,
        scope: &Scope,
        id: &str,
        update: &ServiceTokenUpdate,
    ) -> Result<ServiceToken, ApiError> {
        self.call(Call::put(access(scope, &[TOKENS, id]), update))
            .await
    }

    /// Gives a token a new secret. `previous_expires_at` (RFC 3339) is always sent: Cloudflare's
    /// default ends the old secret at once.
    pub async fn rotate_service_token(
        &self,
        account: &str,
        id: &str,
        previous_expires_at: &str,
    ) -> Result<MintedToken, ApiError> {
        let body = json!({ "previous_client_secret_expires_at": previous_expires_at });
        let rotate = Call::post(of_account(account, id, "rotate"));
        self.call(rotate.with_body(&body)).await
    }

    /// Gives a token one more year with the same secret.
    pub async fn refresh_service_token(
        &self,
        account: &str,
        id: &str,
    ) -> Result<ServiceToken, ApiError> {
        self.call(Call::post(of_account(account, id, "refresh")))
            .await
    }

    /// Deletes a token that nothing names any more; `false` where it is gone already.
    pub async fn delete_service_token(&self, scope: &Scope, id: &str) -> Result<bool, ApiError> {
        self.delete(Call::delete(access(scope, &[TOKENS, id])))
            .await
    }
}

/// Rotating and refreshing are an account's.
fn of_account(account: &str, id: &str, verb: &str) -> String {
    access(&Scope::Account(account.to_owned()), &[TOKENS, id, verb])
}

const TOKENS: &str = "service_tokens";
