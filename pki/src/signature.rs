//! Signatures over anything an issuer signs: certificates, CRLs.

use rustls_pki_types::SignatureVerificationAlgorithm;
use thiserror::Error;
use webpki::aws_lc_rs as algorithms;

use crate::der::{self, NotDer, Reader};

/// What may sign. SHA-1 and RSA below 2048 bits are not in it.
pub(crate) static SUPPORTED: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P256_SHA512,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ECDSA_P384_SHA512,
    algorithms::ECDSA_P521_SHA256,
    algorithms::ECDSA_P521_SHA384,
    algorithms::ECDSA_P521_SHA512,
    algorithms::ED25519,
    algorithms::ML_DSA_44,
    algorithms::ML_DSA_65,
    algorithms::ML_DSA_87,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
    algorithms::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
    algorithms::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The key's octets are not a SubjectPublicKeyInfo.
    #[error("the public key is not a DER SubjectPublicKeyInfo")]
    MalformedKey,
    /// What was signed is not DER of a certificate, CRL or signing request.
    #[error("what was signed is not DER in the shape of a certificate or signing request")]
    MalformedContent,
    /// No supported algorithm fits the key and the signature's algorithm identifier.
    #[error(
        "no supported algorithm fits this key and signature; use ECDSA, Ed25519, ML-DSA or RSA \
         from 2048 bits, with SHA-256 or better"
    )]
    UnsupportedAlgorithm,
    /// The key did not make this signature over these octets.
    #[error("the signature is not by this key over this content")]
    Invalid,
}

/// Checks `signature` over `message` by the key in `spki_der`.
///
/// `algorithm` is the *content* of the AlgorithmIdentifier beside the signature, without its
/// SEQUENCE header, as in [`rustls_pki_types::AlgorithmIdentifier`].
pub fn verify_signature(
    spki_der: &[u8],
    algorithm: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let (key_algorithm, key) =
        split_key(spki_der).map_err(|NotDer| SignatureError::MalformedKey)?;
    let supported = SUPPORTED
        .iter()
        .find(|supported| {
            supported.signature_alg_id().as_ref() == algorithm
                && supported.public_key_alg_id().as_ref() == key_algorithm
        })
        .ok_or(SignatureError::UnsupportedAlgorithm)?;
    supported
        .verify_signature(key, message, signature)
        .map_err(|_| SignatureError::Invalid)
}

/// The algorithm identifier's content and the key bits.
pub(crate) fn split_key(spki_der: &[u8]) -> Result<(&[u8], &[u8]), NotDer> {
    let mut fields = Reader::new(der::only(spki_der, der::SEQUENCE)?);
    let algorithm = fields.expect(der::SEQUENCE)?.content;
    let key = der::whole_bits(fields.expect(der::BIT_STRING)?.content)?;
    fields.finish()?;
    Ok((algorithm, key))
}
