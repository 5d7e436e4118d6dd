//! Rules: the questions a policy asks of a request.

use std::fmt;

use ipnet::IpNet;

use crate::{
    CertificateFacts, CertificateIdentity, CommonName, CommonNamePattern, Credentials, Fingerprint,
    Method, TokenName, text,
};

/// One question about the credentials of a request.
///
/// The first group has Cloudflare Access's names and meaning, the second is ours and looks at the
/// certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rule {
    /// Any valid certificate.
    Certificate,
    /// Anyone.
    Everyone,
    /// A certificate with exactly this common name.
    CommonName(CommonName),
    /// This service token.
    ServiceToken(TokenName),
    /// Any valid service token.
    AnyValidServiceToken,
    /// An address of this network.
    Ip(IpNet),
    /// An address of this country. The gateway cannot tell the country: here the rule never admits.
    Geo(String),

    /// A certificate whose whole common name matches.
    CommonNamePattern(CommonNamePattern),
    /// A certificate of this issuer.
    Issuer(IssuerMatch),
    /// A certificate with this organization (O) in its subject.
    Organization(String),
    /// A certificate with this country (C) in its subject.
    SubjectCountry(String),
    /// A certificate with this DNS name among its alternative names.
    SanDns(String),
    /// A certificate with this URI among its alternative names.
    SanUri(String),
}

impl Rule {
    /// Whether the credentials satisfy the rule.
    pub fn matches(&self, credentials: &Credentials<'_>) -> bool {
        match self {
            Self::Everyone => true,
            Self::ServiceToken(name) => credentials.token == Some(name),
            Self::AnyValidServiceToken => credentials.token.is_some(),
            // A dual-stack listener shows IPv4 clients as `::ffff:192.0.2.1`.
            Self::Ip(network) => network.contains(&credentials.address.to_canonical()),
            Self::Geo(_) => false,
            Self::Certificate => credentials.certificate.is_some(),
            Self::CommonName(name) => common_name(credentials) == Some(name),
            Self::CommonNamePattern(pattern) => {
                common_name(credentials).is_some_and(|name| pattern.matches(name))
            }
            Self::Issuer(_)
            | Self::Organization(_)
            | Self::SubjectCountry(_)
            | Self::SanDns(_)
            | Self::SanUri(_) => match credentials.certificate {
                Some(CertificateFacts::Whole(identity)) => self.matches_certificate(identity),
                Some(CertificateFacts::NameOnly(_)) | None => false,
            },
        }
    }

    /// Whether the rule, standing in `exclude`, refuses the credentials.
    ///
    /// A rule that cannot be answered here excludes: what is not known never admits.
    pub(crate) fn excludes(&self, credentials: &Credentials<'_>) -> bool {
        !self.can_be_answered(credentials) || self.matches(credentials)
    }

    /// Whether the credentials hold what the rule asks about.
    fn can_be_answered(&self, credentials: &Credentials<'_>) -> bool {
        match self {
            Self::Geo(_) => false,
            Self::Issuer(_)
            | Self::Organization(_)
            | Self::SubjectCountry(_)
            | Self::SanDns(_)
            | Self::SanUri(_) => {
                !matches!(credentials.certificate, Some(CertificateFacts::NameOnly(_)))
            }
            Self::Certificate
            | Self::Everyone
            | Self::CommonName(_)
            | Self::CommonNamePattern(_)
            | Self::ServiceToken(_)
            | Self::AnyValidServiceToken
            | Self::Ip(_) => true,
        }
    }

    /// Whether only a request with a certificate can satisfy the rule.
    pub fn needs_certificate(&self) -> bool {
        match self {
            Self::Certificate
            | Self::CommonName(_)
            | Self::CommonNamePattern(_)
            | Self::Issuer(_)
            | Self::Organization(_)
            | Self::SubjectCountry(_)
            | Self::SanDns(_)
            | Self::SanUri(_) => true,
            Self::Everyone
            | Self::ServiceToken(_)
            | Self::AnyValidServiceToken
            | Self::Ip(_)
            | Self::Geo(_) => false,
        }
    }

