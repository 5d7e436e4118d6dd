//! What is revoked or held.

use postern_policy::SerialNumber;
use rusqlite::Connection;

use super::record::{COLUMNS, CertificateRecord, CertificateState};
use super::{by_serial, query, update};
use crate::store::issuers::IssuerRecord;
use crate::store::journal::integer;
use crate::store::{RevocationMark, StoreError};

/// Revokes the certificate with `serial`; gives it back as it is now, or nothing if it was
/// revoked already.
pub(crate) fn mark_revoked(
    connection: &Connection,
    serial: &SerialNumber,
    mark: RevocationMark,
) -> Result<Option<CertificateRecord>, StoreError> {
    let mut record = by_serial(connection, serial)?;
    if record.state == CertificateState::Revoked {
        return Ok(None);
    }
    record.state = CertificateState::Revoked;
    record.revocation = Some(mark);
    update(connection, &record)?;
    Ok(Some(record))
}

/// What a CRL of `issuer` made at `now` must list: revoked or held, and not past its end.
///
/// An entry stays for a day after the end (RFC 5280 section 3.3 asks that it appear on one CRL
/// issued beyond the certificate's validity; clocks differ).
pub(crate) fn for_crl(
    connection: &Connection,
    issuer: &IssuerRecord,
    now: u64,
) -> Result<Vec<CertificateRecord>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE issuer_id = ?1 AND state IN ('revoked', 'held') \
         AND not_after > ?2 ORDER BY serial"
    );
    query(connection, &sql, [issuer.id, integer(day_before(now))?])
}

/// Whether a certificate that was revoked once must be on a CRL made at `now`.
pub(crate) fn belongs_on_crl(record: &CertificateRecord, now: u64) -> bool {
    record.not_after > day_before(now)
}

fn day_before(now: u64) -> u64 {
    now.saturating_sub(86_400)
}
