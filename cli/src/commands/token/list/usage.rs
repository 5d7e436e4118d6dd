//! Where a token is good, and when it was used last.

use std::collections::{BTreeMap, BTreeSet};

use postern_ca::{EdgeObject, EdgeObjectKind, Store, StoreError, TokenRecord};
use postern_policy::config::TokenOrigin;
use serde_json::{Value, json};

use crate::cloudflare::CloudflareArgs;
use crate::commands::token::record::EdgeRecord;
use crate::error::CommandError;
use crate::evidence::Evidence;
use crate::output::tell;
use crate::time;

/// What Cloudflare and the gateways' events say of a token's use.
pub(super) struct Usage {
    pub(super) origin: TokenOrigin,
    pub(super) last: LastSeen,
    /// Whether everybody was asked just now who could have seen it.
    pub(super) is_known: bool,
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

/// What we recorded of each token at Cloudflare, and what it said when it was asked.
pub(super) struct AtCloudflare {
    objects: Vec<EdgeObject>,
    /// By the token's id there.
    answers: BTreeMap<String, LastSeen>,
}

impl AtCloudflare {
    pub(super) fn of(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            objects: store.edge_objects_of(EdgeObjectKind::ServiceToken)?,
            answers: BTreeMap::new(),
        })
    }

    /// Asks when each token was used last, in every account for which there is an API token. One
    /// account that does not answer is told, and what is there is not known.
    pub(super) fn ask(&mut self, store: &Store, args: &CloudflareArgs) -> Result<(), StoreError> {
        let accounts = self.objects.iter().map(|object| object.account.clone());
        let mut accounts: BTreeSet<String> = accounts.collect();
        if let Some(named) = args.account_id.as_ref().filter(|named| !named.is_empty()) {
            accounts.retain(|account| account == named);
        }
        for account in accounts {
            match last_seen(args, &account) {
                Ok(answers) => self.learn(store, &account, &answers)?,
                Err(error) => tell(&format!(
                    "Cloudflare was not asked about the account {account}: {}",
                    error.message()
                )),
            }
        }
        Ok(())
    }

    /// Whether it answered at all.
    pub(super) fn was_asked(&self) -> bool {
        !self.answers.is_empty()
    }

    fn learn(
        &mut self,
        store: &Store,
        account: &str,
        answers: &BTreeMap<String, Option<String>>,
    ) -> Result<(), StoreError> {
        let record = EdgeRecord { store, account };
        for object in self.objects.iter_mut().filter(|it| it.account == account) {
            let Some(id) = object.remote_id.clone() else {
                continue;
            };
            if let Some(at) = answers.get(&id) {
                record.saw(object, at.as_deref())?;
                self.answers.insert(id, seen_at_edge(object));
            }
        }
        Ok(())
    }

    fn find(&self, token: &TokenRecord) -> Option<&EdgeObject> {
        self.objects
            .iter()
            .find(|object| object.key == token.name.as_str())
    }

    fn answer(&self, object: &EdgeObject) -> Option<LastSeen> {
        self.answers.get(object.remote_id.as_deref()?).copied()
    }
}

/// When each token of an account was used last, by its id; nothing where there is no API token.
fn last_seen(
    args: &CloudflareArgs,
    account: &str,
) -> Result<BTreeMap<String, Option<String>>, CommandError> {
    let Some(edge) = args.connect_without_asking(account.to_owned())? else {
        return Ok(BTreeMap::new());
    };
    let scope = edge.scope();
    let tokens = edge.run(edge.client.service_tokens(&scope))?;
    let seen = tokens.iter().map(|token| {
        let at = token.last_seen_at().map(str::to_owned);
        (token.id().to_owned(), at)
    });
    Ok(seen.collect())
}

