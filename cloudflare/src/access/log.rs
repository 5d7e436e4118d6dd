//! The login events of GraphQL (`accessLoginRequestsAdaptiveGroups`): the only log at Cloudflare
//! that has non-identity logins.
//! <https://developers.cloudflare.com/analytics/graphql-api/tutorials/querying-access-login-events/>

use serde::{Deserialize, Serialize};

/// Which events are asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoginQuery {
    /// From when on, RFC 3339.
    pub since: String,
    /// Until when, RFC 3339.
    pub until: String,
    /// Only those of this service token (its id, not its client id).
    pub service_token_id: Option<String>,
}

/// One login as Cloudflare saw it; fields keep Cloudflare's names.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoginEvent {
    /// When, RFC 3339.
    pub datetime: String,
    /// Whether it was admitted: 1 or 0.
    pub is_successful_login: u8,
    /// `nonidentity` for certificates and tokens.
    pub identity_provider: String,
    /// The service token's id.
    pub service_token_id: String,
    /// The certificate's common name.
    pub mtls_common_name: String,
    /// The certificate's serial number.
    pub mtls_cert_serial_id: String,
    /// What became of the certificate.
    pub mtls_status: String,
    /// The policy that admitted it.
    pub approving_policy_id: String,
    /// The request at Cloudflare.
    pub cf_ray_id: String,
}
