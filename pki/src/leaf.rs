//! What a client's certificate must be, before any path is built.

use crate::chain_lint;
use crate::{Certificate, PathRole, ProfileViolation, Rejection};

/// Most attributes and alternative names of a client. Each is compared with each name constraint
/// of each issuer.
const MAX_NAMES: usize = 256;

/// How strict to be with the client's own certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeafProfile {
    /// The gateway's: ExtendedKeyUsage present with clientAuth, and one common name at most.
    #[default]
    Strict,
    /// What RFC 5280 asks for and no more: an absent ExtendedKeyUsage allows every use.
    Rfc5280,
}

/// Cheap checks on the leaf alone, so that most bad certificates cost no signature check.
pub(crate) fn check(leaf: &Certificate, profile: LeafProfile, now: u64) -> Result<(), Rejection> {
    chain_lint::check_any(leaf, PathRole::Leaf, now)?;
    check_not_ca(leaf)?;
    check_key_usage(leaf)?;
    check_purposes(leaf, profile)?;
    check_names(leaf, profile)
}

fn check_not_ca(leaf: &Certificate) -> Result<(), Rejection> {
    if leaf.is_ca() {
        return Err(Rejection::CaAsLeaf);
    }
    // Section 4.2.1.10: name constraints are for CA certificates only.
    if leaf.extensions().has_name_constraints {
        return Err(violates(leaf, ProfileViolation::NameConstraintsOnLeaf));
    }
    Ok(())
}

/// Section 4.2.1.3: a TLS client signs with its key, and only a CA signs certificates.
fn check_key_usage(leaf: &Certificate) -> Result<(), Rejection> {
    let Some(usage) = leaf.extensions().key_usage else {
        return Ok(());
    };
    let role = PathRole::Leaf;
    if usage.key_cert_sign {
        let detail = "keyCertSign is for CA certificates only";
        return Err(Rejection::KeyUsage { role, detail });
    }
    if !usage.digital_signature {
        let detail = "digitalSignature is needed to authenticate as a client";
        return Err(Rejection::KeyUsage { role, detail });
    }
    Ok(())
}

/// Section 4.2.1.12. `anyExtendedKeyUsage` does not stand for clientAuth: an application may
/// require the particular purpose, and this one does.
fn check_purposes(leaf: &Certificate, profile: LeafProfile) -> Result<(), Rejection> {
    let accepted = match (leaf.extensions().extended_key_usage, profile) {
        (Some(purposes), LeafProfile::Strict | LeafProfile::Rfc5280) => purposes.client_auth,
        (None, LeafProfile::Strict) => false,
        (None, LeafProfile::Rfc5280) => true,
    };
    if accepted {
        Ok(())
    } else {
        Err(Rejection::EkuMissing {
            role: PathRole::Leaf,
        })
    }
}

fn check_names(leaf: &Certificate, profile: LeafProfile) -> Result<(), Rejection> {
    let alt_names = leaf.extensions().alt_names.as_ref();
    let names = leaf.facts().subject_attributes + alt_names.map_or(0, |names| names.count);
    if names > MAX_NAMES {
        return Err(Rejection::TooManyNames {
            names,
            limit: MAX_NAMES,
        });
    }
    let count = leaf.common_name_count();
    if profile == LeafProfile::Strict && count > 1 {
        return Err(Rejection::MultipleCommonNames { count });
    }
    // Section 4.1.2.6: without a subject, the names are in a critical subjectAltName.
    if chain_lint::is_empty_name(leaf.subject_der()) && !alt_names.is_some_and(|it| it.critical) {
        return Err(violates(
            leaf,
            ProfileViolation::EmptySubjectWithoutCriticalAltName,
        ));
    }
    Ok(())
}

fn violates(leaf: &Certificate, violation: ProfileViolation) -> Rejection {
    Rejection::Profile {
        role: PathRole::Leaf,
        subject: leaf.subject(),
        violation,
    }
}
