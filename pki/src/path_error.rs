//! What the path builder refuses, in our words.

use crate::{PathRole, Rejection};

impl Rejection {
    /// What webpki refused, in our words. The leaf was checked before, so what webpki says of
    /// times, key usage and extensions concerns an intermediate.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "webpki's enum is non-exhaustive; every other reason keeps its own text"
    )]
    pub(crate) fn from_webpki(error: webpki::Error, leaf_issuer: String) -> Self {
        use webpki::Error as Webpki;
        let role = PathRole::Intermediate;
        match error {
            Webpki::CertExpired { time, not_after } => Self::Expired {
                role,
                not_after: not_after.as_secs(),
                now: time.as_secs(),
            },
            Webpki::CertNotValidYet { time, not_before } => Self::NotYetValid {
                role,
                not_before: not_before.as_secs(),
                now: time.as_secs(),
            },
            Webpki::UnknownIssuer => Self::UnknownIssuer {
                issuer: leaf_issuer,
            },
            Webpki::InvalidSignatureForPublicKey => Self::BadSignature,
            Webpki::SignatureAlgorithmMismatch
            | Webpki::UnsupportedSignatureAlgorithmContext(_)
            | Webpki::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                Self::SignatureAlgorithm
            }
            Webpki::EmptyEkuExtension | Webpki::RequiredEkuNotFoundContext(_) => {
                Self::EkuMissing { role }
            }
            Webpki::CaUsedAsEndEntity => Self::CaAsLeaf,
            Webpki::EndEntityUsedAsCa => Self::NotACa {
                role,
                subject: leaf_issuer,
            },
            Webpki::PathLenConstraintViolated | Webpki::MaximumPathDepthExceeded => {
                Self::PathLength
            }
            Webpki::NameConstraintViolation
            | Webpki::MalformedNameConstraint
            | Webpki::InvalidNetworkMaskConstraint
            | Webpki::MaximumNameConstraintComparisonsExceeded => Self::NameConstraints,
            Webpki::MaximumSignatureChecksExceeded | Webpki::MaximumPathBuildCallsExceeded => {
                Self::PathTooComplex
            }
            Webpki::BadDer
            | Webpki::BadDerTime
            | Webpki::TrailingData(_)
            | Webpki::MalformedExtensions
            | Webpki::ExtensionValueInvalid
            | Webpki::InvalidSerialNumber
            | Webpki::UnsupportedCertVersion => Self::Malformed {
                role,
                detail: error.to_string(),
            },
            other => Self::Path {
                detail: other.to_string(),
            },
        }
    }
}
