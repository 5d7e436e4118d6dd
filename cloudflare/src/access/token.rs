//! Service tokens (`access/service_tokens`).

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::document::document;

document! {
    /// A service token, without its secret.
    ServiceToken
}

impl ServiceToken {
    /// What clients send as `CF-Access-Client-Id`.
    pub fn client_id(&self) -> &str {
        self.text("client_id").unwrap_or_default()
    }

    /// Its life, in Go's form, or `forever`.
    pub fn duration(&self) -> Option<&str> {
        self.text("duration")
    }

    /// When it ends, RFC 3339.
    pub fn expires_at(&self) -> Option<&str> {
        self.text("expires_at")
    }

    /// When it was last seen in use, RFC 3339.
    pub fn last_seen_at(&self) -> Option<&str> {
        self.text("last_seen_at")
    }

    /// Until when the previous secret is good too, RFC 3339.
    pub fn previous_client_secret_expires_at(&self) -> Option<&str> {
        self.text("previous_client_secret_expires_at")
    }

    /// How often its secret was rotated.
    pub fn client_secret_version(&self) -> Option<u64> {
        self.get("client_secret_version").and_then(Value::as_u64)
    }

    /// Whether it is accepted; one that does not say is.
    pub fn is_enabled(&self) -> bool {
        self.get("enabled").and_then(Value::as_bool).unwrap_or(true)
    }
}

/// A token to be minted.
#[derive(Clone, Debug, Serialize)]
pub struct NewServiceToken {
    /// Its name.
    pub name: String,
    /// Its life in Go's form: `2160h`.
    pub duration: String,
}

/// What can be changed of a token; what is absent stays as it is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ServiceTokenUpdate {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its life, counted from the update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Whether it is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Until when the previous secret is good, RFC 3339; a time that has passed ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_client_secret_expires_at: Option<String>,
}

/// The answer to a create or a rotate: the only time the secret is shown.
#[derive(Debug, Deserialize)]
pub struct MintedToken {
    /// The secret.
    #[serde(rename = "client_secret")]
    pub secret: TokenSecret,
    /// The token.
    #[serde(flatten)]
    pub token: ServiceToken,
}

/// A token's secret. It has no `Display` and no `Serialize`; its `Debug` says nothing; it is
/// zeroed when dropped.
pub struct TokenSecret(SecretString);

impl TokenSecret {
    /// Hands the text to whoever writes it where it belongs.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for TokenSecret {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl<'de> Deserialize<'de> for TokenSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_minted_token_keeps_its_secret_out_of_debug_and_out_of_the_document() {
        let minted: MintedToken = serde_json::from_value(json!({
            "id": "9c", "client_id": "88.access", "client_secret": "cfast_canary", "name": "n",
        }))
        .unwrap();
        assert_eq!(minted.secret.expose(), "cfast_canary");
        assert_eq!(minted.token.client_id(), "88.access");
        assert!(!format!("{minted:?}").contains("canary"));
        let document = serde_json::to_string(&minted.token).unwrap();
        assert!(!document.contains("canary"), "{document}");
    }
}
