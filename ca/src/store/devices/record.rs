//! A device's row, and what becomes of it with time.

use rusqlite::Row;

use crate::labels::Labels;
use crate::store::digest::RowDigest;
use crate::store::journal::{integer, natural};
use crate::store::{CertificateRecord, CertificateState, RevocationMark, StoreError};

/// A device as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Row id; what [`super::DeviceSelection::after`] takes.
    pub id: i64,
    /// Its name, which is the common name of its certificates.
    pub name: String,
    /// Who answers for it; its certificates inherit it.
    pub owner: Option<String>,
    /// Free key-value pairs; its certificates inherit them.
    pub labels: Labels,
    /// The profile of its certificates, unless told otherwise.
    pub profile: Option<String>,
    /// Since when it is known, Unix seconds.
    pub created_at: u64,
    /// Its revocation: from then on it gets no certificate.
    pub revocation: Option<RevocationMark>,
}

/// A device and every certificate it ever got, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The device.
    pub record: DeviceRecord,
    /// Its certificates.
    pub certificates: Vec<CertificateRecord>,
}

/// Where a device is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// It got no certificate yet.
    Pending,
    /// It has a certificate that is good, or on hold.
    Active,
    /// None of its certificates is good any more; it may get another one.
    Expired,
    /// It gets no certificate any more.
    Revoked,
}

pub(super) const COLUMNS: &str = "id, name, owner, labels, profile, created_at, revoked_at, \
     revocation_reason, revoked_by, note, digest FROM devices";

impl DeviceState {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl Device {
    /// Its state at `now`.
    pub fn state_at(&self, now: u64) -> DeviceState {
        let mut certificates = self.certificates.iter();
        let was_never_signed = |one: &CertificateRecord| one.state == CertificateState::Pending;
        if self.record.revocation.is_some() {
            DeviceState::Revoked
        } else if self.ends_at(now).is_some() {
            DeviceState::Active
        } else if certificates.all(was_never_signed) {
            DeviceState::Pending
        } else {
            DeviceState::Expired
        }
    }

    /// When the last of its certificates ends that are good or on hold at `now`, Unix seconds.
    pub fn ends_at(&self, now: u64) -> Option<u64> {
        let certificates = self.certificates.iter();
        let good = certificates.filter(|one| match one.state_at(now) {
            CertificateState::Valid | CertificateState::Held => true,
            CertificateState::Pending | CertificateState::Revoked | CertificateState::Expired => {
                false
            }
        });
        good.map(|one| one.not_after).max()
    }
}

impl DeviceRecord {
    pub(super) fn new(name: &str, created_at: u64) -> Self {
        Self {
            id: 0,
            name: name.to_owned(),
            owner: None,
            labels: Labels::default(),
            profile: None,
            created_at,
            revocation: None,
        }
    }

    pub(super) fn digest(&self) -> Result<Vec<u8>, StoreError> {
        let digest = RowDigest::of("devices")
            .text(&self.name)
            .optional_text(self.owner.as_deref())
            .text(&self.labels.to_json())
            .integer(integer(self.created_at)?);
        // Rows of schema 1 hold no more than that.
        if self.profile.is_none() && self.revocation.is_none() {
            return Ok(digest.finish());
        }
        let digest = digest.optional_text(self.profile.as_deref());
        Ok(RevocationMark::digest_of(self.revocation.as_ref(), digest)?.finish())
    }
}

pub(super) fn from_row(row: &Row<'_>) -> Result<DeviceRecord, StoreError> {
    let id = row.get(0)?;
    let altered = || StoreError::AlteredRow {
        table: "devices",
        row: id,
    };
    let record = DeviceRecord {
        id,
        name: row.get(1)?,
        owner: row.get(2)?,
        labels: serde_json::from_str(&row.get::<_, String>(3)?).map_err(|_| altered())?,
        profile: row.get(4)?,
        created_at: natural(row.get(5)?)?,
        revocation: RevocationMark::from_columns(row, 6).map_err(|_| altered())?,
    };
    if row.get::<_, Vec<u8>>(10)? == record.digest()? {
        Ok(record)
    } else {
        Err(altered())
    }
}
