//! Why a certificate chain is refused.

use std::fmt;

use postern_policy::SerialNumber;
use thiserror::Error;

use crate::{IssuerId, KeyWeakness, RevocationReason};

/// Where in the path a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathRole {
    /// The client's own certificate.
    Leaf,
    /// A certificate between the client's and the trust anchor.
    Intermediate,
    /// The certificate that we trust to start with.
    TrustAnchor,
}

impl fmt::Display for PathRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Leaf => "the client certificate",
            Self::Intermediate => "an intermediate certificate",
            Self::TrustAnchor => "the trust anchor",
        })
    }
}

/// A rule of RFC 5280's certificate profile that a certificate breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProfileViolation {
    /// Sections 4.2.1.1, 4.2.1.2, 4.2.2.1.
    #[error("its {0} extension is critical and must not be")]
    Critical(&'static str),
    /// Section 4.2.1.11.
    #[error("its {0} extension must be critical and is not")]
    NotCritical(&'static str),
    /// An extension whose content does not follow its ASN.1 definition.
    #[error("its {0} extension is malformed")]
    MalformedExtension(&'static str),
    /// Section 4.2.1.10.
    #[error("its name constraints are empty")]
    EmptyNameConstraints,
    /// Section 4.2.1.10.
    #[error("a dNSName constraint starts with a period")]
    LeadingPeriodConstraint,
    /// Section 4.2.1.10.
    #[error("it has name constraints and is not a CA")]
    NameConstraintsOnLeaf,
    /// Section 4.1.2.4.
    #[error("its issuer name is empty")]
    EmptyIssuer,
    /// Section 4.1.2.6, CA certificates.
    #[error("its subject name is empty and it is a CA")]
    EmptySubject,
    /// Section 4.1.2.6, other certificates.
    #[error("its subject name is empty and it has no critical subjectAltName")]
    EmptySubjectWithoutCriticalAltName,
    /// Section 4.2.1.1: the key named as issuer's is another one.
    #[error("its authorityKeyIdentifier names another key or certificate than its issuer's")]
    AuthorityKeyMismatch,
}

/// Why a chain is refused. [`Rejection::code`] is stable; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// Nothing was presented.
    #[error("no certificate was presented")]
    NoCertificate,
    /// More certificates than a path may need; refused before anything is parsed.
    #[error("the chain has {certificates} certificates; at most {limit} are read")]
    ChainTooLong {
        /// How many were presented.
        certificates: usize,
        /// How many may be.
        limit: usize,
    },
    /// More octets than a path may need; refused before anything is parsed.
    #[error("the chain has {octets} octets; at most {limit} are read")]
    ChainTooLarge {
        /// How many were presented.
        octets: usize,
        /// How many may be.
        limit: usize,
    },
    /// Not the DER of a certificate.
    #[error("{role} cannot be read: {detail}")]
    Malformed {
        /// Which certificate.
        role: PathRole,
        /// What is wrong with it.
        detail: String,
    },
    /// Past its notAfter.
    #[error("{role} expired: its notAfter is {not_after}, now is {now} (seconds since 1970)")]
    Expired {
        /// Which certificate.
        role: PathRole,
        /// Its last second.
        not_after: u64,
        /// The time of the check.
        now: u64,
    },
    /// Before its notBefore.
    #[error(
        "{role} is not valid yet: its notBefore is {not_before}, now is {now} (seconds since \
         1970); is the clock right?"
    )]
    NotYetValid {
        /// Which certificate.
        role: PathRole,
        /// Its first second.
        not_before: u64,
        /// The time of the check.
        now: u64,
    },
    /// No path to a trust anchor.
    #[error(
        "no path from {issuer:?} to a trust anchor: trust its root, or let the client send its \
         intermediate certificate"
    )]
    UnknownIssuer {
        /// The leaf's issuer name.
        issuer: String,
    },
    /// A signature in the path does not verify.
    #[error("a signature in the path is not by the key of its issuer")]
    BadSignature,
    /// A signature algorithm that is not accepted.
    #[error("a signature in the path is of a kind that is not accepted (SHA-1, or unknown)")]
    SignatureAlgorithm,
    /// The leaf is not for client authentication.
    #[error(
        "{role} is not for clients: its extendedKeyUsage must list clientAuth; issue it with \
         extendedKeyUsage = clientAuth"
    )]
    EkuMissing {
        /// Which certificate.
        role: PathRole,
    },
    /// A KeyUsage extension forbids the use made of the key, or contradicts the other facts.
    #[error("{role} has a keyUsage that does not fit: {detail}")]
    KeyUsage {
        /// Which certificate.
        role: PathRole,
        /// What does not fit.
        detail: &'static str,
    },
    /// The leaf is a CA.
    #[error("the client certificate is a CA certificate; a client must have one of its own")]
    CaAsLeaf,
    /// A certificate that issued another is not a CA.
    #[error("{role} ({subject}) issued a certificate and is not a CA")]
    NotACa {
        /// Which certificate.
        role: PathRole,
        /// Its subject.
        subject: String,
    },
    /// Several common names: two programs would read two identities.
    #[error("the client certificate has {count} common names; at most one is accepted")]
    MultipleCommonNames {
        /// How many.
        count: usize,
    },
    /// More names than a client has.
    #[error("the client certificate has {names} names; at most {limit} are compared")]
    TooManyNames {
        /// How many.
        names: usize,
        /// How many may be.
        limit: usize,
    },
    /// A key that is too weak, too large, or of an unknown kind.
    #[error("{role} is not accepted: {weakness}")]
    WeakKey {
        /// Which certificate.
        role: PathRole,
        /// What is wrong with the key.
        weakness: KeyWeakness,
    },
    /// More intermediates than a path length constraint, or our own limit, allows.
    #[error("more intermediate certificates than allowed: a path length constraint or limit")]
    PathLength,
    /// A name outside the constraints of an issuer.
    #[error("a name in the path violates the name constraints of an issuer above it")]
    NameConstraints,
    /// Building the path would cost too much.
    #[error("the presented certificates allow too many paths; send only the certificates needed")]
    PathTooComplex,
    /// RFC 5280 section 4.2: critical, and not understood.
    #[error("{role} has the critical extension {oid}, which is not supported")]
    UnknownCriticalExtension {
        /// Which certificate.
        role: PathRole,
        /// The extension, in dotted decimal.
        oid: String,
    },
    /// A rule of the certificate profile is broken.
    #[error("{role} ({subject}) breaks RFC 5280's profile: {violation}")]
    Profile {
        /// Which certificate.
        role: PathRole,
        /// Its subject.
        subject: String,
        /// Which rule.
        violation: ProfileViolation,
    },
    /// Refused by the path builder for another reason.
    #[error("the path cannot be built: {detail}")]
    Path {
        /// What the path builder says.
        detail: String,
    },
    /// Revoked by its issuer.
    #[error("{role} with serial number {serial} is revoked ({reason})")]
    Revoked {
        /// Which certificate.
        role: PathRole,
        /// Its serial number.
        serial: SerialNumber,
        /// Why.
        reason: RevocationReason,
    },
    /// Suspended by its issuer.
    #[error("{role} with serial number {serial} is on hold")]
    Held {
        /// Which certificate.
        role: PathRole,
        /// Its serial number.
        serial: SerialNumber,
    },
    /// Refused by whoever operates the gateway, whatever its issuer says.
    #[error("{role} is on the deny list: {entry}")]
    Denied {
        /// Which certificate.
        role: PathRole,
        /// The entry, as it would be written in the list.
        entry: String,
    },
    /// What is known of the issuer's revocations is too old.
    #[error(
        "the revocations of issuer {issuer} are stale since {next_update} (seconds since 1970): \
         fetch its current CRL"
    )]
    RevocationStale {
        /// Whose.
        issuer: IssuerId,
        /// When newer ones were due.
        next_update: u64,
    },
    /// Nothing is known of the issuer's revocations.
    #[error("nothing is known of the revocations of issuer {issuer}: give its CRL, or follow it")]
    RevocationUnknown {
        /// Whose.
        issuer: IssuerId,
    },
}

