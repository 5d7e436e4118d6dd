//! Cloudflare Access's own words: the objects of its API.
//!
//! An object is the JSON document that came, with typed access to what we understand of it: what
//! we do not understand survives a read, a change and a write (an application's PUT replaces
//! everything). <https://developers.cloudflare.com/api/resources/zero_trust/subresources/access/>

mod account;
mod document;
mod log;
mod rule;
mod token;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use document::document;

pub use account::{Account, AlertPolicy, ApiTokenPolicies, Zone};
pub use document::NotAnObject;
pub use log::{LoginEvent, LoginQuery};
pub use rule::AccessRule;
pub use token::{MintedToken, NewServiceToken, ServiceToken, ServiceTokenUpdate, TokenSecret};

/// A time as Access writes it, RFC 3339, in Unix seconds.
pub(crate) fn unix_seconds(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp()).ok()
}

document! {
    /// A CA uploaded for mTLS (`access/certificates`). Neither its PEM nor its serial number can
    /// be read back, and the PEM cannot be changed.
    MtlsCertificate
}

impl MtlsCertificate {
    /// The hosts for which the edge asks for a certificate of this CA.
    pub fn associated_hostnames(&self) -> Vec<String> {
        self.texts("associated_hostnames")
    }

    /// When the uploaded CA ends, RFC 3339.
    pub fn expires_on(&self) -> Option<&str> {
        self.text("expires_on")
    }
}

/// A CA to be uploaded.
#[derive(Clone, Debug, Serialize)]
pub struct NewMtlsCertificate {
    /// Its name at Cloudflare.
    pub name: String,
    /// The chain in PEM: the intermediate, then its root.
    pub certificate: String,
    /// The hosts to ask for it.
    pub associated_hostnames: Vec<String>,
}

/// What can be changed of an uploaded CA.
#[derive(Clone, Debug, Serialize)]
pub struct MtlsCertificateUpdate {
    /// Its name; left as it is where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// All hosts to ask for it.
    pub associated_hostnames: Vec<String>,
}

/// One host's mTLS settings (`access/certificates/settings`); the PUT takes the whole list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HostnameSetting {
    /// The host.
    pub hostname: String,
    /// Whether it counts in the China network.
    #[serde(default)]
    pub china_network: bool,
    /// Whether the edge sends the client's certificate to the origin.
    #[serde(default)]
    pub client_certificate_forwarding: bool,
    /// Everything else: the PUT takes the settings of others too.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl HostnameSetting {
    /// The setting of a host that nobody has set anything for.
    pub fn forwarding(hostname: &str) -> Self {
        Self {
            hostname: hostname.to_owned(),
            china_network: false,
            client_certificate_forwarding: true,
            rest: Map::new(),
        }
    }
}

document! {
    /// An application (`access/apps`).
    App
}

impl App {
    /// A new self-hosted application.
    pub fn self_hosted(name: &str, domain: &str) -> Self {
        Self::of(json!({ "type": "self_hosted", "name": name, "domain": domain }))
    }

    /// Host and path.
    pub fn domain(&self) -> Option<&str> {
        self.text("domain")
    }

