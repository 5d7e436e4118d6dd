//! What both sides of a certificate agree on: parsing, path verification, revocation.
//!
//! Synchronous, without files, sockets or clocks: callers pass bytes and the time in. The
//! certificate authority uses this crate to check what it signed, the gateway to check what it
//! was shown, so that the two cannot disagree.
//!
//! - [`Certificate`] is an owned certificate whose facts were read once.
//! - [`PathVerifier`] turns a presented chain into a [`VerifiedPath`] or a [`Rejection`].
//! - [`Crl`] is a certificate revocation list whose signature was checked once, at load.
//! - [`RevocationIndex`] answers "is this serial number of this issuer revoked?".

pub mod journal;

mod anchors;
mod certificate;
mod chain_lint;
mod crl;
mod crl_parse;
mod der;
mod extensions;
mod facts;
mod index;
mod intermediates;
mod issuer_id;
mod key;
mod leaf;
mod name;
mod path;
mod path_ends;
mod path_error;
mod pem;
mod rejection;
mod revocation;
mod revoked_entries;
mod signature;
mod signed;

pub use anchors::{TrustAnchorError, TrustAnchors};
pub use certificate::{Certificate, CertificateError};
pub use crl::{Crl, CrlError, RevokedEntry, UnverifiedCrl};
pub use facts::sha256;
pub use index::{IndexError, RevocationEvent, RevocationIndex, RevocationStatus, WhenStale};
pub use intermediates::{IntermediateError, check_intermediates};
pub use issuer_id::{IssuerId, IssuerIdError};
pub use key::KeyWeakness;
pub use leaf::LeafProfile;
pub use path::{PathVerifier, VerifiedPath};
pub use pem::{PemError, certificate_ders_from_pem, certificates_from_pem, crls_from_pem_or_der};
pub use rejection::{PathRole, ProfileViolation, Rejection};
pub use revocation::{RevocationReason, UnknownRevocationReason};
pub use signature::{SignatureError, verify_signature};
pub use signed::{check_key, verify_signed};
