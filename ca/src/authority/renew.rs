//! The successor of a certificate: the same in everything but key, serial number and validity.

use postern_policy::SerialNumber;

use super::{CertificateAuthority, Unlocked};
use crate::error::CaError;
use crate::issuance::{IssuanceError, IssuedCertificate};
use crate::request::{CertifiableKey, IssuableName, IssuanceRequest, SubjectAltName};
use crate::store::{self, CertificateRecord, IssuerRole, Selection, StoreError};

impl CertificateAuthority {
    /// Which certificate `cert renew` of that name means: of those that were signed and are
    /// neither revoked nor held, the one that ends last.
    ///
    /// # Errors
    /// When there is none, or the device of that name is revoked.
    pub fn renewable(&self, name: &str, now: u64) -> Result<CertificateRecord, CaError> {
        if let Some(device) = self.store.device(name)? {
            store::refuse_revoked_device(&device)?;
        }
        let selection = Selection {
            common_name: Some(name.to_owned()),
            ..Selection::default()
        };
        let known = self.store.certificates(&selection)?;
        let states: Vec<_> = known.iter().map(|one| one.state_at(now).as_str()).collect();
        let states = states.join(", ");
        let renewable = known.into_iter().filter(|record| record.is_renewable());
        renewable
            .max_by_key(|record| (record.not_after, record.id))
            .ok_or_else(|| {
                let known = if states.is_empty() {
                    format!("there is no certificate named {name:?}")
                } else {
                    format!("no certificate named {name:?} can be renewed: {states}")
                };
                StoreError::NotFound(known).into()
            })
    }
}

impl Unlocked<'_> {
    /// Issues the successor of a certificate: of the same name, profile, owner and, for a server,
    /// alternative names, with the lifetime that the profile gives today.
    ///
    /// That it is the successor is recorded with the intent, before anything is signed.
    ///
    /// # Errors
    /// When the predecessor is revoked, on hold, pending or has a valid successor; when its
    /// profile is gone or does not permit it any more; and as [`Unlocked::issue`].
    pub fn renew(
        &self,
        predecessor: SerialNumber,
        key: CertifiableKey,
        now: u64,
    ) -> Result<IssuedCertificate, CaError> {
        let record = self.authority.store.certificate(&predecessor)?;
        let request = IssuanceRequest {
            common_name: IssuableName::parse(&record.common_name).map_err(IssuanceError::from)?,
            key,
            alt_names: self.alt_names(&record)?,
            profile: record.profile,
            owner: record.owner,
            predecessor: Some(predecessor),
        };
        self.issue(&request, now)
    }

    /// What clients carry comes from their profile.
    fn alt_names(&self, record: &CertificateRecord) -> Result<Vec<SubjectAltName>, CaError> {
        let der = match record.issuer {
            IssuerRole::Server => self.authority.store.certificate_der(record)?,
            IssuerRole::Client | IssuerRole::Root => None,
        };
        let names = der.map(|der| SubjectAltName::all_of(&der)).transpose();
        Ok(names.map_err(IssuanceError::from)?.unwrap_or_default())
    }
}
