//! Trust anchors: where every path ends.

use rustls_pki_types::TrustAnchor;
use thiserror::Error;

use crate::Certificate;

/// The certificates that are trusted without a signature of anybody else. Never empty.
///
/// An anchor is judged when a path ends at it, not here: one expired root among several must not
/// keep a gateway from starting. [`TrustAnchors::unusable`] tells which ones cannot end a path.
#[derive(Debug, Clone)]
pub struct TrustAnchors {
    certificates: Vec<Certificate>,
    anchors: Vec<TrustAnchor<'static>>,
}

/// Why certificates cannot be trust anchors.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TrustAnchorError {
    /// An empty set would refuse every client; an empty file is a mistake.
    #[error("there is no trust anchor; give at least one root certificate")]
    Empty,
    /// The path builder cannot use the certificate.
    #[error("{subject} cannot be a trust anchor: {detail}")]
    Unusable {
        /// Its subject.
        subject: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl TrustAnchors {
    /// Takes the certificates as anchors.
    ///
    /// # Errors
    /// Where there is none, or one has a form the path builder cannot take.
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, TrustAnchorError> {
        if certificates.is_empty() {
            return Err(TrustAnchorError::Empty);
        }
        let anchors = certificates.iter().map(anchor).collect::<Result<_, _>>()?;
        Ok(Self {
            certificates,
            anchors,
        })
    }

    /// The anchors' certificates, in the order given.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Those that cannot end a path at this time, and why: for a warning at load.
    pub fn unusable(
        &self,
        now: rustls_pki_types::UnixTime,
    ) -> impl Iterator<Item = (&Certificate, crate::Rejection)> {
        self.certificates.iter().filter_map(move |certificate| {
            let refused = crate::chain_lint::check_anchor(certificate, now.as_secs()).err()?;
            Some((certificate, refused))
        })
    }

    /// In the order of [`Self::certificates`].
    pub(crate) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }
}

fn anchor(certificate: &Certificate) -> Result<TrustAnchor<'static>, TrustAnchorError> {
    webpki::anchor_from_trusted_cert(certificate.der())
        .map(|anchor| anchor.to_owned())
        .map_err(|error| TrustAnchorError::Unusable {
            subject: certificate.subject(),
            detail: error.to_string(),
        })
}
