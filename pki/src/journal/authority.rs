//! Who may sign a source's journal: its publishers and issuers, up to our own trust anchors.

use std::collections::HashMap;
use std::time::Duration;

use postern_policy::{Fingerprint, SerialNumber};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::oid_registry::OID_X509_EXT_EXTENDED_KEY_USAGE;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::entry::{Entry, EntryError};
use super::event::Effect;
use super::line::{Line, signed_message};
use crate::intermediates::is_issued_by;
use crate::signature::SUPPORTED;
use crate::{Certificate, IssuerId, TrustAnchors};

/// The DER of the extended key usage that a publisher certificate has, alone and critical:
/// 2.25.2345902891829282811595810229522233329.
pub const PUBLISHER_EKU: &[u8] = &[
    0x69, 0x83, 0xc3, 0xe6, 0xfc, 0xa8, 0xac, 0xea, 0x8f, 0xc5, 0xa9, 0xeb, 0x87, 0x99, 0xf1, 0xba,
    0x8d, 0xef, 0x71,
];

/// The certificates that may speak in one source, checked up to one of our trust anchors.
#[derive(Debug, Clone)]
pub struct SourceAuthority {
    id: IssuerId,
    anchor: Certificate,
    issuers: Vec<Certificate>,
    signers: HashMap<Fingerprint, Signer>,
}

#[derive(Debug, Clone)]
struct Signer {
    certificate: Certificate,
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Issuer,
    Publisher,
}

/// Why a source, or a line of its journal, is not to be believed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// No publisher certificate leads to a trust anchor.
    #[error(
        "no publisher certificate of this source leads to a certificate in `trust` ({reason}): \
         follow the CA whose root is in `trust`, or add that root"
    )]
    NoAnchor {
        /// What the path builder said of the last one tried.
        reason: String,
    },
    /// Signed by a certificate this source does not have.
    #[error("journal entry signed by {0}, which is not a publisher or issuer of this source")]
    UnknownSigner(Fingerprint),
    /// The signature is not the signer's over this body.
    #[error("journal entry with a signature that does not verify: the file was altered")]
    BadSignature,
    /// A publisher signed something that admits.
    #[error(
        "journal entry {seq} ({kind}) admits, and is signed by a publisher: only an issuer may"
    )]
    PublisherAdmits {
        /// Which entry.
        seq: u64,
        /// Its kind.
        kind: &'static str,
    },
    /// The event concerns an issuer that is not under this source's root.
    #[error("journal entry {seq} speaks for issuer {issuer}, which is not one of this source's")]
    ForeignIssuer {
        /// Which entry.
        seq: u64,
        /// Whom it speaks for.
        issuer: IssuerId,
    },
    /// The signer's own certificate was revoked earlier in the journal.
    #[error("journal entry signed by {0}, whose own certificate was revoked before")]
    RevokedSigner(Fingerprint),
    /// The body is not an entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

impl SourceAuthority {
    /// Checks what a source publishes against our trust anchors.
    ///
    /// A source speaks only for issuers under its publisher's root: issuers that are not signed
    /// by the anchor the publisher leads to are left out.
    ///
    /// # Errors
    /// When no publisher certificate leads to an anchor.
    pub fn new(
        issuers: &[Certificate],
        publishers: &[Certificate],
        trust: &TrustAnchors,
        now: UnixTime,
    ) -> Result<Self, AuthorityError> {
        let mut reason = String::from("there is none");
        let mut verified = Vec::new();
        for publisher in publishers {
            match publisher_anchor(publisher, issuers, trust, now) {
                Ok(anchor) => verified.push((publisher.clone(), anchor)),
                Err(error) => reason = error,
            }
        }
        let Some((newest, anchor)) = verified.last().cloned() else {
            return Err(AuthorityError::NoAnchor { reason });
        };
        let issuers: Vec<_> = issuers
            .iter()
            .filter(|issuer| issuer.is_ca() && is_issued_by(issuer, &anchor))
            .cloned()
            .collect();
        let publishers = verified
            .into_iter()
            .filter(|(_, root)| root.fingerprint() == anchor.fingerprint())
            .map(|(publisher, _)| (publisher, Role::Publisher));
        let signers = issuers
            .iter()
            .map(|issuer| (issuer.clone(), Role::Issuer))
            .chain(publishers)
            .map(|(certificate, role)| (certificate.fingerprint(), Signer { certificate, role }))
            .collect();
        let id = issuers
            .iter()
            .find(|issuer| newest.issuer_der() == issuer.subject_der())
            .map_or_else(|| IssuerId::of(&anchor), IssuerId::of);
        Ok(Self {
            id,
            anchor,
            issuers,
            signers,
        })
    }

    /// Which CA this is, wherever its files are: the issuer of its newest publisher.
    pub fn id(&self) -> IssuerId {
        self.id
    }

