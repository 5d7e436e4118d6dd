//! From a presented chain to a verified path.

use std::cell::RefCell;
use std::sync::Arc;

use postern_policy::{CertificateIdentity, SerialNumber};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::path_ends::PathEnds;
use crate::signature::SUPPORTED;
use crate::{
    Certificate, IssuerId, LeafProfile, PathRole, Rejection, TrustAnchors, chain_lint, leaf,
};

/// Most certificates that a presented chain may have, the leaf included.
///
/// Each further one multiplies the paths that an unauthenticated peer makes us try.
const MAX_CERTIFICATES: usize = 8;
/// Most octets that a presented chain may have.
const MAX_OCTETS: usize = 64 * 1024;

/// Most presented certificates of one subject: some cross-signed ones, or keys being rolled over.
///
/// With many, each may stand above each other one, and the orders to try grow as a factorial.
const MAX_SAME_SUBJECT: usize = 4;

/// Verifies client certificates. Holds no state that a verification changes.
#[derive(Debug, Clone)]
pub struct PathVerifier {
    anchors: TrustAnchors,
    ends: PathEnds,
    issuers: Vec<Certificate>,
    profile: LeafProfile,
    max_depth: Option<usize>,
}

/// A path from a client's certificate to a trust anchor, every signature and rule checked.
/// Revocation is looked up separately: [`RevocationIndex::check`](crate::RevocationIndex::check).
#[derive(Debug, Clone)]
pub struct VerifiedPath {
    leaf: Certificate,
    issuers: Vec<Certificate>,
    identity: Arc<CertificateIdentity>,
}

impl PathVerifier {
    /// Verifies up to `anchors`. `issuers` are intermediate certificates that complete a chain
    /// sent without them; they are not trusted by themselves, and none is ever fetched.
    pub fn new(anchors: TrustAnchors, issuers: Vec<Certificate>, profile: LeafProfile) -> Self {
        Self {
            ends: PathEnds::new(&anchors, &issuers),
            anchors,
            issuers,
            profile,
            max_depth: None,
        }
    }

    /// Allows at most this many intermediate certificates, self-issued ones not counted.
    #[must_use]
    pub fn with_max_depth(self, max_depth: Option<usize>) -> Self {
        Self { max_depth, ..self }
    }

    /// The anchors that paths end at.
    pub fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }

    /// Verifies a chain as a peer presented it: its own certificate first, then any others.
    ///
    /// # Errors
    /// The one [`Rejection`] that says most: of the leaf, then of the best path found.
    pub fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<VerifiedPath, Rejection> {
        let (leaf_der, rest) = check_limits(chain)?;
        let leaf = Certificate::from_der(leaf_der).map_err(|error| Rejection::Malformed {
            role: PathRole::Leaf,
            detail: error.to_string(),
        })?;
        leaf::check(&leaf, self.profile, now.as_secs())?;
        check_subjects(rest)?;
        self.build(&leaf, &self.pool(rest), now)
    }

    /// What a path may go through: what was presented, then what we hold.
    fn pool<'a>(&'a self, presented: &'a [CertificateDer<'_>]) -> Vec<CertificateDer<'a>> {
        let held = self.issuers.iter().map(|issuer| issuer.der());
        let missing = held.filter(|held| !presented.iter().any(|der| der == *held));
        presented
            .iter()
            .map(|der| CertificateDer::from(der.as_ref()))
            .chain(missing.map(|der| CertificateDer::from(der.as_ref())))
            .collect()
    }

    fn build(
        &self,
        leaf: &Certificate,
        pool: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<VerifiedPath, Rejection> {
        let entity = EndEntityCert::try_from(leaf.der())
            .map_err(|error| Rejection::from_webpki(error, leaf.issuer()))?;
        let outcome = RefCell::new(None);
        // Called for each path whose signatures verify; an error makes webpki try another one.
        let judge = |candidate: &webpki::VerifiedPath<'_>| {
            if self.ends_too_soon(candidate) {
                return Err(webpki::Error::UnknownIssuer);
            }
            let judged = self.judge(leaf, candidate, now);
            let answer = judged
                .as_ref()
                .map(|_| ())
                .map_err(|_| webpki::Error::UnknownIssuer);
            outcome.replace(Some(judged));
            answer
        };
        let built = entity.verify_for_usage(
            SUPPORTED,
            self.ends.ends(),
            pool,
            now,
            KeyUsage::client_auth(),
            None,
            Some(&judge),
        );
        let failed = built.err();
        match (outcome.into_inner(), failed) {
            (Some(Ok(path)), None) => Ok(path),
            (Some(Err(rejection)), _) => Err(rejection),
            (Some(Ok(_)) | None, Some(error)) => Err(Rejection::from_webpki(error, leaf.issuer())),
            (None, None) => Err(Rejection::UnknownIssuer {
                issuer: leaf.issuer(),
            }),
        }
    }

    /// At an intermediate we hold, with others below it: to be built up to the anchor.
    fn ends_too_soon(&self, candidate: &webpki::VerifiedPath<'_>) -> bool {
        let end = self.ends.certificates_of(candidate.anchor());
        end.is_some_and(|end| end.len() > 1) && candidate.intermediate_certificates().count() > 0
    }

    fn judge(
        &self,
        leaf: &Certificate,
        candidate: &webpki::VerifiedPath<'_>,
        now: UnixTime,
    ) -> Result<VerifiedPath, Rejection> {
        let mut issuers = candidate
            .intermediate_certificates()
            .map(|intermediate| self.certificate(&intermediate.der()))
            .collect::<Result<Vec<_>, _>>()?;
        let end = self
            .ends
            .certificates_of(candidate.anchor())
            .ok_or_else(|| Rejection::UnknownIssuer {
                issuer: leaf.issuer(),
            })?;
        issuers.extend_from_slice(end);
        chain_lint::check_path(leaf, &issuers, self.max_depth, now.as_secs())?;
        let identity = Arc::new(leaf.identity(issuers.first()));
        Ok(VerifiedPath {
            leaf: leaf.clone(),
            issuers,
            identity,
        })
    }

    /// The parsed certificate, without parsing it again where it is one we hold.
    fn certificate(&self, der: &CertificateDer<'_>) -> Result<Certificate, Rejection> {
        if let Some(held) = self.issuers.iter().find(|held| held.der() == der) {
            return Ok(held.clone());
        }
        Certificate::from_der(der).map_err(|error| Rejection::Malformed {
            role: PathRole::Intermediate,
            detail: error.to_string(),
        })
    }
}

