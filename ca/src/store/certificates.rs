//! Certificates and the devices they belong to.

mod record;
mod renewable;
mod revoked;

use std::ops::RangeInclusive;

use postern_pki::journal::Hash;
use postern_policy::{CommonName, Fingerprint, SerialNumber};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Params, params, params_from_iter};

use record::{COLUMNS, from_row};
pub use record::{CertificateRecord, CertificateState};
use renewable::renewable;
pub(crate) use revoked::{belongs_on_crl, for_crl, mark_revoked};

use super::issuers::IssuerRecord;
use super::journal::integer;
use super::{Store, StoreError, devices, filter, successions};

/// What is recorded before a certificate is signed: enough to revoke it whatever happens next.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Who will sign.
    pub issuer: IssuerRecord,
    /// The serial number it will have.
    pub serial: SerialNumber,
    /// Its name.
    pub common_name: CommonName,
    /// Its profile's name.
    pub profile: String,
    /// Its start, Unix seconds.
    pub not_before: u64,
    /// Its end, Unix seconds.
    pub not_after: u64,
    /// SHA-256 of its public key.
    pub spki: Fingerprint,
    /// Who answers for it.
    pub owner: Option<String>,
    /// When it was asked for, Unix seconds.
    pub requested_at: u64,
    /// By whom.
    pub requested_by: String,
    /// Whether it is a client's, and so belongs to a device.
    pub is_client: bool,
    /// Whose place it takes.
    pub predecessor: Option<SerialNumber>,
}

/// Which certificates are meant.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Of exactly this name.
    pub common_name: Option<String>,
    /// With this serial number.
    pub serial: Option<SerialNumber>,
    /// With this SHA-256.
    pub fingerprint: Option<Fingerprint>,
    /// With this public key.
    pub spki: Option<Fingerprint>,
    /// Ending before this, Unix seconds.
    pub ends_before: Option<u64>,
    /// Whose row comes after this one: the next page.
    pub after: Option<i64>,
    /// At most this many.
    pub limit: Option<u32>,
}

impl Store {
    /// Records that a certificate is about to be signed.
    ///
    /// # Errors
    /// When it cannot be made durable; then nothing may be signed.
    pub fn record_intent(&self, intent: Intent) -> Result<(), StoreError> {
        self.write(move |connection| insert(connection, &intent))
    }

    /// Records what was signed.
    ///
    /// # Errors
    /// When there is no intent for its serial number.
    pub fn record_issued(
        &self,
        serial: SerialNumber,
        fingerprint: Fingerprint,
        der: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.write(move |connection| {
            let mut record = by_serial(connection, &serial)?;
            if record.state == CertificateState::Pending {
                record.state = CertificateState::Valid;
            }
            record.fingerprint = Some(fingerprint);
            update(connection, &record)?;
            connection.execute(
                "INSERT INTO certificate_ders (certificate_id, der) VALUES (?1, ?2)",
                params![record.id, der],
            )?;
            Ok(())
        })
    }

    /// The certificates that `selection` means, oldest first.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn certificates(
        &self,
        selection: &Selection,
    ) -> Result<Vec<CertificateRecord>, StoreError> {
        self.read(|connection| select(connection, selection))
    }

    /// The certificate with this serial number.
    ///
    /// # Errors
    /// When there is none, or its row was altered.
    pub fn certificate(&self, serial: &SerialNumber) -> Result<CertificateRecord, StoreError> {
        self.read(|connection| by_serial(connection, serial))
    }

    /// The DER of a certificate, if it was signed.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub fn certificate_der(
        &self,
        record: &CertificateRecord,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT der FROM certificate_ders WHERE certificate_id = ?1";
        let row = record.id;
        let der: Option<Vec<u8>> = self.read(|connection| {
            Ok(connection
                .query_row(sql, [row], |row| row.get(0))
                .optional()?)
        })?;
        // The DER has no digest of its own: its SHA-256 stands in the certificate's row.
        let sha256 = der.as_deref().map(Hash::of).map(|hash| *hash.as_bytes());
        if sha256 != record.fingerprint.map(|print| *print.as_bytes()) {
            return Err(StoreError::AlteredRow {
                table: "certificate_ders",
                row,
            });
        }
        Ok(der)
    }
}

pub(crate) fn select(
    connection: &Connection,
    selection: &Selection,
) -> Result<Vec<CertificateRecord>, StoreError> {
    let octets = |octets: &[u8]| Value::Blob(octets.to_vec());
    let conditions = [
        (
            "common_name = ?",
            selection.common_name.clone().map(Value::Text),
        ),
        (
            "serial = ?",
            selection.serial.map(|serial| octets(serial.as_octets())),
        ),
        (
            "fingerprint = ?",
            selection.fingerprint.map(|print| octets(print.as_bytes())),
        ),
        (
            "certificates.spki_sha256 = ?",
            selection.spki.map(|print| octets(print.as_bytes())),
        ),
        (
            "not_after < ?",
            selection
                .ends_before
                .map(integer)
                .transpose()?
                .map(Value::Integer),
        ),
        ("certificates.id > ?", selection.after.map(Value::Integer)),
    ];
    let (filter, values) = filter::all_of(conditions);
    let limit = selection.limit.map_or(-1, i64::from);
    let sql = format!("SELECT {COLUMNS} WHERE {filter} ORDER BY certificates.id LIMIT {limit}");
    query(connection, &sql, params_from_iter(values))
}