impl Rejection {
    /// The stable code, in snake_case: for logs, events and scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::ChainTooLong { .. } => "chain_too_long",
            Self::ChainTooLarge { .. } => "chain_too_large",
            Self::Malformed { .. } => "malformed",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::UnknownIssuer { .. } => "unknown_issuer",
            Self::BadSignature => "bad_signature",
            Self::SignatureAlgorithm => "signature_algorithm",
            Self::EkuMissing { .. } => "eku_missing",
            Self::KeyUsage { .. } => "key_usage",
            Self::CaAsLeaf => "ca_as_leaf",
            Self::NotACa { .. } => "not_a_ca",
            Self::MultipleCommonNames { .. } => "multiple_common_names",
            Self::TooManyNames { .. } => "too_many_names",
            Self::WeakKey { .. } => "weak_key",
            Self::PathLength => "path_length",
            Self::NameConstraints => "name_constraints",
            Self::PathTooComplex => "path_too_complex",
            Self::UnknownCriticalExtension { .. } => "unknown_critical_extension",
            Self::Profile { .. } => "certificate_profile",
            Self::Path { .. } => "path",
            Self::Revoked { .. } => "revoked",
            Self::Held { .. } => "held",
            Self::Denied { .. } => "denied",
            Self::RevocationStale { .. } => "revocation_stale",
            Self::RevocationUnknown { .. } => "revocation_unknown",
        }
    }
}
