//! What every revocation is recorded and told with.

use postern_pki::RevocationReason;
use postern_pki::journal::{CertificateEvent, Event};
use postern_policy::SerialNumber;

use super::CertificateAuthority;
use crate::error::CaError;
use crate::journal::{self, Publisher};
use crate::publisher;
use crate::store::{self, CertificateRecord, Connection, IssuerRecord, RevocationMark, StoreError};

/// A revocation that may be made: for good, and with a publisher who can tell it.
pub(super) struct Revocation {
    pub(super) mark: RevocationMark,
    pub(super) publisher: Publisher,
    issuers: Vec<IssuerRecord>,
}

impl CertificateAuthority {
    pub(super) fn revocation(
        &self,
        reason: RevocationReason,
        note: Option<String>,
        now: u64,
    ) -> Result<Revocation, CaError> {
        if !is_for_good(reason) {
            return Err(CaError::Reason(reason));
        }
        let publisher = publisher::load(&self.home, &self.store)?;
        let mark = RevocationMark {
            at: now,
            reason,
            by: self.actor.to_string(),
            note,
        };
        Ok(Revocation {
            mark,
            publisher,
            issuers: self.store.issuers()?,
        })
    }
}

impl Revocation {
    /// Marks a certificate and tells it, in the same transaction; nothing where it is revoked
    /// already.
    pub(super) fn apply(
        &self,
        connection: &Connection,
        serial: &SerialNumber,
    ) -> Result<Option<CertificateRecord>, StoreError> {
        let revoked = store::mark_revoked(connection, serial, self.mark.clone())?;
        if let Some(record) = &revoked {
            let event = Event::Revoked(self.event(record)?);
            journal::append(connection, &event, &self.publisher, self.mark.at)?;
        }
        Ok(revoked)
    }

    fn event(&self, record: &CertificateRecord) -> Result<CertificateEvent, StoreError> {
        let mut issuers = self.issuers.iter();
        let issuer =
            issuers
                .find(|issuer| issuer.id == record.issuer_id)
                .ok_or(StoreError::AlteredRow {
                    table: "certificates",
                    row: record.id,
                })?;
        Ok(CertificateEvent {
            issuer: issuer.issuer_id(),
            serial: record.serial,
            common_name: record.common_name.clone(),
            reason: self.mark.reason,
            not_after: record.not_after,
        })
    }
}

/// RFC 5280 section 5.3.1: a hold is no revocation, `removeFromCRL` is for delta CRLs, and the
/// compromise of a CA is not the leaf's.
fn is_for_good(reason: RevocationReason) -> bool {
    match reason {
        RevocationReason::Unspecified
        | RevocationReason::KeyCompromise
        | RevocationReason::AffiliationChanged
        | RevocationReason::Superseded
        | RevocationReason::CessationOfOperation
        | RevocationReason::PrivilegeWithdrawn => true,
        RevocationReason::CaCompromise
        | RevocationReason::CertificateHold
        | RevocationReason::RemoveFromCrl
        | RevocationReason::AaCompromise => false,
    }
}
