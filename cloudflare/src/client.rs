//! The few calls that Access needs.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

use crate::access::{
    AccessGroup, AccessPolicy, App, HostnameSetting, LoginEvent, LoginQuery, MintedToken,
    MtlsCertificate, MtlsCertificateUpdate, NewMtlsCertificate, NewServiceToken, Organization,
    ServiceToken, ServiceTokenUpdate, VerifiedApiToken,
};
use crate::error::ApiError;

/// Cloudflare's API token. Its `Debug` says nothing.
#[derive(Clone)]
pub struct ApiToken(SecretString);

impl From<String> for ApiToken {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

/// Whose objects a call is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// `accounts/{id}`
    Account(String),
    /// `zones/{id}`
    Zone(String),
}

/// How to reach the API.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// `https://api.cloudflare.com/client/v4`, without a slash at its end.
    pub base: String,
    /// The API token.
    pub token: ApiToken,
    /// The limit on one call.
    pub timeout: Duration,
}

/// The API client: paged lists, time limits, retries, and the budget of 1,200 calls in 5 minutes.
#[derive(Clone, Debug)]
pub struct Client {
    options: ClientOptions,
}

#[allow(
    clippy::todo,
    unused_variables,
    missing_docs,
    reason = "skeleton: being filled in"
)]
impl Client {
    pub fn new(options: ClientOptions) -> Result<Self, ApiError> {
        Ok(Self { options })
    }
    /// Calls sent so far, retries included.
    pub fn calls(&self) -> u64 {
        todo!()
    }

    pub async fn certificates(&self, scope: &Scope) -> Result<Vec<MtlsCertificate>, ApiError> {
        todo!()
    }
    /// `None` where there is none (404): the only proof that an object does not exist.
    pub async fn certificate(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Option<MtlsCertificate>, ApiError> {
        todo!()
    }
    pub async fn create_certificate(
        &self,
        scope: &Scope,
        new: &NewMtlsCertificate,
    ) -> Result<MtlsCertificate, ApiError> {
        todo!()
    }
    pub async fn update_certificate(
        &self,
        scope: &Scope,
        id: &str,
        update: &MtlsCertificateUpdate,
    ) -> Result<MtlsCertificate, ApiError> {
        todo!()
    }
    /// Deleting what is gone already is no error: `Ok(false)`.
    pub async fn delete_certificate(&self, scope: &Scope, id: &str) -> Result<bool, ApiError> {
        todo!()
    }
    pub async fn hostname_settings(&self, scope: &Scope) -> Result<Vec<HostnameSetting>, ApiError> {
        todo!()
    }
    pub async fn put_hostname_settings(
        &self,
        scope: &Scope,
        settings: &[HostnameSetting],
    ) -> Result<(), ApiError> {
        todo!()
    }

    pub async fn apps(&self, scope: &Scope) -> Result<Vec<App>, ApiError> {
        todo!()
    }
    pub async fn app(&self, scope: &Scope, id: &str) -> Result<Option<App>, ApiError> {
        todo!()
    }
    pub async fn create_app(&self, scope: &Scope, new: &App) -> Result<App, ApiError> {
        todo!()
    }
    pub async fn update_app(&self, scope: &Scope, id: &str, update: &App) -> Result<App, ApiError> {
        todo!()
    }
    pub async fn delete_app(&self, scope: &Scope, id: &str) -> Result<bool, ApiError> {
        todo!()
    }

    pub async fn app_policies(
        &self,
        scope: &Scope,
        app: &str,
    ) -> Result<Vec<AccessPolicy>, ApiError> {
        todo!()
    }
    pub async fn app_policy(
        &self,
        scope: &Scope,
        app: &str,
        id: &str,
    ) -> Result<Option<AccessPolicy>, ApiError> {
        todo!()
    }
    pub async fn create_app_policy(
        &self,
        scope: &Scope,
        app: &str,
        new: &AccessPolicy,
    ) -> Result<AccessPolicy, ApiError> {
        todo!()
    }
    pub async fn update_app_policy(
        &self,
        scope: &Scope,
        app: &str,
        id: &str,
        update: &AccessPolicy,
    ) -> Result<AccessPolicy, ApiError> {
        todo!()
    }
    pub async fn delete_app_policy(
        &self,
        scope: &Scope,
        app: &str,
        id: &str,
    ) -> Result<bool, ApiError> {
        todo!()
    }

    /// Reusable policies; of an account only.
    pub async fn reusable_policies(&self, scope: &Scope) -> Result<Vec<AccessPolicy>, ApiError> {
        todo!()
    }
    pub async fn reusable_policy(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Option<AccessPolicy>, ApiError> {
        todo!()
    }

    pub async fn groups(&self, scope: &Scope) -> Result<Vec<AccessGroup>, ApiError> {
        todo!()
    }
    pub async fn group(&self, scope: &Scope, id: &str) -> Result<Option<AccessGroup>, ApiError> {
        todo!()
    }
    pub async fn create_group(
        &self,
        scope: &Scope,
        new: &AccessGroup,
    ) -> Result<AccessGroup, ApiError> {
        todo!()
    }
    pub async fn update_group(
        &self,
        scope: &Scope,
        id: &str,
        update: &AccessGroup,
    ) -> Result<AccessGroup, ApiError> {
        todo!()
    }
    pub async fn delete_group(&self, scope: &Scope, id: &str) -> Result<bool, ApiError> {
        todo!()
    }

    pub async fn service_tokens(&self, scope: &Scope) -> Result<Vec<ServiceToken>, ApiError> {
        todo!()
    }
    pub async fn service_token(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Option<ServiceToken>, ApiError> {
        todo!()
    }
    pub async fn create_service_token(
        &self,
        scope: &Scope,
        new: &NewServiceToken,
    ) -> Result<MintedToken, ApiError> {
        todo!()
    }
    pub async fn update_service_token(
        &self,
        scope: &Scope,
        id: &str,
        update: &ServiceTokenUpdate,
    ) -> Result<ServiceToken, ApiError> {
        todo!()
    }
    /// `previous_expires_at` is always sent: Cloudflare's default ends the old secret at once.
    pub async fn rotate_service_token(
        &self,
        account: &str,
        id: &str,
        previous_expires_at: &str,
    ) -> Result<MintedToken, ApiError> {
        todo!()
    }
    /// One more year, same secret.
    pub async fn refresh_service_token(
        &self,
        account: &str,
        id: &str,
    ) -> Result<ServiceToken, ApiError> {
        todo!()
    }
    pub async fn delete_service_token(&self, scope: &Scope, id: &str) -> Result<bool, ApiError> {
        todo!()
    }

    pub async fn organization(&self, scope: &Scope) -> Result<Organization, ApiError> {
        todo!()
    }
    /// Tries the account's verify, then the user's: owners differ.
    pub async fn verify_token(&self, account: &str) -> Result<VerifiedApiToken, ApiError> {
        todo!()
    }
    /// The authentication log of identity logins (REST), newest first.
    pub async fn access_requests(
        &self,
        account: &str,
        since: &str,
        limit: u32,
    ) -> Result<Vec<serde_json::Value>, ApiError> {
        todo!()
    }
    /// Non-identity logins (GraphQL), oldest first.
    pub async fn login_events(
        &self,
        account: &str,
        query: &LoginQuery,
    ) -> Result<Vec<LoginEvent>, ApiError> {
        todo!()
    }
}
