//! RFC 5280's rules for the certificates of a path, beyond what the path builder checks.
//!
//! webpki takes trust anchors as name and key only (RFC 5280 section 6.1.1 d allows it). We hold
//! the anchors' certificates, so we hold them to what they say: an expired root is an expired
//! root. Two rules of RFC 5280 are left out because common tools break them without harm: that
//! SubjectKeyIdentifier and AuthorityKeyIdentifier are present (sections 4.2.1.1, 4.2.1.2; where
//! present, they must fit), and that BasicConstraints and NameConstraints are marked critical
//! (4.2.1.9, 4.2.1.10; they are enforced either way).

use crate::der;
use crate::extensions::AuthorityKey;
use crate::{Certificate, PathRole, ProfileViolation, Rejection};

/// Checks a path whose signatures verify: the leaf, then its issuers, the anchor last.
pub(crate) fn check_path(
    leaf: &Certificate,
    issuers: &[Certificate],
    max_depth: Option<usize>,
    now: u64,
) -> Result<(), Rejection> {
    let last = issuers.len().saturating_sub(1);
    let mut below = 0; // intermediates so far that are not self-issued
    let mut child = leaf;
    for (at, issuer) in issuers.iter().enumerate() {
        let role = if at == last {
            PathRole::TrustAnchor
        } else {
            PathRole::Intermediate
        };
        check_any(issuer, role, now)?;
        check_issuer(issuer, role)?;
        check_authority_key(child, issuer, role_of_child(at))?;
        check_path_length(issuer, below)?;
        if role == PathRole::Intermediate && !issuer.is_self_issued() {
            below += 1;
        }
        child = issuer;
    }
    check_own_authority_key(child)?;
    if max_depth.is_some_and(|limit| below > limit) {
        return Err(Rejection::PathLength);
    }
    Ok(())
}

/// What a trust anchor must be by itself.
pub(crate) fn check_anchor(anchor: &Certificate, now: u64) -> Result<(), Rejection> {
    check_any(anchor, PathRole::TrustAnchor, now)?;
    check_issuer(anchor, PathRole::TrustAnchor)?;
    check_own_authority_key(anchor)
}

/// A self-signed anchor names itself.
fn check_own_authority_key(anchor: &Certificate) -> Result<(), Rejection> {
    if anchor.is_self_issued() {
        check_authority_key(anchor, anchor, PathRole::TrustAnchor)
    } else {
        Ok(())
    }
}

/// What holds for every certificate, whatever its role.
pub(crate) fn check_any(
    certificate: &Certificate,
    role: PathRole,
    now: u64,
) -> Result<(), Rejection> {
    check_validity(certificate, role, now)?;
    let extensions = certificate.extensions();
    if let Some(oid) = extensions.unknown_critical.clone() {
        return Err(Rejection::UnknownCriticalExtension { role, oid });
    }
    if let Some(violation) = extensions.violations.first().cloned() {
        return Err(violates(certificate, role, violation));
    }
    if is_empty_name(certificate.issuer_der()) {
        return Err(violates(certificate, role, ProfileViolation::EmptyIssuer));
    }
    match certificate.key_weakness() {
        Some(weakness) => Err(Rejection::WeakKey { role, weakness }),
        None => Ok(()),
    }
}

/// Section 4.1.2.5: both ends are part of the period.
fn check_validity(certificate: &Certificate, role: PathRole, now: u64) -> Result<(), Rejection> {
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    if now < not_before {
        Err(Rejection::NotYetValid {
            role,
            not_before,
            now,
        })
    } else if now > not_after {
        Err(Rejection::Expired {
            role,
            not_after,
            now,
        })
    } else {
        Ok(())
    }
}

/// Section 6.1.4 (k), (n), for the anchor too; section 4.1.2.6.
fn check_issuer(issuer: &Certificate, role: PathRole) -> Result<(), Rejection> {
    if !issuer.facts().is_version_3 || !issuer.is_ca() {
        return Err(Rejection::NotACa {
            role,
            subject: issuer.subject(),
        });
    }
    if !issuer.may_sign_certificates() {
        let detail = "it issued a certificate without keyCertSign";
        return Err(Rejection::KeyUsage { role, detail });
    }
    if is_empty_name(issuer.subject_der()) {
        return Err(violates(issuer, role, ProfileViolation::EmptySubject));
    }
    Ok(())
}

/// Section 4.2.1.1: where a certificate says which key signed it, it was that key.
fn check_authority_key(
    child: &Certificate,
    issuer: &Certificate,
    role: PathRole,
) -> Result<(), Rejection> {
    let Some(authority) = &child.extensions().authority_key else {
        return Ok(());
    };
    if names_key(authority, issuer) && names_certificate(authority, issuer) {
        Ok(())
    } else {
        Err(violates(
            child,
            role,
            ProfileViolation::AuthorityKeyMismatch,
        ))
    }
}

fn names_key(authority: &AuthorityKey, issuer: &Certificate) -> bool {
    match (authority.key_id.as_deref(), issuer.subject_key_id()) {
        (Some(named), Some(actual)) => named == actual,
        (None, _) | (_, None) => true,
    }
}

fn names_certificate(authority: &AuthorityKey, issuer: &Certificate) -> bool {
    authority
        .issuer_and_serial
        .as_ref()
        .is_none_or(|(name, serial)| {
            name.as_slice() == issuer.issuer_der() && **serial == *issuer.facts().raw_serial
        })
}

/// Section 4.2.1.9: self-issued certificates do not count.
fn check_path_length(issuer: &Certificate, below: usize) -> Result<(), Rejection> {
    let allowed = issuer
        .path_length()
        .and_then(|limit| usize::try_from(limit).ok());
    if allowed.is_some_and(|limit| below > limit) {
        Err(Rejection::PathLength)
    } else {
        Ok(())
    }
}

fn role_of_child(at: usize) -> PathRole {
    if at == 0 {
        PathRole::Leaf
    } else {
        PathRole::Intermediate
    }
}

/// Whether a name in DER, header included, has no attributes.
pub(crate) fn is_empty_name(name_der: &[u8]) -> bool {
    der::only(name_der, der::SEQUENCE).is_ok_and(<[u8]>::is_empty)
}

fn violates(certificate: &Certificate, role: PathRole, violation: ProfileViolation) -> Rejection {
    Rejection::Profile {
        role,
        subject: certificate.subject(),
        violation,
    }
}
