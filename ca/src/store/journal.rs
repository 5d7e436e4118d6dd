//! The journal's rows: same transaction as what they tell of.

use postern_pki::journal::{Hash, Head};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::StoreError;
use super::digest::RowDigest;

/// One line of the journal as it is to stand in a segment.
#[derive(Debug, Clone)]
pub struct JournalRow {
    /// Its sequence number.
    pub seq: u64,
    /// Its segment: the sequence number of that segment's first entry.
    pub segment: u64,
    /// The line with its newline.
    pub line: String,
}

/// The rows after entry `after`, in order, at most `limit`.
pub(crate) fn after(
    connection: &Connection,
    after: u64,
    limit: u32,
) -> Result<Vec<JournalRow>, StoreError> {
    rows(
        connection,
        "seq > ?1 ORDER BY seq LIMIT ?2",
        params![integer(after)?, limit],
    )
}

/// The row of one entry.
pub(crate) fn row(connection: &Connection, seq: u64) -> Result<Option<JournalRow>, StoreError> {
    // A number out of range is an entry that we do not have.
    let Ok(seq) = integer(seq) else {
        return Ok(None);
    };
    Ok(rows(connection, "seq = ?1", params![seq])?.pop())
}

/// The rows of one segment.
pub(crate) fn segment(connection: &Connection, first: u64) -> Result<Vec<JournalRow>, StoreError> {
    let Ok(first) = integer(first) else {
        return Ok(Vec::new());
    };
    rows(connection, "segment = ?1 ORDER BY seq", params![first])
}

fn rows(
    connection: &Connection,
    filter: &str,
    values: impl Params,
) -> Result<Vec<JournalRow>, StoreError> {
    let sql = format!("SELECT seq, segment, hash, line, digest FROM journal WHERE {filter}");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(values)?;
    let mut journal = Vec::new();
    while let Some(row) = rows.next()? {
        let (seq, segment, hash, line): (i64, i64, Vec<u8>, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        if row.get::<_, Vec<u8>>(4)? != digest(seq, segment, &hash, &line) {
            return Err(StoreError::AlteredRow {
                table: "journal",
                row: seq,
            });
        }
        journal.push(JournalRow {
            seq: natural(seq)?,
            segment: natural(segment)?,
            line,
        });
    }
    Ok(journal)
}

/// Where the chain ends, and the first entry of its segment.
pub(crate) fn head(connection: &Connection) -> Result<Option<(Head, u64)>, StoreError> {
    let row = connection
        .query_row(
            "SELECT seq, segment, hash, line, digest FROM journal ORDER BY seq DESC LIMIT 1",
            [],
            |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, i64>(1)?,
                    row.get::<_, Vec<u8>>(2)?,
                    row.get::<_, String>(3)?,
                    row.get::<_, Vec<u8>>(4)?,
                ))
            },
        )
        .optional()?;
    let Some((seq, segment, hash, line, stored)) = row else {
        return Ok(None);
    };
    let octets: Result<[u8; 32], _> = hash.as_slice().try_into();
    match octets {
        Ok(octets) if stored == digest(seq, segment, &hash, &line) => Ok(Some((
            Head {
                seq: natural(seq)?,
                hash: Hash::from(octets),
            },
            natural(segment)?,
        ))),
        _ => Err(StoreError::AlteredRow {
            table: "journal",
            row: seq,
        }),
    }
}

/// Adds one line to the chain.
pub(crate) fn add(
    connection: &Connection,
    head: Head,
    segment: u64,
    line: &str,
) -> Result<(), StoreError> {
    let (seq, segment) = (integer(head.seq)?, integer(segment)?);
    let hash = head.hash.as_bytes().as_slice();
    connection.execute(
        "INSERT INTO journal (seq, segment, hash, line, digest) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![seq, segment, hash, line, digest(seq, segment, hash, line)],
    )?;
    Ok(())
}

fn digest(seq: i64, segment: i64, hash: &[u8], line: &str) -> Vec<u8> {
    RowDigest::of("journal")
        .integer(seq)
        .integer(segment)
        .octets(hash)
        .text(line)
        .finish()
}

pub(super) fn integer(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Refused(format!("{value} is out of range")))
}

pub(super) fn natural(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Refused(format!("{value} is out of range")))
}
