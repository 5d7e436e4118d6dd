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

/// Everything a request brought: each part is either absent or verified.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The client certificate of the connection.
    pub certificate: Option<&'a CertificateIdentity>,
    /// The service token of the request.
    pub token: Option<&'a TokenName>,
    /// Where the client connects from.
    pub address: IpAddr,
}