    /// The publisher with this certificate.
    pub(super) fn publisher(&self, issuer: IssuerId, serial: &SerialNumber) -> Option<Fingerprint> {
        let issuer = self.issuer(issuer)?;
        let found = self.signers.iter().find(|(_, signer)| {
            signer.role == Role::Publisher
                && signer.certificate.serial() == *serial
                && signer.certificate.issuer_der() == issuer.subject_der()
        });
        found.map(|(fingerprint, _)| *fingerprint)
    }

    /// The trust anchor this source stands under.
    pub fn anchor(&self) -> &Certificate {
        &self.anchor
    }

    /// The issuers this source speaks for, its root among them when it publishes it.
    pub fn issuers(&self) -> &[Certificate] {
        &self.issuers
    }

    /// The issuer with this id.
    pub fn issuer(&self, id: IssuerId) -> Option<&Certificate> {
        self.issuers
            .iter()
            .find(|issuer| IssuerId::of(issuer) == id)
    }

    /// Checks who signed `line` and whether they may say it.
    ///
    /// # Errors
    /// See [`AuthorityError`]; any of them means that the source is not to be believed.
    pub fn verify(&self, line: &Line) -> Result<Entry, AuthorityError> {
        let signer = self
            .signers
            .get(&line.signer)
            .ok_or(AuthorityError::UnknownSigner(line.signer))?;
        signer.verify(line)?;
        let entry = Entry::parse(&line.body)?;
        if signer.role == Role::Publisher && entry.event.effect() == Effect::Admits {
            let kind = entry.event.kind();
            return Err(AuthorityError::PublisherAdmits {
                seq: entry.seq,
                kind,
            });
        }
        let foreign = entry
            .event
            .issuers()
            .into_iter()
            .find(|id| self.issuer(*id).is_none());
        match foreign {
            Some(issuer) => Err(AuthorityError::ForeignIssuer {
                seq: entry.seq,
                issuer,
            }),
            None => Ok(entry),
        }
    }
}

impl Signer {
    fn verify(&self, line: &Line) -> Result<(), AuthorityError> {
        let certificate = EndEntityCert::try_from(self.certificate.der())
            .map_err(|_| AuthorityError::BadSignature)?;
        let message = signed_message(&line.body);
        SUPPORTED
            .iter()
            .any(|algorithm| {
                certificate
                    .verify_signature(*algorithm, &message, &line.signature)
                    .is_ok()
            })
            .then_some(())
            .ok_or(AuthorityError::BadSignature)
    }
}

/// The anchor that `publisher` leads to, looked at within its validity: what it took away stays
/// taken away, and a CA whose clock was wrong once must not lose the power to revoke. Its validity
/// only drives its renewal; see `docs/decisions/0009`.
fn publisher_anchor(
    publisher: &Certificate,
    issuers: &[Certificate],
    trust: &TrustAnchors,
    now: UnixTime,
) -> Result<Certificate, String> {
    let anchors: Vec<_> = trust
        .certificates()
        .iter()
        .filter_map(|anchor| webpki::anchor_from_trusted_cert(anchor.der()).ok())
        .collect();
    let intermediates: Vec<CertificateDer<'_>> =
        issuers.iter().map(|issuer| issuer.der().clone()).collect();
    let within = now
        .as_secs()
        .clamp(publisher.not_before(), publisher.not_after());
    let at = UnixTime::since_unix_epoch(Duration::from_secs(within));
    if !is_publisher(publisher) {
        return Err(format!(
            "{} is no publisher certificate",
            publisher.subject()
        ));
    }
    let leaf = EndEntityCert::try_from(publisher.der()).map_err(|error| error.to_string())?;
    let path = leaf
        .verify_for_usage(
            SUPPORTED,
            &anchors,
            &intermediates,
            at,
            // `required` would ask it of the intermediates too.
            KeyUsage::required_if_present(PUBLISHER_EKU),
            None,
            None,
        )
        .map_err(|error| error.to_string())?;
    let spki = path.anchor().subject_public_key_info.to_vec();
    trust
        .certificates()
        .iter()
        .find(|anchor| anchor.spki_der().ends_with(&spki))
        .cloned()
        .ok_or_else(|| String::from("the anchor is gone"))
}

/// Whether the extended key usage is critical and the publisher's alone.
fn is_publisher(certificate: &Certificate) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate.der()) else {
        return false;
    };
    let Ok(Some(usage)) = parsed.get_extension_unique(&OID_X509_EXT_EXTENDED_KEY_USAGE) else {
        return false;
    };
    let purpose = usage.value.strip_prefix(&[0x30, 21, 0x06, 19]);
    usage.critical && purpose == Some(PUBLISHER_EKU)
}
