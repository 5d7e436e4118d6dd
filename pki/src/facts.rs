//! What a certificate says, read once from its DER.

use aws_lc_rs::digest;
use postern_policy::{Fingerprint, SerialNumber};
use x509_parser::asn1_rs::FromDer;
use x509_parser::oid_registry as oids;
use x509_parser::prelude::{ASN1Time, X509Certificate, X509Version};

use crate::CertificateError;
use crate::extensions::Extensions;
use crate::name::{CommonNames, texts};

/// Owned copies: nothing here borrows from the DER.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) serial: SerialNumber,
    pub(crate) raw_serial: Box<[u8]>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) spki: Box<[u8]>,
    pub(crate) spki_fingerprint: Fingerprint,
    pub(crate) subject: Box<[u8]>,
    pub(crate) issuer: Box<[u8]>,
    pub(crate) is_version_3: bool,
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
    pub(crate) common_names: CommonNames,
    /// Attributes of the subject.
    pub(crate) subject_attributes: usize,
    pub(crate) issuer_common_name: Option<String>,
    pub(crate) organizations: Vec<String>,
    pub(crate) countries: Vec<String>,
    pub(crate) extensions: Extensions,
}

impl Facts {
    pub(crate) fn read(der: &[u8]) -> Result<Self, CertificateError> {
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|error| CertificateError::Malformed {
                detail: error.to_string(),
            })?;
        if !rest.is_empty() {
            return Err(CertificateError::TrailingOctets { octets: rest.len() });
        }
        certificate
            .extensions_map()
            .map_err(|_| CertificateError::DuplicateExtension)?;
        let (subject, issuer) = (certificate.subject(), certificate.issuer());
        let spki = certificate.public_key().raw;
        Ok(Self {
            serial: serial(certificate.raw_serial())?,
            raw_serial: certificate.raw_serial().into(),
            fingerprint: sha256(der),
            spki: spki.into(),
            spki_fingerprint: sha256(spki),
            subject: subject.as_raw().into(),
            issuer: issuer.as_raw().into(),
            is_version_3: certificate.version() == X509Version::V3,
            not_before: seconds(certificate.validity().not_before),
            not_after: seconds(certificate.validity().not_after),
            common_names: CommonNames::of(subject),
            subject_attributes: subject.iter_attributes().count(),
            issuer_common_name: CommonNames::of(issuer).only().map(str::to_owned),
            organizations: texts(subject, &oids::OID_X509_ORGANIZATION_NAME),
            countries: texts(subject, &oids::OID_X509_COUNTRY_NAME),
            extensions: Extensions::read(certificate.extensions()),
        })
    }
}

/// RFC 5280 section 4.1.2.2: positive, at most 20 octets.
fn serial(raw: &[u8]) -> Result<SerialNumber, CertificateError> {
    if raw.first().is_none_or(|first| first & 0x80 != 0) {
        return Err(CertificateError::SerialNumber {
            detail: "it is negative".to_owned(),
        });
    }
    SerialNumber::from_octets(raw).map_err(|error| CertificateError::SerialNumber {
        detail: error.to_string(),
    })
}

/// Times before 1970 count as 1970.
fn seconds(time: ASN1Time) -> u64 {
    u64::try_from(time.timestamp()).unwrap_or(0)
}

/// SHA-256, as a fingerprint.
pub fn sha256(octets: &[u8]) -> Fingerprint {
    let digest = digest::digest(&digest::SHA256, octets);
    let octets: [u8; 32] = digest.as_ref().try_into().expect("SHA-256 has 32 octets");
    Fingerprint::from(octets)
}