    /// Every host and path it answers for: `domain`, `self_hosted_domains` and the public
    /// `destinations`.
    pub fn domains(&self) -> Vec<String> {
        let mut domains: Vec<String> = self.domain().map(str::to_owned).into_iter().collect();
        domains.extend(self.texts("self_hosted_domains"));
        let destinations = self.get("destinations").and_then(Value::as_array);
        for destination in destinations.into_iter().flatten() {
            domains.extend(
                destination
                    .get("uri")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
        }
        domains.sort();
        domains.dedup();
        domains
    }

    /// Whether it answers for this host and path.
    pub fn answers_for(&self, domain: &str) -> bool {
        let bare = |text: &str| text.trim_end_matches('/').to_ascii_lowercase();
        self.domains()
            .iter()
            .any(|other| bare(other) == bare(domain))
    }

    /// The audience tag that its JWTs carry.
    pub fn aud(&self) -> Option<&str> {
        self.text("aud")
    }

    /// How long a session lasts, in Go's form.
    pub fn session_duration(&self) -> Option<&str> {
        self.text("session_duration")
    }

    /// The one header that may carry a whole service token.
    pub fn token_header(&self) -> Option<&str> {
        self.text("read_service_tokens_from_header")
    }

    /// Whether the interstitial page is skipped.
    pub fn skip_interstitial(&self) -> Option<bool> {
        self.get("skip_interstitial").and_then(Value::as_bool)
    }

    /// The document as a PUT takes it: everything that came, less what only the server writes;
    /// policies as links, so that none of them is rewritten on the way.
    pub fn for_update(&self) -> Self {
        let mut update = self.clone();
        for server_side in ["id", "aud", "created_at", "updated_at", "uid"] {
            update.remove(server_side);
        }
        let links = self
            .get("policies")
            .and_then(Value::as_array)
            .map(|policies| {
                let links = policies.iter().filter_map(|policy| {
                    let id = policy.get("id").and_then(Value::as_str)?;
                    let precedence = policy.get("precedence").and_then(Value::as_u64);
                    Some(match precedence {
                        Some(precedence) => json!({ "id": id, "precedence": precedence }),
                        None => json!({ "id": id }),
                    })
                });
                links.collect::<Vec<_>>()
            });
        if let Some(links) = links {
            update.set("policies", Value::Array(links));
        }
        update
    }
}

document! {
    /// A policy: of one application (`access/apps/{id}/policies`), or reusable
    /// (`access/policies`).
    AccessPolicy
}

impl AccessPolicy {
    /// What it decides: `allow`, `deny`, `bypass` or `non_identity`.
    pub fn decision(&self) -> Option<&str> {
        self.text("decision")
    }

    /// Its place among the application's policies; reusable ones have none of their own.
    pub fn precedence(&self) -> Option<u64> {
        self.get("precedence").and_then(Value::as_u64)
    }

    /// Whether it is shared by applications.
    pub fn is_reusable(&self) -> bool {
        self.get("reusable")
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    /// The rules of `include`, `require` or `exclude`.
    pub fn rules(&self, list: RuleList) -> Vec<AccessRule> {
        rules(self.get(list.key()))
    }

    /// The document as a PUT takes it: everything that came, less what only the server writes.
    pub fn for_update(&self) -> Self {
        let mut update = self.clone();
        for server_side in [
            "id",
            "uid",
            "created_at",
            "updated_at",
            "reusable",
            "app_count",
        ] {
            update.remove(server_side);
        }
        update
    }
}

document! {
    /// A rule group (`access/groups`).
    AccessGroup
}

impl AccessGroup {
    /// The document as a PUT takes it: everything that came, less what only the server writes.
    pub fn for_update(&self) -> Self {
        let mut update = self.clone();
        for server_side in ["id", "uid", "created_at", "updated_at"] {
            update.remove(server_side);
        }
        update
    }

    /// The rules of `include`, `require` or `exclude`.
    pub fn rules(&self, list: RuleList) -> Vec<AccessRule> {
        rules(self.get(list.key()))
    }
}

/// One of the three lists of a policy or group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuleList {
    /// One must match.
    Include,
    /// All must match.
    Require,
    /// None may match.
    Exclude,
}

impl RuleList {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Include, Self::Require, Self::Exclude];

    /// The key in the document.
    pub fn key(self) -> &'static str {
        match self {
            Self::Include => "include",
            Self::Require => "require",
            Self::Exclude => "exclude",
        }
    }
}

fn rules(list: Option<&Value>) -> Vec<AccessRule> {
    let items = list.and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .map(AccessRule::from_json)
        .collect()
}

document! {
    /// The Zero Trust organization (`access/organizations`).
    Organization
}

impl Organization {
    /// The team's domain, `<team>.cloudflareaccess.com`.
    pub fn auth_domain(&self) -> Option<&str> {
        self.text("auth_domain")
    }

    /// Whether service tokens are answered with 401 and 403, never with a login page.
    pub fn strict_service_token_auth(&self) -> Option<bool> {
        self.get("strict_service_token_auth")
            .and_then(Value::as_bool)
    }
}

/// What `tokens/verify` says of the API token.
#[derive(Clone, Debug, Deserialize)]
pub struct VerifiedApiToken {
    /// Its id.
    pub id: String,
    /// `active`, `disabled` or `expired`.
    pub status: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}
