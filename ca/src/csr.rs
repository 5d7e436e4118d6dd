//! PKCS#10 requests (RFC 2986): proof of possession checked, key and name taken, the rest ignored.

use postern_pki::{SignatureError, verify_signed};
use x509_parser::asn1_rs::{FromDer as _, Tag};
use x509_parser::certification_request::X509CertificationRequest;

/// More than any honest request needs.
const MAX_CSR_BYTES: usize = 64 * 1024;
const PEM_TAGS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/// A request whose signature was checked with the key it holds.
#[derive(Debug, Clone)]
pub struct VerifiedCsr {
    spki: Vec<u8>,
    common_name: Result<String, CsrError>,
}

/// Why a request is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CsrError {
    /// Too long.
    #[error("the signing request is {0} bytes; {MAX_CSR_BYTES} is the limit")]
    TooLarge(usize),
    /// Not a PKCS#10 request.
    #[error("not a PKCS#10 signing request in PEM or DER: {0}")]
    Malformed(String),
    /// The signature is not by the key in the request.
    #[error(
        "the signing request is not signed by the key it holds ({0}): whoever sent it did not prove to have the key"
    )]
    ProofOfPossession(SignatureError),
    /// No name.
    #[error("the signing request has no common name: give one with --cn")]
    NoCommonName,
    /// More than one name.
    #[error(
        "the signing request has {0} common names, and one certificate has one: give it with --cn"
    )]
    SeveralCommonNames(usize),
    /// A name in an encoding that can be read in more than one way.
    #[error(
        "the common name of the signing request is not UTF-8 or printable text: give one with --cn"
    )]
    UnreadableCommonName,
}

impl VerifiedCsr {
    /// Reads and checks a request in PEM or DER.
    ///
    /// # Errors
    /// When it is malformed or its signature does not verify.
    pub fn parse(input: &[u8]) -> Result<Self, CsrError> {
        if input.len() > MAX_CSR_BYTES {
            return Err(CsrError::TooLarge(input.len()));
        }
        let der = der_of(input)?;
        let malformed = |error: String| CsrError::Malformed(error);
        let (rest, csr) = X509CertificationRequest::from_der(&der)
            .map_err(|error| malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes behind its end", rest.len())));
        }
        let spki = csr.certification_request_info.subject_pki.raw.to_vec();
        verify_signed(&der, &spki).map_err(CsrError::ProofOfPossession)?;
        Ok(Self {
            common_name: common_name(&csr),
            spki,
        })
    }

    /// The key.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The one name.
    ///
    /// # Errors
    /// When there is none, or several: which of them the requester meant is not ours to guess.
    pub fn common_name(&self) -> Result<&str, CsrError> {
        self.common_name.as_deref().map_err(Clone::clone)
    }
}

fn der_of(input: &[u8]) -> Result<Vec<u8>, CsrError> {
    let looks_like_der = input.first() == Some(&0x30);
    if looks_like_der {
        return Ok(input.to_vec());
    }
    let blocks = pem::parse_many(input).map_err(|error| CsrError::Malformed(error.to_string()))?;
    match blocks.as_slice() {
        [block] if PEM_TAGS.contains(&block.tag()) => Ok(block.contents().to_vec()),
        [block] => Err(CsrError::Malformed(format!("it is a {}", block.tag()))),
        blocks => Err(CsrError::Malformed(format!(
            "it holds {} PEM blocks",
            blocks.len()
        ))),
    }
}

fn common_name(csr: &X509CertificationRequest<'_>) -> Result<String, CsrError> {
    let names: Vec<_> = csr
        .certification_request_info
        .subject
        .iter_common_name()
        .collect();
    let name = match names.as_slice() {
        [] => return Err(CsrError::NoCommonName),
        [name] => name,
        several => return Err(CsrError::SeveralCommonNames(several.len())),
    };
    let readable = matches!(
        name.attr_value().tag(),
        Tag::Utf8String | Tag::PrintableString
    );
    name.as_str()
        .ok()
        .filter(|_| readable)
        .map(str::to_owned)
        .ok_or(CsrError::UnreadableCommonName)
}
