//! What surrounds Access: the organization, the API token, the accounts and zones.

use super::call::{Call, access, path};
use super::{Client, Scope};
use crate::access::{Account, AlertPolicy, ApiTokenPolicies, Organization, VerifiedApiToken, Zone};
use crate::error::{ApiError, ApiErrorKind};

impl Client {
    /// Reads the Zero Trust organization.
    /// <https://developers.cloudflare.com/api/resources/zero_trust/subresources/organizations/>
    pub async fn organization(&self, scope: &Scope) -> Result<Organization, ApiError> {
        self.call(Call::get(access(scope, &["organizations"])))
            .await
    }

    /// Verifies the API token: at the account, then at the user, because owners differ.
    /// <https://developers.cloudflare.com/api/resources/accounts/subresources/tokens/methods/verify/>
    pub async fn verify_token(&self, account: &str) -> Result<VerifiedApiToken, ApiError> {
        let of_account = path(&["accounts", account, "tokens", "verify"]);
        match self.call(Call::get(of_account)).await {
            Err(error) if is_refusal(&error.kind) => {}
            told => return told,
        }
        self.call(Call::get(path(&["user", "tokens", "verify"])))
            .await
    }

    /// Reads what the API token itself may do; most tokens may not ask that.
    pub async fn token_policies(
        &self,
        account: &str,
        token: &str,
    ) -> Result<ApiTokenPolicies, ApiError> {
        let of_account = path(&["accounts", account, "tokens", token]);
        match self.call(Call::get(of_account)).await {
            Err(error) if is_refusal(&error.kind) => {}
            told => return told,
        }
        self.call(Call::get(path(&["user", "tokens", token]))).await
    }

    /// Lists the account's notifications.
    /// <https://developers.cloudflare.com/api/resources/alerting/subresources/policies/>
    pub async fn alert_policies(&self, account: &str) -> Result<Vec<AlertPolicy>, ApiError> {
        let alerts = Call::get(path(&["accounts", account, "alerting", "v3", "policies"]));
        let listed: Option<Vec<AlertPolicy>> = self.call(alerts).await?;
        Ok(listed.unwrap_or_default())
    }

    /// Reads one account; `None` where the token sees no such account.
    pub async fn account(&self, account: &str) -> Result<Option<Account>, ApiError> {
        let listed: Vec<Account> = self.list(path(&["accounts"])).await?;
        Ok(listed.into_iter().find(|listed| listed.id() == account))
    }

    /// Reads one zone; `None` where there is none (404).
    pub async fn zone(&self, id: &str) -> Result<Option<Zone>, ApiError> {
        self.find(Call::get(path(&["zones", id]))).await
    }

    /// Lists the zones that the token sees.
    pub async fn zones(&self) -> Result<Vec<Zone>, ApiError> {
        self.list(path(&["zones"])).await
    }
}

/// The other owner may know the token.
fn is_refusal(kind: &ApiErrorKind) -> bool {
    match kind {
        ApiErrorKind::Unauthenticated(_)
        | ApiErrorKind::Forbidden(_)
        | ApiErrorKind::NotFound
        | ApiErrorKind::Refused { .. } => true,
        ApiErrorKind::NoAnswer(_)
        | ApiErrorKind::Unreachable(_)
        | ApiErrorKind::LimitReached { .. }
        | ApiErrorKind::NotEnabled(_)
        | ApiErrorKind::SettingsBusy
        | ApiErrorKind::ActiveAssociations
        | ApiErrorKind::TokenInUse
        | ApiErrorKind::Conflict(_)
        | ApiErrorKind::ServerFailed { .. }
        | ApiErrorKind::Unreadable(_) => false,
    }
}
