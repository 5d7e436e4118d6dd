//! Which certificates may have a successor.

use postern_policy::SerialNumber;
use rusqlite::Connection;

use super::{CertificateRecord, CertificateState};
use super::{Intent, by_serial};
use crate::store::{StoreError, successions};

/// The certificate with `serial`, if what `intent` says may take its place.
///
/// It is asked in the transaction of the intent: a certificate revoked a moment ago has no
/// successor. One that has ended may have one, for it was in good standing to its end.
pub(super) fn renewable(
    connection: &Connection,
    serial: &SerialNumber,
    intent: &Intent,
) -> Result<CertificateRecord, StoreError> {
    let record = by_serial(connection, serial)?;
    let refuse = |why: String| {
        Err(StoreError::NotRenewable {
            serial: *serial,
            why,
        })
    };
    if !record.is_renewable() {
        return refuse(format!("it is {}", record.state.as_str()));
    }
    if record.common_name != intent.common_name.as_str() {
        return refuse(format!("its name is not {:?}", intent.common_name.as_str()));
    }
    for successor in successions::of(connection, &record)? {
        if successor.state_at(intent.requested_at) == CertificateState::Valid {
            return refuse(format!(
                "{} took its place; renew that one, or revoke it first",
                successor.serial
            ));
        }
    }
    Ok(record)
}