impl Usage {
    /// `evidence` is nothing where no events were read.
    pub(super) fn of(
        token: &TokenRecord,
        at_cloudflare: &AtCloudflare,
        evidence: Option<&Evidence>,
    ) -> Self {
        let object = at_cloudflare.find(token);
        let answer = object.and_then(|object| at_cloudflare.answer(object));
        // What Cloudflare said at an earlier time is a use, and says nothing of the time since.
        let at_edge = answer.or_else(|| object.map(seen_at_edge));
        let at_gateway = evidence.and_then(|evidence| evidence.token_seen(&token.client_id));
        let is_known = match object {
            Some(_) => answer.is_some_and(|answer| answer != LastSeen::Unknown),
            None => evidence.is_some(),
        };
        let seen = |secret| evidence.and_then(|evidence| evidence.secret_seen(secret));
        let secrets = token.secrets.iter();
        Self {
            origin: match object {
                Some(_) => TokenOrigin::Cloudflare,
                None => TokenOrigin::Gateway,
            },
            last: LastSeen::of(at_gateway.max(at_edge.and_then(LastSeen::time)), is_known),
            is_known,
            secrets: secrets.map(|one| (one.to_string(), seen(one))).collect(),
        }
    }

    /// Whether it was not used since `since`; one that was not asked about may have been.
    pub(super) fn is_unused_since(&self, since: u64) -> bool {
        let is_older = match self.last {
            LastSeen::At(at) => at < since,
            LastSeen::Never => true,
            LastSeen::Unknown => false,
        };
        self.is_known && is_older
    }

    pub(super) fn secrets_json(&self) -> Value {
        let secret = |(sha256, seen): &(String, Option<u64>)| json!({ "sha256": sha256, "last_seen_at": seen.map(time::rfc3339) });
        self.secrets.iter().map(secret).collect()
    }
}

impl LastSeen {
    fn of(at: Option<u64>, is_known: bool) -> Self {
        match (at, is_known) {
            (Some(at), _) => Self::At(at),
            (None, true) => Self::Never,
            (None, false) => Self::Unknown,
        }
    }

    pub(super) fn time(self) -> Option<u64> {
        match self {
            Self::At(at) => Some(at),
            Self::Never | Self::Unknown => None,
        }
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
            remote_id: Some(String::from("id")),
            name: String::from("ci-deploy-prod"),
            parent: None,
            data: data.as_object().unwrap().clone(),
            intended_at: 1,
            recorded_at: None,
            recorded_by: String::from("ann@build"),
        }
    }

    fn token() -> TokenRecord {
        TokenRecord {
            name: postern_policy::TokenName::parse("ci-deploy-prod").unwrap(),
            client_id: String::from("1.access"),
            class: String::from("ci"),
            owner: None,
            labels: String::new(),
            enabled: true,
            secrets: Vec::new(),
            created_at: 1,
            created_by: String::from("ann@build"),
            expires_at: 1000,
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
    fn what_cloudflare_said_earlier_is_a_use_and_never_a_silence() {
        let usage = |data: Value, answer: Option<LastSeen>| {
            let at_cloudflare = AtCloudflare {
                objects: vec![object(data)],
                answers: answer
                    .map(|it| (String::from("id"), it))
                    .into_iter()
                    .collect(),
            };
            let usage = Usage::of(&token(), &at_cloudflare, Some(&Evidence::default()));
            (usage.last, usage.is_unused_since(100))
        };
        let kept = json!({ "last_seen_at": "1970-01-01T00:01:00Z" });
        assert_eq!(usage(kept.clone(), None), (At(60), false));
        assert_eq!(
            usage(json!({ "last_seen_at": null }), None),
            (Unknown, false)
        );
        assert_eq!(usage(kept.clone(), Some(At(60))), (At(60), true));
        assert_eq!(usage(kept.clone(), Some(At(160))), (At(160), false));
        assert_eq!(usage(json!({}), Some(Never)), (Never, true));
        assert_eq!(usage(json!({}), Some(Unknown)), (Unknown, false));
    }
}
