//! The newest CRL of each issuer.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::digest::RowDigest;
use super::issuers::IssuerRecord;
use super::journal::{integer, natural};
use super::{Store, StoreError};

/// A CRL as recorded.
#[derive(Debug, Clone)]
pub struct CrlRecord {
    /// Its number (RFC 5280 section 5.2.3).
    pub number: u64,
    /// When it was made, Unix seconds.
    pub this_update: u64,
    /// When its successor is due, Unix seconds.
    pub next_update: u64,
    /// Its DER.
    pub der: Vec<u8>,
}

impl Store {
    /// The newest CRL of `issuer`.
    ///
    /// # Errors
    /// When the row cannot be read or was altered.
    pub fn crl(&self, issuer: &IssuerRecord) -> Result<Option<CrlRecord>, StoreError> {
        self.read(|connection| newest(connection, issuer))
    }
}

pub(crate) fn newest(
    connection: &Connection,
    issuer: &IssuerRecord,
) -> Result<Option<CrlRecord>, StoreError> {
    let sql = "SELECT number, this_update, next_update, der, digest FROM crls WHERE issuer_id = ?1";
    let row = connection
        .query_row(sql, [issuer.id], |row| Ok(from_row(row, issuer.id)))
        .optional()?;
    row.transpose()
}

/// Puts `crl` in the place of the one before it, whose number must be lower.
pub(crate) fn replace(
    connection: &Connection,
    issuer: &IssuerRecord,
    crl: &CrlRecord,
) -> Result<(), StoreError> {
    let (number, this, next) = (
        integer(crl.number)?,
        integer(crl.this_update)?,
        integer(crl.next_update)?,
    );
    connection.execute(
        "INSERT INTO crls (issuer_id, number, this_update, next_update, der, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (issuer_id) DO UPDATE SET number = excluded.number,
             this_update = excluded.this_update, next_update = excluded.next_update,
             der = excluded.der, digest = excluded.digest
         WHERE crls.number < excluded.number",
        params![
            issuer.id,
            number,
            this,
            next,
            crl.der,
            digest(issuer.id, number, this, next, &crl.der)
        ],
    )?;
    match connection.changes() {
        1 => Ok(()),
        _ => Err(StoreError::Conflict(format!(
            "CRL number {number} or a higher one"
        ))),
    }
}

fn from_row(row: &Row<'_>, issuer: i64) -> Result<CrlRecord, StoreError> {
    let (number, this, next, der): (i64, i64, i64, Vec<u8>) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    if row.get::<_, Vec<u8>>(4)? != digest(issuer, number, this, next, &der) {
        return Err(StoreError::AlteredRow {
            table: "crls",
            row: issuer,
        });
    }
    Ok(CrlRecord {
        number: natural(number)?,
        this_update: natural(this)?,
        next_update: natural(next)?,
        der,
    })
}

fn digest(issuer: i64, number: i64, this: i64, next: i64, der: &[u8]) -> Vec<u8> {
    RowDigest::of("crls")
        .integer(issuer)
        .integer(number)
        .integer(this)
        .integer(next)
        .octets(der)
        .finish()
}
