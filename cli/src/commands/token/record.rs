//! What the store knows of a token at Cloudflare: the token itself and its policies.

use postern_ca::{Actor, EdgeObject, EdgeObjectKind, Store, StoreError};
use postern_cloudflare::minting::token_policy_name;
use postern_cloudflare::policy_key;
use postern_policy::TokenName;
use serde_json::{Value, json};

use crate::cloudflare::ledger;
use crate::time;

/// The record of one account.
#[derive(Clone, Copy)]
pub(crate) struct EdgeRecord<'a> {
    pub(crate) store: &'a Store,
    pub(crate) account: &'a str,
}

impl EdgeRecord<'_> {
    /// The token of that name, made or about to be.
    pub(crate) fn token(&self, name: &TokenName) -> Result<Option<EdgeObject>, StoreError> {
        self.find(EdgeObjectKind::ServiceToken, name.as_str())
    }

    /// The policy of the token in one application.
    pub(crate) fn policy(
        &self,
        name: &TokenName,
        app: &str,
    ) -> Result<Option<EdgeObject>, StoreError> {
        self.find(EdgeObjectKind::Policy, &key(name, app))
    }

    /// The policies of the token in all applications.
    pub(crate) fn policies(&self, name: &TokenName) -> Result<Vec<EdgeObject>, StoreError> {
        let wanted = token_policy_name(name.as_str());
        let mut objects = self.store.edge_objects(self.account)?;
        objects.retain(|object| object.kind == EdgeObjectKind::Policy && object.name == wanted);
        Ok(objects)
    }

    /// Records that the token is about to be minted.
    pub(crate) fn intend_token(&self, name: &TokenName) -> Result<EdgeObject, StoreError> {
        let mut object = self.object(EdgeObjectKind::ServiceToken, name.as_str(), name.as_str());
        object.data.insert(UNDELIVERED.to_owned(), json!(true));
        self.store.upsert_edge_object(object.clone())?;
        Ok(object)
    }

    /// Records that the token's policy is about to be added to an application.
    pub(crate) fn intend_policy(
        &self,
        name: &TokenName,
        app: &str,
    ) -> Result<EdgeObject, StoreError> {
        let policy = token_policy_name(name.as_str());
        let key = key(name, app);
        let mut object = self.object(EdgeObjectKind::Policy, &key, &policy);
        object.parent = Some(app.to_owned());
        object.data = ledger::from_token();
        self.store.upsert_edge_object(object.clone())?;
        Ok(object)
    }

    /// Records the id that an object got.
    pub(crate) fn learn(&self, object: &mut EdgeObject, id: &str) -> Result<(), StoreError> {
        object.remote_id = Some(id.to_owned());
        object.recorded_at = Some(time::now());
        self.store.upsert_edge_object(object.clone())
    }

    /// Records that the token's secret is where it belongs.
    pub(crate) fn delivered(&self, object: &mut EdgeObject, to: &str) -> Result<(), StoreError> {
        let data = &mut object.data;
        data.remove(UNDELIVERED);
        data.insert(
            DELIVERED_AT.to_owned(),
            Value::from(time::rfc3339(time::now())),
        );
        data.insert(DESTINATION.to_owned(), Value::from(to));
        self.store.upsert_edge_object(object.clone())
    }

    /// Keeps when Cloudflare last saw the token in use, for `token list --unused`.
    pub(crate) fn saw(&self, object: &mut EdgeObject, at: Option<&str>) -> Result<(), StoreError> {
        object.data.insert(LAST_SEEN_AT.to_owned(), json!(at));
        self.store.upsert_edge_object(object.clone())
    }

    /// Forgets an object that is gone, or was never made.
    pub(crate) fn forget(&self, object: &EdgeObject) -> Result<(), StoreError> {
        self.store
            .forget_edge_object(self.account, object.kind, &object.key)
    }

    fn find(&self, kind: EdgeObjectKind, key: &str) -> Result<Option<EdgeObject>, StoreError> {
        let mut objects = self.store.edge_objects(self.account)?.into_iter();
        Ok(objects.find(|object| object.kind == kind && object.key == key))
    }

    fn object(&self, kind: EdgeObjectKind, key: &str, name: &str) -> EdgeObject {
        EdgeObject {
            account: self.account.to_owned(),
            kind,
            key: key.to_owned(),
            remote_id: None,
            name: name.to_owned(),
            parent: None,
            data: serde_json::Map::new(),
            intended_at: time::now(),
            recorded_at: None,
            recorded_by: Actor::current().to_string(),
        }
    }
}

/// Whether its secret was minted, or about to be, and not delivered: a token that was adopted has
/// a secret that somebody uses.
pub(crate) fn is_undelivered(object: &EdgeObject) -> bool {
    object.data.get(UNDELIVERED) == Some(&json!(true))
}

/// Where the token's secret was delivered to, if it was.
pub(crate) fn destination(object: &EdgeObject) -> Option<&str> {
    object.data.get(DESTINATION).and_then(Value::as_str)
}

/// The account that a token is recorded in, whichever it is.
pub(crate) fn recorded_anywhere(
    store: &Store,
    name: &TokenName,
) -> Result<Option<EdgeObject>, StoreError> {
    let tokens = store.edge_objects_of(EdgeObjectKind::ServiceToken)?;
    Ok(tokens.into_iter().find(|token| token.key == name.as_str()))
}

/// The key that `cloudflare apply` uses too.
fn key(name: &TokenName, app: &str) -> String {
    policy_key(app, &token_policy_name(name.as_str()))
}

const UNDELIVERED: &str = "undelivered";
const LAST_SEEN_AT: &str = "last_seen_at";
const DELIVERED_AT: &str = "delivered_at";
const DESTINATION: &str = "destination";
