//! The record of what is ours at Cloudflare, kept in the home.

use postern_ca::{Actor, EdgeObject, EdgeObjectKind, Store, StoreError};
use postern_cloudflare::{Ledger, ObjectKind, Owned, Recorder};
use serde_json::{Map, Value};

use crate::time;

/// Reads the record of one account.
pub(crate) fn read(store: &Store, account: &str) -> Result<Ledger, StoreError> {
    let objects = store.edge_objects(account)?.into_iter();
    Ok(Ledger::new(objects.filter_map(owned).collect()))
}

/// Writes to the record of one account.
pub(crate) struct StoreRecorder<'a> {
    pub(crate) store: &'a Store,
    pub(crate) account: &'a str,
}

impl Recorder for StoreRecorder<'_> {
    fn record(&mut self, object: &Owned) -> Result<(), String> {
        let now = time::now();
        let object = EdgeObject {
            account: self.account.to_owned(),
            kind: kind(object.kind),
            key: object.key.clone(),
            remote_id: object.id.clone(),
            name: object.name.clone(),
            parent: object.parent.clone(),
            data: data(object.kind),
            intended_at: object.intended_at,
            recorded_at: object.id.as_ref().map(|_| now),
            recorded_by: Actor::current().to_string(),
        };
        let recorded = self.store.upsert_edge_object(object);
        recorded.map_err(|error| error.to_string())
    }

    fn forget(&mut self, object: ObjectKind, key: &str) -> Result<(), String> {
        let forgotten = self
            .store
            .forget_edge_object(self.account, kind(object), key);
        forgotten.map_err(|error| error.to_string())
    }
}

fn kind(kind: ObjectKind) -> EdgeObjectKind {
    match kind {
        ObjectKind::Certificate => EdgeObjectKind::Certificate,
        ObjectKind::App => EdgeObjectKind::Application,
        ObjectKind::Policy | ObjectKind::TokenPolicy => EdgeObjectKind::Policy,
        ObjectKind::Group => EdgeObjectKind::Group,
        ObjectKind::ServiceToken => EdgeObjectKind::ServiceToken,
    }
}

/// Both kinds of policies are policies there; which of the two decides who may delete it.
fn data(kind: ObjectKind) -> Map<String, Value> {
    match kind {
        ObjectKind::TokenPolicy => from_token(),
        ObjectKind::Certificate
        | ObjectKind::App
        | ObjectKind::Policy
        | ObjectKind::Group
        | ObjectKind::ServiceToken => Map::new(),
    }
}

/// Marks a policy that goes with its token, whatever the policy file says.
pub(crate) fn from_token() -> Map<String, Value> {
    let origin = (ORIGIN.to_owned(), Value::from(TOKEN));
    Map::from_iter([origin])
}

fn owned(object: EdgeObject) -> Option<Owned> {
    let is_tokens = object.data.get(ORIGIN).and_then(Value::as_str) == Some(TOKEN);
    let kind = match object.kind {
        EdgeObjectKind::Certificate => ObjectKind::Certificate,
        EdgeObjectKind::Application => ObjectKind::App,
        EdgeObjectKind::Policy if is_tokens => ObjectKind::TokenPolicy,
        EdgeObjectKind::Policy => ObjectKind::Policy,
        EdgeObjectKind::Group => ObjectKind::Group,
        EdgeObjectKind::ServiceToken => ObjectKind::ServiceToken,
        // Hosts' settings have no id and are nobody's alone.
        EdgeObjectKind::Hostname => return None,
    };
    Some(Owned {
        kind,
        key: object.key,
        id: object.remote_id,
        name: object.name,
        parent: object.parent,
        intended_at: object.intended_at,
    })
}

const ORIGIN: &str = "origin";
const TOKEN: &str = "token";
