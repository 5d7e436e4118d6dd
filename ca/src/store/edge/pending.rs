//! Changes that must still reach the edge.

use rusqlite::{Connection, Row, params};

use crate::store::digest::RowDigest;
use crate::store::journal::{integer, natural};
use crate::store::{Store, StoreError};

/// A change that must reach the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeChange {
    /// What is to be done, for people.
    pub what: String,
    /// Why, such as `revoked`.
    pub cause: String,
    /// The common names or token names that it is about.
    pub names: Vec<String>,
    /// Since when, Unix seconds.
    pub since: u64,
    /// By whom.
    pub by: String,
}

/// A change that did not reach the edge yet, as far as we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgePending {
    /// What [`Store::clear_edge_pending`] takes; never given out twice.
    pub id: i64,
    /// The change.
    pub change: EdgeChange,
}

impl EdgeChange {
    fn names_json(&self) -> String {
        serde_json::Value::from(self.names.as_slice()).to_string()
    }

    fn digest(&self) -> Result<Vec<u8>, StoreError> {
        Ok(RowDigest::of("edge_pending")
            .text(&self.what)
            .text(&self.cause)
            .text(&self.names_json())
            .integer(integer(self.since)?)
            .text(&self.by)
            .finish())
    }
}

impl Store {
    /// What must still reach the edge, oldest first.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn edge_pending(&self) -> Result<Vec<EdgePending>, StoreError> {
        self.read(all)
    }

    /// Records a change that must reach the edge, and gives its id.
    ///
    /// Call it before the change is tried, and clear it when it is done: then a crash in between
    /// leaves a change that is tried once too often, never one that is forgotten.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub fn add_edge_pending(&self, change: EdgeChange) -> Result<i64, StoreError> {
        self.write(move |connection| add(connection, &change))
    }

    /// Takes changes that reached the edge off the list, all or none; those that are off it already
    /// are no error.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub fn clear_edge_pending(&self, ids: Vec<i64>) -> Result<(), StoreError> {
        self.write(move |connection| {
            for id in ids {
                connection.execute("DELETE FROM edge_pending WHERE id = ?1", [id])?;
            }
            Ok(())
        })
    }
}

pub(crate) fn add(connection: &Connection, change: &EdgeChange) -> Result<i64, StoreError> {
    connection.execute(
        "INSERT INTO edge_pending (what, cause, names, since, recorded_by, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            change.what,
            change.cause,
            change.names_json(),
            integer(change.since)?,
            change.by,
            change.digest()?,
        ],
    )?;
    Ok(connection.last_insert_rowid())
}

fn all(connection: &Connection) -> Result<Vec<EdgePending>, StoreError> {
    let sql =
        "SELECT id, what, cause, names, since, recorded_by, digest FROM edge_pending ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut pending = Vec::new();
    while let Some(row) = rows.next()? {
        pending.push(from_row(row)?);
    }
    Ok(pending)
}

fn from_row(row: &Row<'_>) -> Result<EdgePending, StoreError> {
    let id = row.get(0)?;
    let altered = || StoreError::AlteredRow {
        table: "edge_pending",
        row: id,
    };
    let change = EdgeChange {
        what: row.get(1)?,
        cause: row.get(2)?,
        names: serde_json::from_str(&row.get::<_, String>(3)?).map_err(|_| altered())?,
        since: natural(row.get(4)?)?,
        by: row.get(5)?,
    };
    if row.get::<_, Vec<u8>>(6)? == change.digest()? {
        Ok(EdgePending { id, change })
    } else {
        Err(altered())
    }
}
