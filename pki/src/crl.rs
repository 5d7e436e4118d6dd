//! Certificate revocation lists, verified once at load.

use postern_policy::{Fingerprint, SerialNumber};
use thiserror::Error;

use crate::crl_parse::{Parts, read_entries};
use crate::der::NotDer;
use crate::facts::sha256;
use crate::revocation::RevocationReason;
use crate::revoked_entries::RevokedEntries;
use crate::signature::{SignatureError, verify_signature};
use crate::{Certificate, IssuerId};

/// One revoked certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedEntry {
    /// Which certificate of the issuer.
    pub serial: SerialNumber,
    /// Why.
    pub reason: RevocationReason,
    /// When, in seconds since 1970.
    pub revoked_at: u64,
}

/// A full CRL of one issuer, its signature checked.
#[derive(Debug, Clone)]
pub struct Crl {
    issuer: IssuerId,
    number: u128,
    this_update: u64,
    next_update: u64,
    entries: RevokedEntries,
    sha256: Fingerprint,
}

/// A CRL whose form was read and whose issuer is to be found. It says nothing yet.
#[derive(Debug, Clone)]
pub struct UnverifiedCrl {
    der: Vec<u8>,
    issuer: Vec<u8>,
}

/// Why octets are not a CRL that counts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CrlError {
    /// Not the DER of a CRL, or something follows it.
    #[error("not a certificate revocation list in DER; is the file truncated?")]
    Malformed,
    /// Not version 2.
    #[error("not a version 2 CRL")]
    Version,
    /// The two algorithm identifiers differ (RFC 5280 section 5.1.1.2).
    #[error("the CRL names two different signature algorithms")]
    AlgorithmMismatch,
    /// RFC 5280 section 5.1.2.5.
    #[error("the CRL has no nextUpdate, so nobody could tell when it is stale")]
    NextUpdateMissing,
    /// RFC 5280 section 5.2.3.
    #[error("the CRL has no CRL number, so nobody could tell which of two is newer")]
    NumberMissing,
    /// RFC 5280 section 5.2.3.
    #[error("the CRL number is marked critical and must not be")]
    NumberCritical,
    /// RFC 5280 section 5.2.3.
    #[error("the CRL number is too large")]
    NumberTooLarge,
    /// A list of differences only.
    #[error("delta CRLs are not supported; give the full CRL")]
    Delta,
    /// A list for some certificates of the issuer only.
    #[error("partitioned CRL (issuingDistributionPoint): not supported yet; give the full CRL")]
    Partitioned,
    /// A list with entries of other issuers.
    #[error("indirect CRLs are not supported; give each issuer's own CRL")]
    Indirect,
    /// An unknown reason, or one that only delta CRLs may give.
    #[error("an entry has a reason that a full CRL cannot give")]
    Reason,
    /// RFC 5280 section 5.2: critical, and not understood.
    #[error("the CRL has a critical extension that is not supported (OID content {oid})")]
    UnknownCriticalExtension {
        /// The content of the object identifier, in hex.
        oid: String,
    },
    /// Issued under another name.
    #[error("the CRL is not by {issuer}, but by an issuer of another name")]
    OtherIssuer {
        /// Whose it was taken for.
        issuer: String,
    },
    /// Issued with another key of the same name.
    #[error("the CRL names another key than that of {issuer} (authorityKeyIdentifier)")]
    OtherKey {
        /// Whose it was taken for.
        issuer: String,
    },
    /// RFC 5280 section 6.3.3 (f).
    #[error("{issuer} may not sign CRLs: its keyUsage lacks cRLSign")]
    MayNotSign {
        /// The issuer.
        issuer: String,
    },
    /// The signature does not verify.
    #[error("the CRL's signature: {0}")]
    Signature(#[from] SignatureError),
}

impl From<NotDer> for CrlError {
    fn from(NotDer: NotDer) -> Self {
        Self::Malformed
    }
}

