//! Which certificate took the place of which.

use rusqlite::{Connection, params};

use super::certificates::by_id;
use super::digest::RowDigest;
use super::journal::integer;
use super::{CertificateRecord, Store, StoreError};

impl Store {
    /// The certificate whose place `certificate` took.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn predecessor(
        &self,
        certificate: &CertificateRecord,
    ) -> Result<Option<CertificateRecord>, StoreError> {
        self.read(|connection| {
            let mut links = links(connection, "certificate_id = ?1", certificate.id)?;
            let predecessor = links.pop().map(|(_, predecessor)| predecessor);
            predecessor.map(|id| by_id(connection, id)).transpose()
        })
    }

    /// The certificates that took the place of `certificate`, oldest first; more than one where a
    /// renewal was interrupted or revoked, and made again.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn successors(
        &self,
        certificate: &CertificateRecord,
    ) -> Result<Vec<CertificateRecord>, StoreError> {
        self.read(|connection| of(connection, certificate))
    }
}

/// The certificates that took the place of `certificate`, oldest first.
pub(super) fn of(
    connection: &Connection,
    certificate: &CertificateRecord,
) -> Result<Vec<CertificateRecord>, StoreError> {
    let links = links(connection, "predecessor_id = ?1", certificate.id)?;
    let successors = links.into_iter().map(|(successor, _)| successor);
    successors.map(|id| by_id(connection, id)).collect()
}

/// Links a successor to its predecessor, in the transaction of the successor's intent.
pub(super) fn link(
    connection: &Connection,
    successor: i64,
    predecessor: i64,
    at: u64,
) -> Result<(), StoreError> {
    let at = integer(at)?;
    connection.execute(
        "INSERT INTO successions (certificate_id, predecessor_id, at, digest) VALUES (?1, ?2, ?3, ?4)",
        params![successor, predecessor, at, digest(successor, predecessor, at)],
    )?;
    Ok(())
}

fn links(connection: &Connection, filter: &str, id: i64) -> Result<Vec<(i64, i64)>, StoreError> {
    let sql = format!(
        "SELECT certificate_id, predecessor_id, at, digest FROM successions WHERE {filter} \
         ORDER BY certificate_id"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([id])?;
    let mut links = Vec::new();
    while let Some(row) = rows.next()? {
        let (successor, predecessor) = (row.get(0)?, row.get(1)?);
        if row.get::<_, Vec<u8>>(3)? != digest(successor, predecessor, row.get(2)?) {
            return Err(StoreError::AlteredRow {
                table: "successions",
                row: successor,
            });
        }
        links.push((successor, predecessor));
    }
    Ok(links)
}

fn digest(successor: i64, predecessor: i64, at: i64) -> Vec<u8> {
    RowDigest::of("successions")
        .integer(successor)
        .integer(predecessor)
        .integer(at)
        .finish()
}
