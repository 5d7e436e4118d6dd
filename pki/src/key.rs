//! Which public keys are strong enough to be believed.

use thiserror::Error;

use crate::der::{self, NotDer, Reader};
use crate::signature::split_key;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// 2.16.840.1.101.3.4.3.17, .18, .19 (RFC 9881).
const ML_DSA: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

/// Why a public key is not accepted, as client key or as issuer key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyWeakness {
    /// An RSA modulus below 2048 or above 8192 bits (the latter costs a verifier too much).
    #[error("its RSA key has {bits} bits; 2048 to 8192 are accepted")]
    RsaSize {
        /// Length of the modulus.
        bits: usize,
    },
    /// An RSA modulus that does not fill its last octet: no sound generator makes these.
    #[error("its RSA key has {bits} bits, which is not a multiple of 8")]
    RsaPartialOctet {
        /// Length of the modulus.
        bits: usize,
    },
    /// An even exponent, or 1: signatures would prove nothing.
    #[error("its RSA exponent is even or below 3")]
    RsaExponent,
    /// A curve other than P-256, P-384 and P-521.
    #[error("its curve is none of P-256, P-384 and P-521")]
    Curve,
    /// Neither RSA, ECDSA, Ed25519 nor ML-DSA.
    #[error("its key is none of RSA, ECDSA, Ed25519 and ML-DSA")]
    Algorithm,
    /// The key cannot be read.
    #[error("its key cannot be read")]
    Malformed,
}

/// What is wrong with the key in this SubjectPublicKeyInfo, if anything.
pub(crate) fn weakness(spki_der: &[u8]) -> Option<KeyWeakness> {
    judge(spki_der).unwrap_or(Some(KeyWeakness::Malformed))
}

fn judge(spki_der: &[u8]) -> Result<Option<KeyWeakness>, NotDer> {
    let (algorithm, key) = split_key(spki_der)?;
    let mut fields = Reader::new(algorithm);
    let oid = fields.expect(der::OID)?.content;
    match oid {
        RSA => rsa(key),
        EC => {
            let curve = fields.next()?;
            let known = curve.tag == der::OID && [P256, P384, P521].contains(&curve.content);
            Ok((!known).then_some(KeyWeakness::Curve))
        }
        ED25519 => Ok(None),
        _ if is_ml_dsa(oid) => Ok(None),
        _ => Ok(Some(KeyWeakness::Algorithm)),
    }
}

fn is_ml_dsa(oid: &[u8]) -> bool {
    oid.strip_prefix(ML_DSA)
        .is_some_and(|last| matches!(last, [17..=19]))
}

fn rsa(key: &[u8]) -> Result<Option<KeyWeakness>, NotDer> {
    let mut fields = Reader::new(der::only(key, der::SEQUENCE)?);
    let modulus = der::unsigned(fields.expect(der::INTEGER)?.content)?;
    let exponent = der::unsigned(fields.expect(der::INTEGER)?.content)?;
    fields.finish()?;
    let bits = bit_length(modulus);
    Ok(if !(2048..=8192).contains(&bits) {
        Some(KeyWeakness::RsaSize { bits })
    } else if !bits.is_multiple_of(8) {
        Some(KeyWeakness::RsaPartialOctet { bits })
    } else if matches!(exponent, [] | [1])
        || exponent.last().is_some_and(|last| last.is_multiple_of(2))
    {
        Some(KeyWeakness::RsaExponent)
    } else {
        None
    })
}

fn bit_length(octets: &[u8]) -> usize {
    let Some(first) = octets.first() else {
        return 0;
    };
    let leading = usize::try_from(first.leading_zeros()).expect("at most 8");
    octets.len() * 8 - leading
}
