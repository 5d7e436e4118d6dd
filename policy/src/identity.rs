//! What a client proved, as rules look at it.

use std::net::IpAddr;

use crate::{CommonName, Fingerprint, SerialNumber, TokenName};

/// Who a verified client certificate is about: the leaf's own facts and its issuer's, nothing of
/// the rest of the chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateIdentity {
    /// The common name; `None` where there is none, or several, or it is unusable: then no name
    /// rule matches.
    pub common_name: Option<CommonName>,
    /// The serial number.
    pub serial: SerialNumber,
    /// SHA-256 of the certificate.
    pub fingerprint: Fingerprint,
    /// The issuer's common name.
    pub issuer_common_name: Option<String>,
    /// SHA-256 of the issuing certificate in the verified path.
    pub issuer_fingerprint: Option<Fingerprint>,
    /// The subject's organizations (O).
    pub organizations: Vec<String>,
    /// The subject's countries (C).
    pub countries: Vec<String>,
    /// DNS names of the subject alternative name.
    pub san_dns: Vec<String>,
    /// URIs of the subject alternative name.
    pub san_uri: Vec<String>,
    /// The last second of validity, in Unix seconds.
    pub not_after: u64,
}

/// How much of a client's certificate is known.
#[derive(Clone, Copy, Debug)]
pub enum CertificateFacts<'a> {
    /// The certificate itself was seen and verified.
    Whole(&'a CertificateIdentity),
    /// Somebody who verified it told its name and nothing else, as Cloudflare's JWT does.
    NameOnly(&'a CommonName),
}

impl<'a> CertificateFacts<'a> {
    /// The common name, if the certificate has a usable one.
    pub fn common_name(self) -> Option<&'a CommonName> {
        match self {
            Self::Whole(identity) => identity.common_name.as_ref(),
            Self::NameOnly(name) => Some(name),
        }
    }
}

impl<'a> From<&'a CertificateIdentity> for CertificateFacts<'a> {
    fn from(identity: &'a CertificateIdentity) -> Self {
        Self::Whole(identity)
    }
}

/// Everything a request brought: each part is either absent or verified.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The client certificate.
    pub certificate: Option<CertificateFacts<'a>>,
    /// The service token of the request.
    pub token: Option<&'a TokenName>,
    /// Where the client connects from.
    pub address: IpAddr,
}
