//! What surrounds Access: accounts, zones, and what an API token may do.

use serde::Deserialize;

use super::document::document;

document! {
    /// An account (`accounts`).
    Account
}

impl Account {
    /// `standard` or `enterprise`.
    pub fn kind(&self) -> Option<&str> {
        self.text("type")
    }
}

document! {
    /// A zone (`zones`).
    Zone
}

impl Zone {
    /// The account that owns it.
    pub fn account_id(&self) -> Option<&str> {
        let account = self.get("account")?;
        account.get("id").and_then(serde_json::Value::as_str)
    }
}

document! {
    /// A notification (`alerting/v3/policies`).
    AlertPolicy
}

impl AlertPolicy {
    /// Whether it comes before service tokens expire, and is on.
    pub fn is_for_expiring_tokens(&self) -> bool {
        let is_on = self.get("enabled").and_then(serde_json::Value::as_bool);
        self.text("alert_type") == Some("expiring_service_token_alert") && is_on != Some(false)
    }
}

/// What an API token may do (`tokens/{id}`).
#[derive(Clone, Debug, Deserialize)]
pub struct ApiTokenPolicies {
    policies: Vec<TokenPolicy>,
}

#[derive(Clone, Debug, Deserialize)]
struct TokenPolicy {
    effect: String,
    permission_groups: Vec<PermissionGroup>,
}

#[derive(Clone, Debug, Deserialize)]
struct PermissionGroup {
    #[serde(default)]
    name: String,
}

impl ApiTokenPolicies {
    /// The names of the permission groups that are allowed and not denied.
    pub fn allowed_groups(&self) -> Vec<&str> {
        let denied: Vec<&str> = self.groups("deny").collect();
        self.groups("allow")
            .filter(|group| !denied.contains(group))
            .collect()
    }

    fn groups(&self, effect: &str) -> impl Iterator<Item = &str> {
        let policies = self.policies.iter();
        policies
            .filter(move |policy| policy.effect == effect)
            .flat_map(|policy| &policy.permission_groups)
            .map(|group| group.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_alert_that_is_off_does_not_come() {
        let alert = |kind: &str, enabled: bool| {
            let alert = json!({ "alert_type": kind, "enabled": enabled });
            AlertPolicy::try_from(alert)
                .unwrap()
                .is_for_expiring_tokens()
        };
        assert!(alert("expiring_service_token_alert", true));
        assert!(!alert("expiring_service_token_alert", false));
        assert!(!alert("universal_ssl_event_type", true));
    }

    #[test]
    fn a_group_that_is_also_denied_is_not_allowed() {
        let policies: ApiTokenPolicies = serde_json::from_value(json!({ "policies": [
            { "effect": "allow", "permission_groups": [{ "id": "1", "name": "a" }, { "name": "b" }] },
            { "effect": "deny", "permission_groups": [{ "name": "b" }] },
        ]}))
        .unwrap();
        assert_eq!(policies.allowed_groups(), ["a"]);
    }
}