impl VerifiedPath {
    /// The client's certificate.
    pub fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// The issuers: the leaf's first, the trust anchor last. Never empty.
    pub fn issuers(&self) -> &[Certificate] {
        &self.issuers
    }

    /// Who the client is. Only the verified leaf says so, whatever else was presented.
    pub fn identity(&self) -> &Arc<CertificateIdentity> {
        &self.identity
    }

    /// The last second in which leaf and all intermediates are valid, in seconds since 1970.
    pub fn not_after(&self) -> u64 {
        self.certificates_below_anchor()
            .map(Certificate::not_after)
            .min()
            .unwrap_or(self.leaf.not_after())
    }

    /// Whether every certificate of the path is within its period, the anchor's included: what
    /// [`PathVerifier::verify`] asks of time.
    pub fn is_valid_at(&self, now: u64) -> bool {
        std::iter::once(&self.leaf)
            .chain(&self.issuers)
            .all(|one| (one.not_before()..=one.not_after()).contains(&now))
    }

    /// What must not be revoked: leaf and intermediates, each under its issuer's key. The anchor
    /// has no issuer; it is distrusted by removing it.
    pub fn links(&self) -> impl Iterator<Item = (IssuerId, SerialNumber)> {
        self.certificates_below_anchor()
            .zip(&self.issuers)
            .map(|(certificate, issuer)| (IssuerId::of(issuer), certificate.serial()))
    }

    fn certificates_below_anchor(&self) -> impl Iterator<Item = &Certificate> {
        let intermediates = self.issuers.len().saturating_sub(1);
        std::iter::once(&self.leaf).chain(self.issuers.iter().take(intermediates))
    }
}

/// Counts before anything is parsed: this runs for peers that have proven nothing.
fn check_limits<'a, 'der>(
    chain: &'a [CertificateDer<'der>],
) -> Result<(&'a CertificateDer<'der>, &'a [CertificateDer<'der>]), Rejection> {
    if chain.len() > MAX_CERTIFICATES {
        let certificates = chain.len();
        return Err(Rejection::ChainTooLong {
            certificates,
            limit: MAX_CERTIFICATES,
        });
    }
    let octets = chain.iter().map(|der| der.len()).sum();
    if octets > MAX_OCTETS {
        return Err(Rejection::ChainTooLarge {
            octets,
            limit: MAX_OCTETS,
        });
    }
    chain.split_first().ok_or(Rejection::NoCertificate)
}

/// Counts presented certificates of one subject. What cannot be read is not counted: the path
/// builder passes it over.
fn check_subjects(presented: &[CertificateDer<'_>]) -> Result<(), Rejection> {
    let read: Vec<_> = presented
        .iter()
        .filter_map(|der| EndEntityCert::try_from(der).ok())
        .collect();
    let same = |one: &EndEntityCert<'_>| {
        read.iter()
            .filter(|other| other.subject() == one.subject())
            .count()
    };
    if read.iter().any(|one| same(one) > MAX_SAME_SUBJECT) {
        return Err(Rejection::PathTooComplex);
    }
    Ok(())
}
