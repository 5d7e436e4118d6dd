//! Certificate revocation lists (RFC 5280 section 5), full ones.

use std::collections::HashSet;

use postern_pki::journal::{CrlHead, Hash};
use postern_pki::{Crl, RevocationReason};
use postern_policy::SerialNumber;
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams};
use rusqlite::Connection;

use crate::issuance::timestamp;
use crate::issuer::Issuer;
use crate::store::{CertificateRecord, CrlRecord, IssuerRecord, StoreError};

/// How long a CRL of an intermediate lives.
pub(crate) const LIFETIME: u64 = 7 * 86_400;
/// How long the root's lives: making one needs the offline root.
pub(crate) const ROOT_LIFETIME: u64 = 365 * 86_400;

/// Makes the next CRL of `issuer` inside a write transaction, so that it holds every revocation
/// committed before it and its number is nobody else's.
pub(crate) fn next(
    connection: &Connection,
    issuer: &Issuer,
    lifetime: u64,
    now: u64,
) -> Result<CrlRecord, StoreError> {
    let record = issuer.record();
    let previous = crate::store::newest_crl(connection, record)?;
    let number = previous.as_ref().map_or(1, |crl| crl.number + 1);
    let revoked = crate::store::revoked_for_crl(connection, record, now)?;
    if let Some(previous) = &previous {
        refuse_loss(connection, issuer, previous, &revoked, now)?;
    }
    let crl = sign(issuer, number, now, now.saturating_add(lifetime), &revoked)
        .map_err(|error| StoreError::Refused(format!("the CRL could not be signed: {error}")))?;
    // Read it back before anybody else has to.
    Crl::verify(&crl.der, issuer.certificate())
        .map_err(|error| StoreError::Refused(format!("the new CRL does not verify: {error}")))?;
    crate::store::replace_crl(connection, record, &crl)?;
    Ok(crl)
}

/// Whatever the list before this one revoked must be on this one, unless the certificate has ended
/// since: a row that was changed by hand must not make a revocation disappear.
fn refuse_loss(
    connection: &Connection,
    issuer: &Issuer,
    previous: &CrlRecord,
    revoked: &[CertificateRecord],
    now: u64,
) -> Result<(), StoreError> {
    let listed: HashSet<SerialNumber> = revoked.iter().map(|record| record.serial).collect();
    let previous = Crl::verify(&previous.der, issuer.certificate())
        .map_err(|error| StoreError::Refused(format!("the CRL in the store: {error}")))?;
    for entry in previous
        .entries()
        .iter()
        .filter(|entry| !listed.contains(&entry.serial))
    {
        // The digest of the row is checked here.
        let record = crate::store::certificate_by_serial(connection, &entry.serial)?;
        if crate::store::belongs_on_crl(&record, now) {
            return Err(StoreError::LostRevocation(entry.serial));
        }
    }
    Ok(())
}

/// What the journal says of a CRL.
pub(crate) fn head(issuer: &IssuerRecord, crl: &CrlRecord) -> CrlHead {
    CrlHead {
        issuer: issuer.issuer_id(),
        number: crl.number,
        sha256: Hash::of(&crl.der),
    }
}

fn sign(
    issuer: &Issuer,
    number: u64,
    this_update: u64,
    next_update: u64,
    revoked: &[CertificateRecord],
) -> Result<CrlRecord, rcgen::Error> {
    let key_id = issuer
        .certificate()
        .subject_key_id()
        .unwrap_or_default()
        .to_vec();
    let params = CertificateRevocationListParams {
        this_update: timestamp(this_update),
        next_update: timestamp(next_update),
        crl_number: number.into(),
        issuing_distribution_point: None,
        revoked_certs: revoked.iter().filter_map(entry).collect(),
        // rcgen does not take the issuer's: the AKI would not match its SKI.
        key_identifier_method: KeyIdMethod::PreSpecified(key_id),
    };
    let crl = params.signed_by(issuer.signer())?;
    Ok(CrlRecord {
        number,
        this_update,
        next_update,
        der: crl.der().to_vec(),
    })
}

fn entry(record: &CertificateRecord) -> Option<RevokedCertParams> {
    let mark = record.revocation.as_ref()?;
    Some(RevokedCertParams {
        serial_number: record.serial.as_octets().to_vec().into(),
        revocation_time: timestamp(mark.at),
        reason_code: reason_code(mark.reason),
        invalidity_date: None,
    })
}

/// `unspecified` is expressed by leaving the code out (RFC 5280 section 5.3.1).
fn reason_code(reason: RevocationReason) -> Option<rcgen::RevocationReason> {
    use rcgen::RevocationReason as Code;
    match reason {
        RevocationReason::Unspecified => None,
        RevocationReason::KeyCompromise => Some(Code::KeyCompromise),
        RevocationReason::CaCompromise => Some(Code::CaCompromise),
        RevocationReason::AffiliationChanged => Some(Code::AffiliationChanged),
        RevocationReason::Superseded => Some(Code::Superseded),
        RevocationReason::CessationOfOperation => Some(Code::CessationOfOperation),
        RevocationReason::CertificateHold => Some(Code::CertificateHold),
        RevocationReason::RemoveFromCrl => Some(Code::RemoveFromCrl),
        RevocationReason::PrivilegeWithdrawn => Some(Code::PrivilegeWithdrawn),
        RevocationReason::AaCompromise => Some(Code::AaCompromise),
    }
}
