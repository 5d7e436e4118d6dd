//! The gate every client certificate passes: at the handshake, after it, and per request.
//!
//! webpki checks the path (inside [`PathVerifier`]); serials are looked up in our own index, never
//! in a CRL handed to webpki, which would hash the whole list again in each handshake. rustls
//! resumes a session without calling the client verifier, so the gate runs again on the
//! certificates of the finished handshake.

use std::cell::RefCell;
use std::sync::Arc;

use arc_swap::ArcSwap;
use postern_pki::{
    Certificate, IssuerId, LeafProfile, PathRole, PathVerifier, Rejection, TrustAnchors,
    VerifiedPath, WhenStale,
};
use postern_policy::{CertificateIdentity, CommonName, SerialNumber};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::follow::{NameRefusal, View};
use crate::path_cache::{PathCache, Shown};

/// Trust and revocation as one value, swapped whole.
pub(crate) struct Gate {
    verifier: Arc<PathVerifier>,
    /// Of this verifier alone.
    paths: Arc<PathCache>,
    view: Arc<View>,
    when_stale: WhenStale,
}

impl Gate {
    /// Puts together what the configuration trusts and what the followed sources say.
    pub(crate) fn new(anchors: &TrustAnchors, view: Arc<View>, when_stale: WhenStale) -> Self {
        let verifier =
            PathVerifier::new(anchors.clone(), view.issuers.clone(), LeafProfile::Strict);
        Self {
            verifier: Arc::new(verifier),
            paths: Arc::default(),
            view,
            when_stale,
        }
    }

    /// The same trust and issuers, newer news.
    pub(crate) fn with_view(&self, view: Arc<View>) -> Self {
        Self {
            verifier: Arc::clone(&self.verifier),
            paths: Arc::clone(&self.paths),
            view,
            when_stale: self.when_stale,
        }
    }

    /// Whether it was made from exactly this view.
    pub(crate) fn is_of(&self, view: &Arc<View>) -> bool {
        Arc::ptr_eq(&self.view, view)
    }

    /// What the followed sources say.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// Chain limits, path, leaf profile, revocation of the leaf and of each intermediate.
    pub(crate) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Shown, Rejection> {
        let verify = || self.verifier.verify(chain, now);
        let shown = self.paths.find_or(chain, now, verify)?;
        self.check_standing(shown.path(), now)?;
        Ok(shown)
    }

    /// Whether a path that was accepted earlier still is: time, deny list and revocation only.
    pub(crate) fn recheck(&self, path: &VerifiedPath, now: UnixTime) -> Result<(), Rejection> {
        check_validity(path, now.as_secs())?;
        self.check_standing(path, now)
    }

    /// What the operator says of it, then what its issuers say.
    fn check_standing(&self, path: &VerifiedPath, now: UnixTime) -> Result<(), Rejection> {
        self.view.denied.check(path)?;
        self.view.index.check(path, self.when_stale, now)
    }

    /// As [`recheck`](Self::recheck), for what a ticket keeps of a path: serial numbers only. The
    /// rest is looked at when the handshake is done.
    pub(crate) fn check_links(
        &self,
        links: impl IntoIterator<Item = (IssuerId, SerialNumber)> + Clone,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        self.view.denied.check_links(links.clone())?;
        self.view.index.check_links(links, self.when_stale, now)
    }

    /// Whether a name that somebody else verified is to be believed.
    pub(crate) fn check_name(&self, name: &CommonName, now: UnixTime) -> Result<(), NameRefusal> {
        self.view.denied.check_name(name)?;
        self.view.names.check(name, self.when_stale, now)
    }

    /// As [`recheck`](Self::recheck), signatures and trust anchors included.
    pub(crate) fn recheck_trust(
        &self,
        path: &VerifiedPath,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        let certificates = std::iter::once(path.leaf()).chain(path.issuers());
        let chain: Vec<_> = certificates.map(|one| one.der().clone()).collect();
        self.verify(&chain, now).map(drop)
    }
}

/// What the verifier saw during one handshake, for the event and for the connection.
#[derive(Default)]
pub(crate) enum Observation {
    #[default]
    NoCertificate,
    Accepted(Shown),
    Refused {
        rejection: Box<Rejection>,
        leaf: Option<Box<CertificateIdentity>>,
    },
}

tokio::task_local! {
    /// rustls's verifier returns an alert, not a value: the value travels beside it.
    static OBSERVED: RefCell<Observation>;
}

/// Runs a handshake and returns what the verifier saw in it.
pub(crate) async fn observed<F: Future>(handshake: F) -> (F::Output, Observation) {
    let run = async {
        let output = handshake.await;
        (output, OBSERVED.with(RefCell::take))
    };
    OBSERVED.scope(RefCell::default(), run).await
}