    /// Whether the rule asks for a service token.
    pub fn needs_token(&self) -> bool {
        matches!(self, Self::ServiceToken(_) | Self::AnyValidServiceToken)
    }

    /// What a match of this rule proves.
    pub fn method(&self) -> Method {
        match (self.needs_certificate(), self.needs_token()) {
            (true, _) => Method::Mtls,
            (false, true) => Method::ServiceToken,
            (false, false) => Method::None,
        }
    }

    /// The rule's key in the file.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Everyone => "everyone",
            Self::CommonName(_) => "common_name",
            Self::CommonNamePattern(_) => "common_name_pattern",
            Self::Issuer(_) => "issuer",
            Self::Organization(_) => "organization",
            Self::SubjectCountry(_) => "subject_country",
            Self::SanDns(_) => "san_dns",
            Self::SanUri(_) => "san_uri",
            Self::ServiceToken(_) => "service_token",
            Self::AnyValidServiceToken => "any_valid_service_token",
            Self::Ip(_) => "ip",
            Self::Geo(_) => "geo",
        }
    }

    /// What only the certificate itself can tell.
    fn matches_certificate(&self, identity: &CertificateIdentity) -> bool {
        match self {
            Self::Issuer(issuer) => issuer.matches(identity),
            Self::Organization(name) => identity.organizations.contains(name),
            Self::SubjectCountry(code) => identity
                .countries
                .iter()
                .any(|c| c.eq_ignore_ascii_case(code)),
            // DNS names ignore case (RFC 5280, section 4.2.1.6); URIs are compared as they are.
            Self::SanDns(name) => identity
                .san_dns
                .iter()
                .any(|n| n.eq_ignore_ascii_case(name)),
            Self::SanUri(uri) => identity.san_uri.contains(uri),
            Self::Certificate
            | Self::Everyone
            | Self::CommonName(_)
            | Self::CommonNamePattern(_)
            | Self::ServiceToken(_)
            | Self::AnyValidServiceToken
            | Self::Ip(_)
            | Self::Geo(_) => false,
        }
    }
}

impl fmt::Display for Rule {
    /// Writes the rule as it stands in the file, without the braces around it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = ", self.key())?;
        match self {
            Self::Certificate | Self::Everyone | Self::AnyValidServiceToken => f.write_str("{}"),
            Self::CommonName(name) => f.write_str(&text::quoted(name.as_str())),
            Self::CommonNamePattern(pattern) => f.write_str(&text::literal(pattern.as_str())),
            Self::Issuer(issuer) => f.write_str(&text::quoted(&issuer.to_string())),
            Self::ServiceToken(name) => f.write_str(&text::quoted(name.as_str())),
            Self::Ip(network) => write!(f, "\"{network}\""),
            Self::Geo(value)
            | Self::Organization(value)
            | Self::SubjectCountry(value)
            | Self::SanDns(value)
            | Self::SanUri(value) => f.write_str(&text::quoted(value)),
        }
    }
}

fn common_name<'a>(credentials: &Credentials<'a>) -> Option<&'a CommonName> {
    credentials.certificate?.common_name()
}

/// How an issuer is told: by its name, or by its certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IssuerMatch {
    /// The issuer's common name; every CA that is trusted here can take any name.
    CommonName(String),
    /// SHA-256 of the issuing certificate, written `sha256:…`.
    Fingerprint(Fingerprint),
}

impl IssuerMatch {
    fn matches(&self, identity: &CertificateIdentity) -> bool {
        match self {
            Self::CommonName(name) => identity.issuer_common_name.as_ref() == Some(name),
            Self::Fingerprint(fingerprint) => {
                identity.issuer_fingerprint.as_ref() == Some(fingerprint)
            }
        }
    }
}

impl fmt::Display for IssuerMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommonName(name) => f.write_str(name),
            Self::Fingerprint(fingerprint) => write!(f, "sha256:{fingerprint}"),
        }
    }
}

#[cfg(test)]
mod tests;
