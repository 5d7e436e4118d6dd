//! A certificate's row.

use postern_policy::{Fingerprint, SerialNumber};
use rusqlite::Row;

use super::Intent;
use crate::store::digest::RowDigest;
use crate::store::journal::{integer, natural};
use crate::store::{DeviceRecord, IssuerRole, RevocationMark, StoreError};

/// Where a certificate is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateState {
    /// Recorded, and not known to have been signed: an issuance that was interrupted.
    Pending,
    /// Issued.
    Valid,
    /// On hold.
    Held,
    /// Revoked.
    Revoked,
    /// Past its end; never stored, see [`CertificateRecord::state_at`].
    Expired,
}

impl CertificateState {
    const ALL: [Self; 5] = [
        Self::Pending,
        Self::Valid,
        Self::Held,
        Self::Revoked,
        Self::Expired,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Valid => "valid",
            Self::Held => "held",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A certificate as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRecord {
    /// Row id; what [`super::Selection::after`] takes.
    pub id: i64,
    /// Its serial number.
    pub serial: SerialNumber,
    /// Which issuer signed it.
    pub issuer: IssuerRole,
    pub(crate) issuer_id: i64,
    pub(crate) device_id: Option<i64>,
    /// Its stored state; [`CertificateRecord::state_at`] knows about expiry.
    pub state: CertificateState,
    /// Its profile's name.
    pub profile: String,
    /// Its name.
    pub common_name: String,
    /// Its start, Unix seconds.
    pub not_before: u64,
    /// Its end, Unix seconds.
    pub not_after: u64,
    /// SHA-256 of its public key.
    pub spki: Fingerprint,
    /// SHA-256 of its DER, once signed.
    pub fingerprint: Option<Fingerprint>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Free key-value pairs, as a JSON object.
    pub labels: String,
    /// When it was asked for, Unix seconds.
    pub requested_at: u64,
    /// By whom.
    pub requested_by: String,
    /// Its revocation.
    pub revocation: Option<RevocationMark>,
}

pub(super) const COLUMNS: &str = "certificates.id, serial, issuer_id, role, device_id, state, \
     profile, common_name, not_before, not_after, certificates.spki_sha256, fingerprint, owner, labels, \
     requested_at, requested_by, revoked_at, revocation_reason, revoked_by, note, \
     certificates.digest FROM certificates JOIN issuers ON issuers.id = certificates.issuer_id";

impl CertificateRecord {
    /// What the request does not say, the device does.
    pub(super) fn pending(intent: &Intent, device: Option<&DeviceRecord>) -> Self {
        let labels = device.map(|device| device.labels.clone());
        let owner = device.and_then(|device| device.owner.clone());
        Self {
            id: 0,
            serial: intent.serial,
            issuer: intent.issuer.role,
            issuer_id: intent.issuer.id,
            device_id: device.map(|device| device.id),
            state: CertificateState::Pending,
            profile: intent.profile.clone(),
            common_name: intent.common_name.as_str().to_owned(),
            not_before: intent.not_before,
            not_after: intent.not_after,
            spki: intent.spki,
            fingerprint: None,
            owner: intent.owner.clone().or(owner),
            labels: labels.unwrap_or_default().to_json(),
            requested_at: intent.requested_at,
            requested_by: intent.requested_by.clone(),
            revocation: None,
        }
    }

    /// Its state at `now`: a certificate past its end is expired, unless it was revoked before.
    pub fn state_at(&self, now: u64) -> CertificateState {
        let is_over = self.not_after < now;
        match self.state {
            CertificateState::Valid | CertificateState::Pending if is_over => {
                CertificateState::Expired
            }
            CertificateState::Pending
            | CertificateState::Valid
            | CertificateState::Held
            | CertificateState::Revoked
            | CertificateState::Expired => self.state,
        }
    }

    /// Whether it was in good standing to this day, or to its end: only then may it have a
    /// successor.
    pub fn is_renewable(&self) -> bool {
        match self.state {
            CertificateState::Valid | CertificateState::Expired => true,
            CertificateState::Pending | CertificateState::Held | CertificateState::Revoked => false,
        }
    }

    /// Whether a gateway could still admit it at `now`. A pending one may have been signed.
    pub fn is_live(&self, now: u64) -> bool {
        match self.state_at(now) {
            CertificateState::Pending | CertificateState::Valid | CertificateState::Held => true,
            CertificateState::Revoked | CertificateState::Expired => false,
        }
    }

    pub(super) fn digest(&self) -> Result<Vec<u8>, StoreError> {
        let digest = RowDigest::of("certificates")
            .octets(self.serial.as_octets())
            .integer(self.issuer_id)
            .optional_integer(self.device_id)
            .text(self.state.as_str())
            .text(&self.profile)
            .text(&self.common_name)
            .integer(integer(self.not_before)?)
            .integer(integer(self.not_after)?)
            .octets(self.spki.as_bytes())
            .optional_octets(
                self.fingerprint
                    .as_ref()
                    .map(|print| print.as_bytes().as_slice()),
            )
            .optional_text(self.owner.as_deref())
            .text(&self.labels)
            .integer(integer(self.requested_at)?)
            .text(&self.requested_by);
        Ok(RevocationMark::digest_of(self.revocation.as_ref(), digest)?.finish())
    }
}

pub(super) fn from_row(row: &Row<'_>) -> Result<CertificateRecord, StoreError> {
    let id = row.get(0)?;
    let altered = || StoreError::AlteredRow {
        table: "certificates",
        row: id,
    };
    let fingerprint: Option<Vec<u8>> = row.get(11)?;
    let record = CertificateRecord {
        id,
        serial: SerialNumber::from_octets(&row.get::<_, Vec<u8>>(1)?).map_err(|_| altered())?,
        issuer_id: row.get(2)?,
        issuer: IssuerRole::parse(&row.get::<_, String>(3)?).ok_or_else(altered)?,
        device_id: row.get(4)?,
        state: CertificateState::parse(&row.get::<_, String>(5)?).ok_or_else(altered)?,
        profile: row.get(6)?,
        common_name: row.get(7)?,
        not_before: natural(row.get(8)?)?,
        not_after: natural(row.get(9)?)?,
        spki: fingerprint_from(&row.get::<_, Vec<u8>>(10)?).ok_or_else(altered)?,
        fingerprint: fingerprint
            .map(|octets| fingerprint_from(&octets).ok_or_else(altered))
            .transpose()?,
        owner: row.get(12)?,
        labels: row.get(13)?,
        requested_at: natural(row.get(14)?)?,
        requested_by: row.get(15)?,
        revocation: RevocationMark::from_columns(row, 16).map_err(|_| altered())?,
    };
    if row.get::<_, Vec<u8>>(20)? == record.digest()? {
        Ok(record)
    } else {
        Err(altered())
    }
}

fn fingerprint_from(octets: &[u8]) -> Option<Fingerprint> {
    <[u8; 32]>::try_from(octets).ok().map(Fingerprint::from)
}
