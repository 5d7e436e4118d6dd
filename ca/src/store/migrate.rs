//! Numbered forward migrations, all of them in one transaction.

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;

/// "Post" in ASCII: `file` and our own check tell the database from any other.
const APPLICATION_ID: i64 = 0x506f_7374;

/// Each one brings the schema from its index to its index + 1.
const MIGRATIONS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
];

/// Refuses what is not a Postern database, or one from the future.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let application_id: i64 = pragma(connection, "application_id")?;
    if application_id != APPLICATION_ID {
        let what = format!("it is no Postern database (application_id {application_id:#x})");
        return Err(StoreError::Corrupt {
            path: path.to_path_buf(),
            what,
        });
    }
    let found = pragma(connection, "user_version")?;
    if found > known() {
        return Err(StoreError::Newer {
            path: path.to_path_buf(),
            found,
            known: known(),
        });
    }
    if found < 1 {
        let what = String::from("it has no schema");
        return Err(StoreError::Corrupt {
            path: path.to_path_buf(),
            what,
        });
    }
    Ok(())
}

/// Brings the schema forward to the newest one.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    if pragma(connection, "user_version")? == known() {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Read again inside the transaction: another process may have migrated meanwhile.
    let found = pragma(&transaction, "user_version")?;
    let done = usize::try_from(found).map_err(|_| StoreError::Corrupt {
        path: path.to_path_buf(),
        what: format!("schema {found}"),
    })?;
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known())?;
    Ok(transaction.commit()?)
}

fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use postern_pki::journal::Hash;
    use postern_policy::TokenName;
    use tempfile::TempDir;

    use super::*;
    use crate::store::digest::RowDigest;
    use crate::store::{EdgeObjectKind, Store, TokenRecord, tokens};

    fn token() -> TokenRecord {
        TokenRecord {
            name: TokenName::parse("ci-deploy-prod").unwrap(),
            client_id: String::from("1.access"),
            class: String::from("ci"),
            owner: Some(String::from("payments")),
            labels: String::from("{}"),
            enabled: true,
            secrets: vec![Hash::of(b"secret")],
            created_at: 1,
            created_by: String::from("ann@build"),
            expires_at: TokenRecord::NEVER,
        }
    }

    /// A database of the first Postern, with a token in it.
    fn of_schema_1(folder: &TempDir) -> std::path::PathBuf {
        let path = folder.path().join("postern.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection
            .pragma_update(None, "application_id", APPLICATION_ID)
            .unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        tokens::add(&connection, &token()).unwrap();
        let device = RowDigest::of("devices")
            .text("press-7")
            .optional_text(Some("plant-2"))
            .text("{}")
            .integer(1);
        connection
            .execute(
                "INSERT INTO devices (name, owner, labels, created_at, digest)
                 VALUES ('press-7', 'plant-2', '{}', 1, ?1)",
                [device.finish()],
            )
            .unwrap();
        path
    }

    #[test]
    fn a_database_of_schema_1_is_brought_forward_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = of_schema_1(&folder);
        for _ in 0..2 {
            let store = Store::open(&path).unwrap();
            assert_eq!(store.tokens().unwrap(), [token()]);
            assert_eq!(store.newest_secret_at(&token()).unwrap(), 1);
            assert_eq!(store.edge_objects_of(EdgeObjectKind::Policy).unwrap(), []);
            assert_eq!(store.edge_pending().unwrap(), []);
            assert_eq!(store.rotations().unwrap(), []);
            let device = store.device("press-7").unwrap().unwrap();
            assert_eq!(device.owner.as_deref(), Some("plant-2"));
            assert!(device.profile.is_none() && device.revocation.is_none());
        }
        let connection = Connection::open(&path).unwrap();
        assert_eq!(pragma(&connection, "user_version").unwrap(), known());
    }

    #[test]
    fn a_database_of_a_newer_schema_is_refused_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = of_schema_1(&folder);
        let newer = known() + 1;
        let connection = Connection::open(&path).unwrap();
        connection
            .pragma_update(None, "user_version", newer)
            .unwrap();
        match Store::open(&path) {
            Err(StoreError::Newer { found, known, .. }) => {
                assert_eq!((found, known), (newer, newer - 1));
            }
            other => panic!("{:?}", other.map(|_| "opened")),
        }
        assert_eq!(pragma(&connection, "user_version").unwrap(), newer);
    }
}