/// The path that was verified so far in the handshake that asks; none where it resumes a session.
pub(crate) fn accepted_path() -> Option<Arc<VerifiedPath>> {
    let path = |cell: &RefCell<Observation>| match &*cell.borrow() {
        Observation::Accepted(shown) => Some(Arc::clone(shown.path())),
        Observation::NoCertificate | Observation::Refused { .. } => None,
    };
    OBSERVED.try_with(path).ok().flatten()
}

/// The gate as rustls asks for it. Reads the gate of the moment, so that news needs no new one.
pub(crate) struct ClientVerifier {
    gate: Arc<ArcSwap<Gate>>,
    mandatory: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    /// A verifier that asks for a certificate, or insists on one.
    pub(crate) fn new(gate: Arc<ArcSwap<Gate>>, mandatory: bool) -> Self {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        Self {
            gate,
            mandatory,
            algorithms,
        }
    }
}

impl std::fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientVerifier")
            .field("mandatory", &self.mandatory)
            .finish_non_exhaustive()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    /// None: a client picks its certificate itself, and the flight stays small.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    // Called before CertificateVerify is checked: anybody may show a certificate. No side effect
    // here beyond the handshake's own observation.
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let mut chain = Vec::with_capacity(1 + intermediates.len());
        chain.push(end_entity.clone());
        chain.extend(intermediates.iter().cloned());
        match self.gate.load().verify(&chain, now) {
            Ok(shown) => {
                observe(Observation::Accepted(shown));
                Ok(ClientCertVerified::assertion())
            }
            Err(rejection) => {
                let error = alert_for(&rejection);
                let leaf = leaf_identity(end_entity);
                observe(Observation::Refused {
                    rejection: Box::new(rejection),
                    leaf,
                });
                Err(Error::InvalidCertificate(error))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The validity of leaf and intermediates; the anchor's is the operator's business.
fn check_validity(path: &VerifiedPath, now: u64) -> Result<(), Rejection> {
    let intermediates = path
        .issuers()
        .split_last()
        .map_or(&[][..], |(_anchor, rest)| rest);
    let roles = std::iter::once(PathRole::Leaf).chain(std::iter::repeat(PathRole::Intermediate));
    for (certificate, role) in std::iter::once(path.leaf()).chain(intermediates).zip(roles) {
        let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
        if now > not_after {
            return Err(Rejection::Expired {
                role,
                not_after,
                now,
            });
        }
        if now < not_before {
            return Err(Rejection::NotYetValid {
                role,
                not_before,
                now,
            });
        }
    }
    Ok(())
}

/// The alert a client gets, by way of the error that rustls makes it from.
fn alert_for(rejection: &Rejection) -> CertificateError {
    match rejection {
        // certificate_expired
        Rejection::Expired { .. } => CertificateError::Expired,
        Rejection::NotYetValid { .. } => CertificateError::NotValidYet,
        // certificate_revoked
        Rejection::Revoked { .. } | Rejection::Held { .. } => CertificateError::Revoked,
        // unknown_ca
        Rejection::UnknownIssuer { .. } => CertificateError::UnknownIssuer,
        Rejection::RevocationStale { .. } | Rejection::RevocationUnknown { .. } => {
            CertificateError::UnknownRevocationStatus
        }
        // unsupported_certificate
        Rejection::EkuMissing { .. } => CertificateError::InvalidPurpose,
        // bad_certificate
        Rejection::Malformed { .. }
        | Rejection::NoCertificate
        | Rejection::BadSignature
        | Rejection::SignatureAlgorithm
        | Rejection::WeakKey { .. } => CertificateError::BadEncoding,
        Rejection::UnknownCriticalExtension { .. } => CertificateError::UnhandledCriticalExtension,
        // access_denied
        Rejection::ChainTooLong { .. }
        | Rejection::ChainTooLarge { .. }
        | Rejection::KeyUsage { .. }
        | Rejection::CaAsLeaf
        | Rejection::NotACa { .. }
        | Rejection::MultipleCommonNames { .. }
        | Rejection::TooManyNames { .. }
        | Rejection::PathLength
        | Rejection::NameConstraints
        | Rejection::PathTooComplex
        | Rejection::Denied { .. }
        | Rejection::Profile { .. }
        | Rejection::Path { .. } => CertificateError::ApplicationVerificationFailure,
    }
}

fn observe(observation: Observation) {
    // Outside a handshake of ours (a test that drives rustls itself) nobody is waiting for it.
    OBSERVED
        .try_with(|cell| *cell.borrow_mut() = observation)
        .ok();
}

/// What a refused certificate says of itself. Unproven; for the operator's eyes.
pub(crate) fn leaf_identity(leaf: &CertificateDer<'_>) -> Option<Box<CertificateIdentity>> {
    // Not worth the time for a leaf that was refused for its size.
    if leaf.len() > MAX_DESCRIBED {
        return None;
    }
    Certificate::from_der(leaf)
        .ok()
        .map(|certificate| Box::new(certificate.identity(None)))
}

const MAX_DESCRIBED: usize = 16 * 1024;
