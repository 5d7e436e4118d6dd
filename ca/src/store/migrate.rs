//! Numbered forward migrations, all of them in one transaction.

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;

/// "Post" in ASCII: `file` and our own check tell the database from any other.
const APPLICATION_ID: i64 = 0x506f_7374;

/// Each one brings the schema from its index to its index + 1.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql")];

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
