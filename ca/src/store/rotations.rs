//! Rotations of service tokens: how far each one is.

use postern_policy::TokenName;
use rusqlite::{Connection, Row, params};

use super::digest::RowDigest;
use super::journal::{integer, natural};
use super::{Store, StoreError};

/// A rotation of a token, under way or over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationRecord {
    id: i64,
    token: TokenName,
    started_at: u64,
    started_by: String,
    /// How far it is, in JSON; the store does not read it, and no secret stands in it.
    pub state: String,
    /// When it last went on, Unix seconds.
    pub updated_at: u64,
    /// When it ended, Unix seconds; nothing while it is under way.
    pub finished_at: Option<u64>,
}

const COLUMNS: &str =
    "id, token, state, started_at, updated_at, finished_at, started_by, digest FROM rotations";

impl RotationRecord {
    /// Which token is rotated.
    pub fn token(&self) -> &TokenName {
        &self.token
    }

    /// When it began, Unix seconds.
    pub fn started_at(&self) -> u64 {
        self.started_at
    }

    /// Who began it.
    pub fn started_by(&self) -> &str {
        &self.started_by
    }

    fn digest(&self) -> Result<Vec<u8>, StoreError> {
        Ok(RowDigest::of("rotations")
            .text(self.token.as_str())
            .text(&self.state)
            .integer(integer(self.started_at)?)
            .integer(integer(self.updated_at)?)
            .optional_integer(self.finished_at.map(integer).transpose()?)
            .text(&self.started_by)
            .finish())
    }
}

impl Store {
    /// Every rotation there ever was, oldest first.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn rotations(&self) -> Result<Vec<RotationRecord>, StoreError> {
        self.read(|connection| select(connection, "1 ORDER BY id", params![]))
    }

    /// The rotation of `token` that is under way.
    ///
    /// # Errors
    /// When the row cannot be read or was altered.
    pub fn unfinished_rotation(
        &self,
        token: &TokenName,
    ) -> Result<Option<RotationRecord>, StoreError> {
        self.read(|connection| unfinished(connection, token))
    }

    /// Records that a rotation of `token` begins.
    ///
    /// # Errors
    /// When one is under way already: go on with that one.
    pub fn start_rotation(
        &self,
        token: TokenName,
        state: String,
        by: String,
        now: u64,
    ) -> Result<RotationRecord, StoreError> {
        self.write(move |connection| {
            if unfinished(connection, &token)?.is_some() {
                return Err(StoreError::Conflict(format!(
                    "an unfinished rotation of token {token}"
                )));
            }
            let mut rotation = RotationRecord {
                id: 0,
                token,
                started_at: now,
                started_by: by,
                state,
                updated_at: now,
                finished_at: None,
            };
            insert(connection, &rotation)?;
            rotation.id = connection.last_insert_rowid();
            Ok(rotation)
        })
    }

    /// Records how far a rotation is now.
    ///
    /// # Errors
    /// When it cannot be made durable; then the next step must not be taken.
    pub fn save_rotation(&self, rotation: &RotationRecord) -> Result<(), StoreError> {
        let rotation = rotation.clone();
        self.write(move |connection| update(connection, &rotation))
    }
}

fn unfinished(
    connection: &Connection,
    token: &TokenName,
) -> Result<Option<RotationRecord>, StoreError> {
    let filter = "token = ?1 AND finished_at IS NULL";
    Ok(select(connection, filter, params![token.as_str()])?.pop())
}

fn select(
    connection: &Connection,
    filter: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<Vec<RotationRecord>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} WHERE {filter}"))?;
    let mut rows = statement.query(values)?;
    let mut rotations = Vec::new();
    while let Some(row) = rows.next()? {
        rotations.push(from_row(row)?);
    }
    Ok(rotations)
}

fn insert(connection: &Connection, rotation: &RotationRecord) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO rotations (token, state, started_at, updated_at, finished_at, started_by, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            rotation.token.as_str(),
            rotation.state,
            integer(rotation.started_at)?,
            integer(rotation.updated_at)?,
            rotation.finished_at.map(integer).transpose()?,
            rotation.started_by,
            rotation.digest()?,
        ],
    )?;
    Ok(())
}

fn update(connection: &Connection, rotation: &RotationRecord) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE rotations SET state = ?2, updated_at = ?3, finished_at = ?4, digest = ?5 WHERE id = ?1",
        params![
            rotation.id,
            rotation.state,
            integer(rotation.updated_at)?,
            rotation.finished_at.map(integer).transpose()?,
            rotation.digest()?,
        ],
    )?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> Result<RotationRecord, StoreError> {
    let id = row.get(0)?;
    let altered = || StoreError::AlteredRow {
        table: "rotations",
        row: id,
    };
    let rotation = RotationRecord {
        id,
        token: TokenName::parse(&row.get::<_, String>(1)?).map_err(|_| altered())?,
        state: row.get(2)?,
        started_at: natural(row.get(3)?)?,
        updated_at: natural(row.get(4)?)?,
        finished_at: row.get::<_, Option<i64>>(5)?.map(natural).transpose()?,
        started_by: row.get(6)?,
    };
    if row.get::<_, Vec<u8>>(7)? == rotation.digest()? {
        Ok(rotation)
    } else {
        Err(altered())
    }
}
