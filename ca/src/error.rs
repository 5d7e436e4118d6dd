//! Why the authority could not do what it was asked to.

use std::path::PathBuf;

use postern_pki::{CertificateError, RevocationReason};

use crate::files::FileError;
use crate::issuance::IssuanceError;
use crate::issuer::IssuerError;
use crate::key::KeyError;
use crate::publish::PublishError;
use crate::store::StoreError;

/// Why the authority could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// There is no home.
    #[error(
        "there is no Postern home in {0}: make one with `postern ca init`, or name it with --home"
    )]
    NoHome(PathBuf),
    /// A home without its database.
    #[error(
        "{0} is missing, and the rest of the home is there: restore the newest backup; do not run `ca init` over it"
    )]
    NoDatabase(PathBuf),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// An issuer is unfit.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// Nothing was issued.
    #[error(transparent)]
    Issuance(#[from] IssuanceError),
    /// It is recorded, and not published.
    #[error("{0}")]
    Publish(#[from] PublishError),
    /// A certificate could not be read.
    #[error("a certificate could not be read: {0}")]
    Certificate(#[from] CertificateError),
    /// The root's passphrase must not be the intermediates'.
    #[error(
        "the root and the intermediates have the same passphrase: whoever learns one would have both; choose two"
    )]
    SamePassphrase,
    /// The root's folder lies in the home.
    #[error(
        "{0} is inside the home: the root must leave this machine, so give it a folder of its own"
    )]
    RootInsideHome(PathBuf),
    /// The publisher's key has no certificate.
    #[error("{0} belongs to no publisher certificate of this home: restore the newest backup")]
    PublisherMismatch(PathBuf),
    /// The publisher's own certificate was revoked.
    #[error(
        "the publisher certificate is revoked: run `postern ca crl publish`, which makes a new one and needs the passphrase, and then this again"
    )]
    PublisherRevoked,
    /// A reason that no revocation of a leaf has.
    #[error(
        "{0} is no reason to revoke a certificate for good: use one of unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation, privilege-withdrawn"
    )]
    Reason(RevocationReason),
    /// There is no issuer of that kind.
    #[error("this home has no {0} issuer")]
    NoIssuer(&'static str),
}