impl UnverifiedCrl {
    /// Reads the form of the one CRL in `der`.
    ///
    /// # Errors
    /// Where it is malformed, or of a kind that is not supported.
    pub fn parse(der: &[u8]) -> Result<Self, CrlError> {
        let parts = Parts::read(der)?;
        Ok(Self {
            issuer: parts.issuer.to_vec(),
            der: der.to_vec(),
        })
    }

    /// The issuer's name in DER, to find its certificate by.
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer
    }

    /// The octets.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Checks that `issuer` signed it.
    ///
    /// # Errors
    /// See [`Crl::verify`].
    pub fn verify(&self, issuer: &Certificate) -> Result<Crl, CrlError> {
        Crl::verify(&self.der, issuer)
    }

    /// Checks it against every certificate that has its issuer's name.
    ///
    /// # Errors
    /// What the last one with the name was refused for; [`CrlError::OtherIssuer`] without any.
    pub fn verify_with_any<'a>(
        &self,
        issuers: impl IntoIterator<Item = &'a Certificate>,
    ) -> Result<Crl, CrlError> {
        let mut error = CrlError::OtherIssuer {
            issuer: "any certificate we hold".to_owned(),
        };
        for issuer in issuers
            .into_iter()
            .filter(|it| it.subject_der() == self.issuer)
        {
            match self.verify(issuer) {
                Ok(crl) => return Ok(crl),
                Err(refused) => error = refused,
            }
        }
        Err(error)
    }
}

impl Crl {
    /// Reads the one CRL in `der` and checks that `issuer` signed it (RFC 5280 section 6.3.3).
    ///
    /// Whether it is still current is asked later, at each use.
    ///
    /// # Errors
    /// Where it is malformed, of a kind that is not supported, or not by this issuer.
    pub fn verify(der: &[u8], issuer: &Certificate) -> Result<Self, CrlError> {
        let parts = Parts::read(der)?;
        check_issuer(&parts, issuer)?;
        verify_signature(
            issuer.spki_der(),
            parts.algorithm,
            parts.tbs,
            parts.signature,
        )?;
        Ok(Self {
            issuer: IssuerId::of(issuer),
            number: parts.number,
            this_update: parts.this_update,
            next_update: parts.next_update,
            entries: RevokedEntries::sorted(read_entries(parts.entries)?),
            sha256: sha256(der),
        })
    }

    /// Whose certificates it speaks of.
    pub fn issuer(&self) -> IssuerId {
        self.issuer
    }

    /// The CRL number: never lower in a newer list of the issuer.
    pub fn number(&self) -> u128 {
        self.number
    }

    /// When it was issued, in seconds since 1970.
    pub fn this_update(&self) -> u64 {
        self.this_update
    }

    /// When a newer one is due, in seconds since 1970.
    pub fn next_update(&self) -> u64 {
        self.next_update
    }

    /// The revoked certificates, sorted by serial number, each once.
    pub fn entries(&self) -> &[RevokedEntry] {
        self.entries.as_slice()
    }

    /// The same, searchable and without copying.
    pub(crate) fn into_entries(self) -> RevokedEntries {
        self.entries
    }

    /// SHA-256 of the DER.
    pub fn sha256(&self) -> Fingerprint {
        self.sha256
    }
}

fn check_issuer(parts: &Parts<'_>, issuer: &Certificate) -> Result<(), CrlError> {
    if parts.issuer != issuer.subject_der() {
        return Err(CrlError::OtherIssuer {
            issuer: issuer.subject(),
        });
    }
    if !issuer.may_sign_crls() {
        return Err(CrlError::MayNotSign {
            issuer: issuer.subject(),
        });
    }
    match (parts.authority_key_id, issuer.subject_key_id()) {
        (Some(named), Some(actual)) if named != actual => Err(CrlError::OtherKey {
            issuer: issuer.subject(),
        }),
        _ => Ok(()),
    }
}
