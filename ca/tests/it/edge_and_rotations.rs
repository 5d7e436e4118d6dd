//! The record of what stands at the edge, and of rotations.

use postern_ca::{EdgeChange, EdgeObject, EdgeObjectKind, RotationRecord, Store, StoreError};
use postern_policy::TokenName;
use serde_json::json;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::create(&folder.path().join("postern.db")).unwrap());
        Self(folder)
    }

    fn open(&self) -> Store {
        Store::open(&self.0.path().join("postern.db")).unwrap()
    }

    /// Changes a row behind the store's back.
    fn alter(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.0.path().join("postern.db")).unwrap();
        assert_eq!(connection.execute(sql, []).unwrap(), 1, "{sql}");
    }
}

fn object(account: &str, kind: EdgeObjectKind, key: &str) -> EdgeObject {
    EdgeObject {
        account: account.to_owned(),
        kind,
        key: key.to_owned(),
        remote_id: None,
        name: format!("{key} (mTLS)"),
        parent: Some(String::from("app-1")),
        data: json!({ "precedence": 3, "b": "x", "a": [1.5] })
            .as_object()
            .unwrap()
            .clone(),
        intended_at: 100,
        recorded_at: None,
        recorded_by: String::from("ann@build"),
    }
}

#[test]
fn an_object_is_intended_then_recorded_then_forgotten() {
    let folder = Folder::new();
    let intended = object("a", EdgeObjectKind::Policy, "telemetry/devices");
    folder.open().upsert_edge_object(intended.clone()).unwrap();
    let found = folder.open().edge_objects("a").unwrap();
    assert_eq!(found, std::slice::from_ref(&intended));
    let recorded = EdgeObject {
        remote_id: Some(String::from("policy-1")),
        recorded_at: Some(101),
        ..intended
    };
    folder.open().upsert_edge_object(recorded.clone()).unwrap();
    assert_eq!(folder.open().edge_objects("a").unwrap(), [recorded]);
    for _ in 0..2 {
        let kind = EdgeObjectKind::Policy;
        let store = folder.open();
        store
            .forget_edge_object("a", kind, "telemetry/devices")
            .unwrap();
        assert_eq!(store.edge_objects("a").unwrap(), []);
    }
}

#[test]
fn objects_of_one_key_in_two_accounts_or_of_two_kinds_are_two() {
    let folder = Folder::new();
    let store = folder.open();
    let all = [
        object("a", EdgeObjectKind::Group, "x"),
        object("a", EdgeObjectKind::ServiceToken, "x"),
        object("b", EdgeObjectKind::Group, "x"),
    ];
    for one in all.iter().rev() {
        store.upsert_edge_object(one.clone()).unwrap();
    }
    assert_eq!(store.edge_objects("a").unwrap(), all[..2]);
    assert_eq!(store.edge_objects("b").unwrap(), all[2..]);
    let groups = store.edge_objects_of(EdgeObjectKind::Group).unwrap();
    assert_eq!(groups, [all[0].clone(), all[2].clone()]);
    let group = EdgeObjectKind::Group;
    store.forget_edge_object("a", group, "x").unwrap();
    assert_eq!(store.edge_objects("a").unwrap(), all[1..2]);
    assert_eq!(store.edge_objects("b").unwrap(), all[2..]);
}

#[test]
fn a_cleared_change_never_takes_a_later_one_with_it() {
    let folder = Folder::new();
    let store = folder.open();
    let change = |names: &[&str]| EdgeChange {
        what: String::from("take it out of group `devices`"),
        cause: String::from("revoked"),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        since: 100,
        by: String::from("ann@build"),
    };
    let first = store.add_edge_pending(change(&["a", "b\"c"])).unwrap();
    let pending = folder.open().edge_pending().unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(
        (pending[0].id, &pending[0].change),
        (first, &change(&["a", "b\"c"]))
    );
    store.clear_edge_pending(vec![first]).unwrap();
    let second = store.add_edge_pending(change(&[])).unwrap();
    store.clear_edge_pending(vec![first]).unwrap();
    let left: Vec<i64> = store
        .edge_pending()
        .unwrap()
        .iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(left, [second]);
}

fn start(store: &Store, token: &str, now: u64) -> Result<RotationRecord, StoreError> {
    let token = TokenName::parse(token).unwrap();
    store.start_rotation(token, String::from("{}"), String::from("ann@build"), now)
}

#[test]
fn a_token_has_one_unfinished_rotation_and_any_number_of_finished_ones() {
    let folder = Folder::new();
    let token = TokenName::parse("ci-deploy-prod").unwrap();
    let mut rotation = start(&folder.open(), "ci-deploy-prod", 100).unwrap();
    start(&folder.open(), "ci-other-prod", 100).unwrap();
    match start(&folder.open(), "ci-deploy-prod", 101) {
        Err(StoreError::Conflict(what)) => {
            assert_eq!(what, "an unfinished rotation of token ci-deploy-prod");
        }
        other => panic!("{other:?}"),
    }
    rotation.state = String::from("{\"step\":\"delivered\"}");
    rotation.updated_at = 102;
    folder.open().save_rotation(&rotation).unwrap();
    let found = folder.open().unfinished_rotation(&token).unwrap();
    assert_eq!(found.as_ref(), Some(&rotation));
    rotation.finished_at = Some(103);
    folder.open().save_rotation(&rotation).unwrap();
    assert_eq!(folder.open().unfinished_rotation(&token).unwrap(), None);
    let next = start(&folder.open(), "ci-deploy-prod", 104).unwrap();
    let all = folder.open().rotations().unwrap();
    assert_eq!((all.len(), &all[0], &all[2]), (3, &rotation, &next));
}

#[test]
fn a_row_that_somebody_altered_is_an_error_when_it_is_read() {
    let folder = Folder::new();
    let store = folder.open();
    store
        .upsert_edge_object(object("a", EdgeObjectKind::Hostname, "h"))
        .unwrap();
    start(&store, "ci-deploy-prod", 100).unwrap();
    let change = EdgeChange {
        what: String::from("x"),
        cause: String::from("revoked"),
        names: vec![String::from("a")],
        since: 100,
        by: String::from("ann@build"),
    };
    store.add_edge_pending(change).unwrap();
    folder.alter("UPDATE edge_objects SET remote_id = 'someone-elses'");
    folder.alter("UPDATE edge_pending SET names = '[]'");
    folder.alter("UPDATE rotations SET finished_at = 1");
    let errors = [
        store.edge_objects("a").map(drop),
        store.edge_pending().map(drop),
        store.rotations().map(drop),
    ];
    for (error, altered) in errors
        .iter()
        .zip(["edge_objects", "edge_pending", "rotations"])
    {
        let expected = matches!(
            error,
            Err(StoreError::AlteredRow { table, row: 1 }) if *table == altered
        );
        assert!(expected, "{altered}: {error:?}");
    }
}
