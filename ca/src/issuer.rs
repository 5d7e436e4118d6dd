//! A certificate and key that can sign, checked before they may.

use postern_pki::Certificate;
use rcgen::{KeyPair, PublicKeyData as _};

use crate::files::FileError;
use crate::issuance::rfc3339;
use crate::key::KeyError;
use crate::store::IssuerRecord;

/// An issuer whose key is unlocked.
pub struct Issuer {
    record: IssuerRecord,
    signer: rcgen::Issuer<'static, KeyPair>,
}

/// Why a certificate and key are not an issuer.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The key could not be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key belongs to another certificate.
    #[error("the key does not belong to the certificate of {0}")]
    KeyMismatch(String),
    /// The certificate may not sign.
    #[error("{subject} cannot be an issuer: {reason}")]
    Unfit {
        /// Whose certificate.
        subject: String,
        /// What is missing (RFC 5280 sections 4.2.1.3 and 4.2.1.9).
        reason: &'static str,
    },
    /// The certificate is past its end or before its start.
    #[error(
        "{subject} is not valid now: it is valid from {} to {}. Is this machine's clock right?",
        rfc3339(*.not_before),
        rfc3339(*.not_after)
    )]
    OutsideValidity {
        /// Whose certificate.
        subject: String,
        /// Its start.
        not_before: u64,
        /// Its end.
        not_after: u64,
    },
    /// rcgen could not use the certificate.
    #[error("{subject} cannot be used for signing: {reason}")]
    Unusable {
        /// Whose certificate.
        subject: String,
        /// What rcgen said.
        reason: String,
    },
}

impl Issuer {
    /// The one constructor: rcgen itself checks none of this.
    ///
    /// # Errors
    /// When the key is not the certificate's, or the certificate may not sign at `now`.
    pub fn load(record: IssuerRecord, key: KeyPair, now: u64) -> Result<Self, IssuerError> {
        let certificate = &record.certificate;
        let subject = certificate.subject();
        let unfit = |reason| IssuerError::Unfit {
            subject: subject.clone(),
            reason,
        };
        if key.subject_public_key_info() != certificate.spki_der() {
            return Err(IssuerError::KeyMismatch(subject));
        }
        if !certificate.is_ca() {
            return Err(unfit("its basic constraints do not say CA:TRUE"));
        }
        if !certificate.may_sign_certificates() {
            return Err(unfit("its key usage lacks keyCertSign"));
        }
        if !certificate.may_sign_crls() {
            return Err(unfit("its key usage lacks cRLSign"));
        }
        let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
        if !(not_before..=not_after).contains(&now) {
            return Err(IssuerError::OutsideValidity {
                subject,
                not_before,
                not_after,
            });
        }
        let signer = rcgen::Issuer::from_ca_cert_der(certificate.der(), key).map_err(|error| {
            IssuerError::Unusable {
                subject,
                reason: error.to_string(),
            }
        })?;
        Ok(Self { record, signer })
    }

    /// Its row.
    pub fn record(&self) -> &IssuerRecord {
        &self.record
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.record.certificate
    }

    pub(crate) fn signer(&self) -> &rcgen::Issuer<'static, KeyPair> {
        &self.signer
    }

    pub(crate) fn key(&self) -> &KeyPair {
        self.signer.key()
    }
}
