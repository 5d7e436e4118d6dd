//! The `SIGNED{}` shape that certificates, CRLs and signing requests share (RFC 5280 section
//! 4.1, RFC 2986 section 4.2): content, algorithm, signature.

use crate::der::{self, NotDer, Reader};
use crate::key::{KeyWeakness, weakness};
use crate::signature::{SignatureError, verify_signature};

/// Checks that the key in `spki_der` signed the certificate or signing request in `der`.
///
/// # Errors
/// Where the octets are not of that shape, or the signature is not by this key.
pub fn verify_signed(der: &[u8], spki_der: &[u8]) -> Result<(), SignatureError> {
    let (content, algorithm, signature) =
        parts(der).map_err(|NotDer| SignatureError::MalformedContent)?;
    verify_signature(spki_der, algorithm, content, signature)
}

/// Checks that the key in `spki_der` is strong enough to be certified.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_key(spki_der: &[u8]) -> Result<(), KeyWeakness> {
    weakness(spki_der).map_or(Ok(()), Err)
}

/// Content, algorithm identifier, signature bits.
type Parts<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn parts(der: &[u8]) -> Result<Parts<'_>, NotDer> {
    let mut outer = Reader::new(der::only(der, der::SEQUENCE)?);
    let content = outer.expect(der::SEQUENCE)?.whole;
    let algorithm = outer.expect(der::SEQUENCE)?.content;
    let signature = der::whole_bits(outer.expect(der::BIT_STRING)?.content)?;
    outer.finish()?;
    Ok((content, algorithm, signature))
}