/// Every certificate of the devices with these row ids, oldest first.
pub(crate) fn of_devices(
    connection: &Connection,
    ids: RangeInclusive<i64>,
) -> Result<Vec<CertificateRecord>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} WHERE device_id BETWEEN ?1 AND ?2 ORDER BY certificates.id");
    query(connection, &sql, [ids.start(), ids.end()])
}

fn query(
    connection: &Connection,
    sql: &str,
    values: impl Params,
) -> Result<Vec<CertificateRecord>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(from_row(row)?);
    }
    Ok(records)
}

pub(crate) fn by_serial(
    connection: &Connection,
    serial: &SerialNumber,
) -> Result<CertificateRecord, StoreError> {
    let selection = Selection {
        serial: Some(*serial),
        ..Selection::default()
    };
    select(connection, &selection)?.pop().ok_or_else(|| {
        StoreError::NotFound(format!("there is no certificate with serial {serial}"))
    })
}

pub(super) fn by_id(connection: &Connection, id: i64) -> Result<CertificateRecord, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE certificates.id = ?1");
    connection
        .query_row(&sql, [id], |row| Ok(from_row(row)))
        .optional()?
        .unwrap_or_else(|| {
            Err(StoreError::NotFound(format!(
                "there is no certificate {id}"
            )))
        })
}

fn insert(connection: &Connection, intent: &Intent) -> Result<(), StoreError> {
    // The device first: that it is revoked explains what else is wrong.
    let device = intent
        .is_client
        .then(|| devices::of_intent(connection, intent))
        .transpose()?;
    refuse_foreign_key(connection, intent)?;
    let predecessor = intent
        .predecessor
        .map(|serial| renewable(connection, &serial, intent))
        .transpose()?;
    let record = CertificateRecord::pending(intent, device.as_ref());
    connection.execute(
        "INSERT INTO certificates (serial, issuer_id, device_id, state, profile, common_name,
             not_before, not_after, spki_sha256, owner, labels, requested_at, requested_by, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        params![
            record.serial.as_octets(),
            intent.issuer.id,
            record.device_id,
            record.state.as_str(),
            record.profile,
            record.common_name,
            integer(record.not_before)?,
            integer(record.not_after)?,
            record.spki.as_bytes(),
            record.owner,
            record.labels,
            integer(record.requested_at)?,
            record.requested_by,
            record.digest()?,
        ],
    )?;
    if let Some(predecessor) = predecessor {
        let successor = connection.last_insert_rowid();
        successions::link(connection, successor, predecessor.id, intent.requested_at)?;
    }
    Ok(())
}

/// One key is one client's: never the CA's own, never a revoked one, never another name's.
fn refuse_foreign_key(connection: &Connection, intent: &Intent) -> Result<(), StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM issuers WHERE spki_sha256 = ?1)";
    if connection.query_row(sql, [intent.spki.as_bytes()], |row| row.get(0))? {
        return Err(StoreError::KeyRefused("it is the CA's own"));
    }
    let selection = Selection {
        spki: Some(intent.spki),
        ..Selection::default()
    };
    for known in select(connection, &selection)? {
        if known.state == CertificateState::Revoked {
            return Err(StoreError::KeyRefused("a certificate with it was revoked"));
        }
        if known.common_name != intent.common_name.as_str() {
            return Err(StoreError::KeyRefused(
                "another name has a certificate with it",
            ));
        }
    }
    Ok(())
}

/// Writes back what may change in a certificate's row.
fn update(connection: &Connection, record: &CertificateRecord) -> Result<(), StoreError> {
    let mark = record.revocation.as_ref();
    connection.execute(
        "UPDATE certificates SET state = ?2, fingerprint = ?3, revoked_at = ?4,
             revocation_reason = ?5, revoked_by = ?6, note = ?7, digest = ?8 WHERE id = ?1",
        params![
            record.id,
            record.state.as_str(),
            record
                .fingerprint
                .as_ref()
                .map(|print| print.as_bytes().as_slice()),
            mark.map(|mark| integer(mark.at)).transpose()?,
            mark.map(|mark| mark.reason.code()),
            mark.map(|mark| mark.by.as_str()),
            mark.and_then(|mark| mark.note.as_deref()),
            record.digest()?,
        ],
    )?;
    Ok(())
}
