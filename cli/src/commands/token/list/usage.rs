//! Where a token is good, and when it was used last.

use postern_ca::{EdgeObject, EdgeObjectKind, Store, StoreError, TokenRecord};
use postern_policy::config::TokenOrigin;
use serde_json::{Value, json};

use crate::evidence::Evidence;
use crate::time;

/// What the records of Cloudflare and the gateways' events say of a token's use.
pub(super) struct Usage {
    pub(super) origin: TokenOrigin,
    pub(super) last: LastSeen,
    /// SHA-256 of each secret with the time it was last seen at a gateway.
    secrets: Vec<(String, Option<u64>)>,
}

/// When a token was used last, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastSeen {
    /// Then, Unix seconds.
    At(u64),
    /// Never, by all that was asked.
    Never,
    /// Nobody was asked, or Cloudflare was not.
    Unknown,
}

/// What we recorded of each token at Cloudflare.
pub(super) struct AtCloudflare(Vec<EdgeObject>);

impl AtCloudflare {
    pub(super) fn of(store: &Store) -> Result<Self, StoreError> {
        let tokens = store.edge_objects_of(EdgeObjectKind::ServiceToken)?;
        Ok(Self(tokens))
    }

    fn find(&self, token: &TokenRecord) -> Option<&EdgeObject> {
        self.0
            .iter()
            .find(|object| object.key == token.name.as_str())
    }
}

impl Usage {
    /// `evidence` is nothing where no events were read.
    pub(super) fn of(
        token: &TokenRecord,
        at_cloudflare: &AtCloudflare,
        evidence: Option<&Evidence>,
    ) -> Self {
        let object = at_cloudflare.find(token);
        let gateway = evidence.map_or(LastSeen::Unknown, |evidence| {
            LastSeen::from(evidence.token_seen(&token.client_id))
        });
        let seen = |secret| evidence.and_then(|evidence| evidence.secret_seen(secret));
        let secrets = token.secrets.iter();
        Self {
            origin: match object {
                Some(_) => TokenOrigin::Cloudflare,
                None => TokenOrigin::Gateway,
            },
            last: object.map_or(gateway, |object| gateway.or(seen_at_edge(object))),
            secrets: secrets.map(|one| (one.to_string(), seen(one))).collect(),
        }
    }

    /// Whether it was not used since `since`, by all that is known.
    pub(super) fn is_unused_since(&self, since: u64) -> bool {
        match self.last {
            LastSeen::At(at) => at < since,
            LastSeen::Never => true,
            LastSeen::Unknown => false,
        }
    }

    pub(super) fn secrets_json(&self) -> Value {
        let secret = |(sha256, seen): &(String, Option<u64>)| json!({ "sha256": sha256, "last_seen_at": seen.map(time::rfc3339) });
        self.secrets.iter().map(secret).collect()
    }
}

impl LastSeen {
    /// What two say together: the later time, and nothing where one of them is not known.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(one), Self::At(other)) => Self::At(one.max(other)),
            (Self::At(at), Self::Never | Self::Unknown)
            | (Self::Never | Self::Unknown, Self::At(at)) => Self::At(at),
            (Self::Never, Self::Never) => Self::Never,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
        }
    }

    pub(super) fn time(self) -> Option<u64> {
        match self {
            Self::At(at) => Some(at),
            Self::Never | Self::Unknown => None,
        }
    }
}

impl From<Option<u64>> for LastSeen {
    fn from(seen: Option<u64>) -> Self {
        seen.map_or(Self::Never, Self::At)
    }
}

/// `last_seen_at` as Access tells it (`GET …/access/service_tokens`), kept in the object's data by
/// whoever asked last: RFC 3339, or null where it was never used.
fn seen_at_edge(object: &EdgeObject) -> LastSeen {
    match object.data.get("last_seen_at") {
        Some(Value::Null) => LastSeen::Never,
        Some(Value::String(at)) => time::parse_rfc3339(at).map_or(LastSeen::Unknown, LastSeen::At),
        _ => LastSeen::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LastSeen::{At, Never, Unknown};

    fn object(data: Value) -> EdgeObject {
        EdgeObject {
            account: String::from("a"),
            kind: EdgeObjectKind::ServiceToken,
            key: String::from("ci-deploy-prod"),
            remote_id: None,
            name: String::from("ci-deploy-prod"),
            parent: None,
            data: data.as_object().unwrap().clone(),
            intended_at: 1,
            recorded_at: None,
            recorded_by: String::from("ann@build"),
        }
    }

    #[test]
    fn what_access_says_of_its_last_use_is_read_and_anything_else_is_not_known() {
        let at = |data| seen_at_edge(&object(data));
        assert_eq!(
            at(json!({ "last_seen_at": "1970-01-01T00:01:00Z" })),
            At(60)
        );
        assert_eq!(at(json!({ "last_seen_at": null })), Never);
        assert_eq!(at(json!({ "last_seen_at": "yesterday" })), Unknown);
        assert_eq!(at(json!({})), Unknown);
    }

    #[test]
    fn a_token_is_unused_only_if_both_say_so() {
        for (one, other, both) in [
            (At(1), At(2), At(2)),
            (At(1), Never, At(1)),
            (At(1), Unknown, At(1)),
            (Never, Never, Never),
            (Never, Unknown, Unknown),
            (Unknown, Unknown, Unknown),
        ] {
            assert_eq!((one.or(other), other.or(one)), (both, both));
        }
    }
}
