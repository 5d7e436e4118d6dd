//! A rule: an object with exactly one key.

use serde_json::{Value, json};

/// One question of a policy or group, as Access has it. Every kind that we never write is
/// [`AccessRule::Other`], and comes back as it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AccessRule {
    /// Any valid certificate of an associated CA.
    Certificate,
    /// Exactly this common name.
    CommonName(String),
    /// The service token with this id (not client id).
    ServiceToken(String),
    /// Any valid service token of the account.
    AnyValidServiceToken,
    /// An address or network.
    Ip(String),
    /// A country, by its ISO 3166 code.
    Geo(String),
    /// The rule group with this id.
    Group(String),
    /// Anyone.
    Everyone,
    /// An e-mail address.
    Email(String),
    /// Whatever else there is.
    Other(Value),
}

impl AccessRule {
    /// Reads a rule; one of an unknown kind or shape stays as it is.
    pub fn from_json(value: &Value) -> Self {
        let fields = value.as_object().filter(|fields| fields.len() == 1);
        let Some((key, inner)) = fields.and_then(|fields| fields.iter().next()) else {
            return Self::Other(value.clone());
        };
        let text = |field: &str| inner.get(field).and_then(Value::as_str).map(str::to_owned);
        let known = match key.as_str() {
            "certificate" => Some(Self::Certificate),
            "any_valid_service_token" => Some(Self::AnyValidServiceToken),
            "everyone" => Some(Self::Everyone),
            "common_name" => text("common_name").map(Self::CommonName),
            "service_token" => text("token_id").map(Self::ServiceToken),
            "ip" => text("ip").map(Self::Ip),
            "geo" => text("country_code").map(Self::Geo),
            "group" => text("id").map(Self::Group),
            "email" => text("email").map(Self::Email),
            _ => None,
        };
        known.unwrap_or_else(|| Self::Other(value.clone()))
    }

    /// Writes the rule.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Certificate => json!({ "certificate": {} }),
            Self::CommonName(name) => json!({ "common_name": { "common_name": name } }),
            Self::ServiceToken(id) => json!({ "service_token": { "token_id": id } }),
            Self::AnyValidServiceToken => json!({ "any_valid_service_token": {} }),
            Self::Ip(network) => json!({ "ip": { "ip": network } }),
            Self::Geo(country) => json!({ "geo": { "country_code": country } }),
            Self::Group(id) => json!({ "group": { "id": id } }),
            Self::Everyone => json!({ "everyone": {} }),
            Self::Email(email) => json!({ "email": { "email": email } }),
            Self::Other(value) => value.clone(),
        }
    }

    /// The rule's key, for messages.
    pub fn key(&self) -> &str {
        match self {
            Self::Certificate => "certificate",
            Self::CommonName(_) => "common_name",
            Self::ServiceToken(_) => "service_token",
            Self::AnyValidServiceToken => "any_valid_service_token",
            Self::Ip(_) => "ip",
            Self::Geo(_) => "geo",
            Self::Group(_) => "group",
            Self::Everyone => "everyone",
            Self::Email(_) => "email",
            Self::Other(value) => {
                let key = value.as_object().and_then(|fields| fields.keys().next());
                key.map_or("unknown", String::as_str)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_comes_back_as_it_was() {
        for rule in [
            json!({ "certificate": {} }),
            json!({ "common_name": { "common_name": "device-1" } }),
            json!({ "service_token": { "token_id": "9c" } }),
            json!({ "any_valid_service_token": {} }),
            json!({ "ip": { "ip": "203.0.113.0/24" } }),
            json!({ "geo": { "country_code": "DE" } }),
            json!({ "group": { "id": "9c" } }),
            json!({ "everyone": {} }),
            json!({ "email": { "email": "a@example.com" } }),
            json!({ "device_posture": { "integration_uid": "x" } }),
            json!({ "common_name": { "common_name": 1 } }),
            json!({ "ip": { "ip": "a" }, "geo": { "country_code": "b" } }),
            json!([]),
        ] {
            assert_eq!(AccessRule::from_json(&rule).to_json(), rule);
        }
    }
}
