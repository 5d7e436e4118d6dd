//! Intermediate certificates that are held without being trusted.

use thiserror::Error;

use crate::{Certificate, TrustAnchors, verify_signed};

/// Why certificates cannot complete chains.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IntermediateError {
    /// A client's or server's certificate issues nothing.
    #[error("{subject} is no CA certificate")]
    NotACa {
        /// Its subject.
        subject: String,
    },
    /// Whatever it issued would be refused.
    #[error(
        "{subject} was issued by {issuer}, and that is neither a trust anchor nor given beside it"
    )]
    NoPath {
        /// Its subject.
        subject: String,
        /// Its issuer's name.
        issuer: String,
    },
}

/// Checks that each certificate is a CA's and leads to a trust anchor, over others of them if need
/// be, every signature looked at. Time is looked at when a path goes through one.
///
/// # Errors
/// The first one that does not.
pub fn check_intermediates(
    certificates: &[Certificate],
    anchors: &TrustAnchors,
) -> Result<(), IntermediateError> {
    if let Some(other) = certificates
        .iter()
        .find(|one| !one.is_ca() || !one.may_sign_certificates())
    {
        let subject = other.subject();
        return Err(IntermediateError::NotACa { subject });
    }
    let mut good: Vec<&Certificate> = anchors.certificates().iter().collect();
    let mut rest: Vec<&Certificate> = certificates.iter().collect();
    // Each round finds the ones a step further down.
    while let Some(lost) = rest.first().copied() {
        let (led, others): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|one| good.iter().any(|issuer| is_issued_by(one, issuer)));
        if led.is_empty() {
            return Err(IntermediateError::NoPath {
                subject: lost.subject(),
                issuer: lost.issuer(),
            });
        }
        good.extend(led);
        rest = others;
    }
    Ok(())
}

/// Whether this issuer's key signed the certificate, or they are the same.
pub(crate) fn is_issued_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    if certificate.fingerprint() == issuer.fingerprint() {
        return true;
    }
    certificate.issuer_der() == issuer.subject_der()
        && verify_signed(certificate.der(), issuer.spki_der()).is_ok()
}
