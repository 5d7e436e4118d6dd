//! A certificate: its DER, and what it says.

use std::sync::Arc;

use postern_policy::{CertificateIdentity, CommonName, Fingerprint, SerialNumber};
use rustls_pki_types::CertificateDer;
use thiserror::Error;
use x509_parser::asn1_rs::FromDer;
use x509_parser::prelude::X509Name;

use crate::extensions::Extensions;
use crate::facts::Facts;
use crate::key::{self, KeyWeakness};
use crate::name;

/// An X.509 certificate (RFC 5280), owned, parsed once. Cloning is cheap.
///
/// Parsing proves nothing: only [`PathVerifier::verify`](crate::PathVerifier::verify) does.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: CertificateDer<'static>,
    facts: Facts,
}

/// Why octets are not a certificate that we read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Not the DER of a certificate.
    #[error("not an X.509 certificate in DER: {detail}")]
    Malformed {
        /// What the parser says.
        detail: String,
    },
    /// The certificate is followed by something else.
    #[error("{octets} octets follow the certificate; give one certificate and nothing else")]
    TrailingOctets {
        /// How many.
        octets: usize,
    },
    /// RFC 5280 section 4.2: an extension may occur once only.
    #[error("an extension occurs twice, so two programs may read the certificate differently")]
    DuplicateExtension,
    /// RFC 5280 section 4.1.2.2: positive, at most 20 octets.
    #[error("the serial number must be positive and at most 20 octets long: {detail}")]
    SerialNumber {
        /// What is wrong with it.
        detail: String,
    },
}

impl Certificate {
    /// Reads the one certificate in `der`.
    ///
    /// # Errors
    /// Where the octets are not exactly one certificate, or one that RFC 5280 forbids in a way
    /// that makes its facts ambiguous.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let facts = Facts::read(der)?;
        let der = CertificateDer::from(der).into_owned();
        Ok(Self(Arc::new(Inner { der, facts })))
    }

    /// The DER, exactly as it was read.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.0.der
    }

    /// The serial number, unique per issuer.
    pub fn serial(&self) -> SerialNumber {
        self.facts().serial
    }

    /// SHA-256 of the DER.
    pub fn fingerprint(&self) -> Fingerprint {
        self.facts().fingerprint
    }

    /// The SubjectPublicKeyInfo in DER, its SEQUENCE header included.
    pub fn spki_der(&self) -> &[u8] {
        &self.facts().spki
    }

    /// SHA-256 of the SubjectPublicKeyInfo in DER.
    pub fn spki_fingerprint(&self) -> Fingerprint {
        self.facts().spki_fingerprint
    }

    /// The subject's name in DER, its SEQUENCE header included.
    pub fn subject_der(&self) -> &[u8] {
        &self.facts().subject
    }

    /// The issuer's name in DER, its SEQUENCE header included.
    pub fn issuer_der(&self) -> &[u8] {
        &self.facts().issuer
    }

    /// The subject's name in the form of RFC 4514, for people: printable, never compared.
    pub fn subject(&self) -> String {
        display_name(self.subject_der())
    }

    /// The issuer's name in the form of RFC 4514, for people: printable, never compared.
    pub fn issuer(&self) -> String {
        display_name(self.issuer_der())
    }

    /// The subject's common names whose encoding leaves one reading only, in their order.
    pub fn common_names(&self) -> &[String] {
        &self.facts().common_names.readable
    }

    /// How many common names the subject has, unreadable ones included.
    pub fn common_name_count(&self) -> usize {
        self.facts().common_names.count
    }

    /// First second of validity, in seconds since 1970.
    pub fn not_before(&self) -> u64 {
        self.facts().not_before
    }

    /// Last second of validity, in seconds since 1970.
    pub fn not_after(&self) -> u64 {
        self.facts().not_after
    }

    /// The SubjectKeyIdentifier, where the extension is present.
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.extensions().subject_key_id.as_deref()
    }

    /// The key identifier of the AuthorityKeyIdentifier, where it is present.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.extensions().authority_key.as_ref()?.key_id.as_deref()
    }

    /// Whether BasicConstraints are present and say CA.
    pub fn is_ca(&self) -> bool {
        self.extensions()
            .basic_constraints
            .is_some_and(|constraints| constraints.ca)
    }

    /// The path length constraint, where there is one.
    pub fn path_length(&self) -> Option<u32> {
        self.extensions()
            .basic_constraints
            .and_then(|constraints| constraints.path_length)
    }

    /// Whether subject and issuer have the same name (RFC 5280 section 3.2).
    pub fn is_self_issued(&self) -> bool {
        self.subject_der() == self.issuer_der()
    }

    /// Whether this key may sign CRLs: cRLSign wherever a KeyUsage extension is present.
    pub fn may_sign_crls(&self) -> bool {
        self.extensions()
            .key_usage
            .is_none_or(|usage| usage.crl_sign)
    }

    /// Whether this key may sign certificates: keyCertSign wherever KeyUsage is present.
    pub fn may_sign_certificates(&self) -> bool {
        self.is_ca()
            && self
                .extensions()
                .key_usage
                .is_none_or(|usage| usage.key_cert_sign)
    }

    /// Whether an ExtendedKeyUsage extension is present and lists clientAuth.
    pub fn is_for_client_auth(&self) -> bool {
        self.extensions()
            .extended_key_usage
            .is_some_and(|purposes| purposes.client_auth)
    }

    /// The dNSNames of the SubjectAltName extension.
    pub fn san_dns(&self) -> &[String] {
        self.extensions()
            .alt_names
            .as_ref()
            .map_or(&[], |names| &names.dns)
    }

    /// The URIs of the SubjectAltName extension.
    pub fn san_uri(&self) -> &[String] {
        self.extensions()
            .alt_names
            .as_ref()
            .map_or(&[], |names| &names.uri)
    }

    /// What is wrong with the public key, if anything.
    pub fn key_weakness(&self) -> Option<KeyWeakness> {
        key::weakness(self.spki_der())
    }

    /// What rules look at. `issuer` is the issuing certificate in the verified path.
    pub fn identity(&self, issuer: Option<&Self>) -> CertificateIdentity {
        let facts = self.facts();
        CertificateIdentity {
            common_name: facts
                .common_names
                .only()
                .and_then(|name| CommonName::parse(name).ok()),
            serial: facts.serial,
            fingerprint: facts.fingerprint,
            issuer_common_name: facts.issuer_common_name.clone(),
            issuer_fingerprint: issuer.map(Self::fingerprint),
            organizations: facts.organizations.clone(),
            countries: facts.countries.clone(),
            san_dns: self.san_dns().to_vec(),
            san_uri: self.san_uri().to_vec(),
            not_after: facts.not_after,
        }
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.0.facts
    }

    pub(crate) fn extensions(&self) -> &Extensions {
        &self.0.facts.extensions
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Certificate")
            .field("subject", &self.subject())
            .field("serial", &self.serial())
            .field("fingerprint", &self.fingerprint())
            .finish()
    }
}

fn display_name(der: &[u8]) -> String {
    X509Name::from_der(der).map_or_else(|_| String::new(), |(_, name)| name::rfc4514(&name))
}
