//! What is asked for, checked as far as it can be without a profile.

use std::net::IpAddr;

use postern_pki::KeyWeakness;
use postern_policy::{CommonName, CommonNameError, HostName, PATTERN_CHARACTERS, SerialNumber};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::csr::{CsrError, VerifiedCsr};

/// Characters a name must not hold: they separate the parts of a name somewhere on its way
/// (RFC 4514, paths, log lines).
const FORBIDDEN: &[char] = &[',', '/', '+', '=', '\\', '"', '<', '>', ';'];

/// Whether `text` may stand in a subject: printable, at most `max` characters, and none that
/// separates the parts of a name somewhere on its way.
pub fn is_subject_text(text: &str, max: usize) -> bool {
    let printable = !text.chars().any(char::is_control) && !text.contains(FORBIDDEN);
    (1..=max).contains(&text.chars().count()) && printable
}

/// The name of publisher certificates.
pub(crate) const PUBLISHER_NAME: &str = "Postern journal publisher";

/// A name that we would put into a certificate: stricter than what a gateway can match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuableName(CommonName);

/// A subject alternative name (RFC 5280 section 4.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectAltName {
    /// A DNS name.
    Dns(String),
    /// An address.
    Ip(IpAddr),
    /// A URI.
    Uri(String),
}

/// A public key (its SubjectPublicKeyInfo DER) that is fit to be certified.
#[derive(Debug, Clone)]
pub struct CertifiableKey(Vec<u8>);

/// A request for a certificate: what the operator or a device may say.
#[derive(Debug, Clone)]
pub struct IssuanceRequest {
    /// The name.
    pub common_name: IssuableName,
    /// The key.
    pub key: CertifiableKey,
    /// The profile's name.
    pub profile: String,
    /// Names of a server; clients get what the profile writes.
    pub alt_names: Vec<SubjectAltName>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Whose place it takes.
    pub predecessor: Option<SerialNumber>,
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not a common name at all.
    #[error("{0}")]
    CommonName(#[from] CommonNameError),
    /// A common name that we do not issue.
    #[error("{name:?} cannot be issued: {reason}")]
    NotIssuable {
        /// Which name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// The profile permits other names.
    #[error("{name:?} is not permitted by profile {profile:?}, whose names match {pattern}")]
    NameNotPermitted {
        /// Which name.
        name: String,
        /// Which profile.
        profile: String,
        /// Its pattern.
        pattern: String,
    },
    /// There is no such profile.
    #[error("there is no profile {name:?}; there are {known}")]
    UnknownProfile {
        /// Which one was asked for.
        name: String,
        /// Those that exist.
        known: String,
    },
    /// A server certificate without a name that a client would check.
    #[error(
        "a server certificate needs a subject alternative name: add --san DNS-NAME or --san ADDRESS"
    )]
    ServerWithoutAltName,
    /// Alternative names asked for a client.
    #[error(
        "profile {0:?} is for clients: its subject alternative names come from the profile, not from the request"
    )]
    AltNameForClient(String),
    /// A profile for servers, where a device's is meant.
    #[error("profile {0:?} is for servers; a device's is for clients")]
    NotForDevices(String),
    /// Not a DNS name or address.
    #[error("{0:?} is neither a DNS name nor an address")]
    BadAltName(String),
    /// The key is too weak, or of a kind we do not certify.
    #[error("the public key is refused: {0}")]
    Key(#[from] KeyWeakness),
    /// An RSA key with an exponent that nobody should use.
    #[error("the public key is refused: its RSA exponent is {0}, and 65537 is the one we certify")]
    RsaExponent(u64),
    /// The signing request is refused.
    #[error(transparent)]
    Csr(#[from] CsrError),
}

impl IssuableName {
    /// Checks `text`.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let name = CommonName::parse(text)?;
        let refuse = |reason| {
            Err(RequestError::NotIssuable {
                name: text.to_owned(),
                reason,
            })
        };
        if text.to_ascii_lowercase().ends_with(".access") {
            // A service token's client id ends so, and Access puts either into a JWT's common_name.
            return refuse("names ending in .access look like a service token's client id");
        }
        if text.eq_ignore_ascii_case(PUBLISHER_NAME) {
            return refuse("that is the journal publisher's own name");
        }
        if text.contains(FORBIDDEN) {
            return refuse("it holds one of , / + = \\ \" < > ;");
        }
        if text.contains(PATTERN_CHARACTERS) {
            return refuse("it holds one of ^ $ \\ [ ] ( ) * + ? | {, as patterns do");
        }
        if !text.starts_with(|first: char| first.is_alphanumeric() || first == '_') {
            return refuse("it must start with a letter, a digit or an underscore");
        }
        if text.ends_with(char::is_whitespace) {
            return refuse("it ends with a space");
        }
        Ok(Self(name))
    }

    /// The name itself.
    pub fn common_name(&self) -> &CommonName {
        &self.0
    }
}

impl SubjectAltName {
    /// Reads a DNS name or an address, with or without `DNS:` or `IP:` before it.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let bare = text
            .strip_prefix("DNS:")
            .or_else(|| text.strip_prefix("IP:"))
            .unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self::Ip(address));
        }
        Self::dns(bare)
    }

    /// The DNS names and addresses of the certificate in `der`.
    ///
    /// # Errors
    /// When it holds one that we would not issue.
    pub(crate) fn all_of(der: &[u8]) -> Result<Vec<Self>, RequestError> {
        let unreadable = || RequestError::BadAltName(String::from("what the certificate holds"));
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unreadable())?;
        let extension = certificate
            .subject_alternative_name()
            .map_err(|_| unreadable())?;
        let names = extension.map_or(&[][..], |names| &names.value.general_names);
        names.iter().map(Self::from_general_name).collect()
    }

    fn from_general_name(name: &GeneralName<'_>) -> Result<Self, RequestError> {
        if let GeneralName::DNSName(name) = name {
            return Self::dns(name);
        }
        if let GeneralName::IPAddress(octets) = name
            && let Some(address) = address(octets)
        {
            return Ok(Self::Ip(address));
        }
        Err(RequestError::BadAltName(name.to_string()))
    }

    /// A DNS name.
    ///
    /// # Errors
    /// When it is none.
    pub fn dns(text: &str) -> Result<Self, RequestError> {
        match HostName::parse(text) {
            Ok(host) if !text.contains(':') => Ok(Self::Dns(host.to_string())),
            _ => Err(RequestError::BadAltName(text.to_owned())),
        }
    }
}

impl CertifiableKey {
    /// Checks the key of a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When it is weak or of a kind we do not certify.
    pub fn from_spki(der: &[u8]) -> Result<Self, RequestError> {
        postern_pki::check_key(der)?;
        refuse_odd_exponent(der)?;
        Ok(Self(der.to_vec()))
    }

    /// The SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> &[u8] {
        &self.0
    }
}

/// RFC 5280 section 4.2.1.6: four octets or sixteen.
fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

/// 65537 is what every sound generator uses; smaller ones have a history of broken paddings.
fn refuse_odd_exponent(spki: &[u8]) -> Result<(), RequestError> {
    let parsed = SubjectPublicKeyInfo::from_der(spki)
        .ok()
        .map(|(_, spki)| spki);
    let exponent = match parsed.as_ref().map(SubjectPublicKeyInfo::parsed) {
        Some(Ok(PublicKey::RSA(key))) => key.try_exponent().unwrap_or_default(),
        _ => return Ok(()),
    };
    if exponent == 65_537 {
        Ok(())
    } else {
        Err(RequestError::RsaExponent(exponent))
    }
}

impl IssuanceRequest {
    /// The request of `csr`: its key, and its name unless `name` stands in for it. Nothing else of
    /// a CSR is ever looked at.
    ///
    /// # Errors
    /// When the name or the key is refused.
    pub fn from_csr(
        csr: &VerifiedCsr,
        name: Option<&str>,
        profile: &str,
    ) -> Result<Self, RequestError> {
        let name = match name {
            Some(name) => name,
            None => csr.common_name()?,
        };
        Ok(Self {
            common_name: IssuableName::parse(name)?,
            key: CertifiableKey::from_spki(csr.spki_der())?,
            profile: profile.to_owned(),
            alt_names: Vec::new(),
            owner: None,
            predecessor: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> bool {
        IssuableName::parse(name).is_err()
    }

    #[test]
    fn ordinary_names_are_issuable() {
        for name in [
            "device-1.factory.corp",
            "dev-client",
            "Kühlhaus 7",
            "a@b.example",
            "_probe",
        ] {
            assert!(!refused(name), "{name}");
        }
    }

    #[test]
    fn names_that_could_be_taken_for_something_else_are_not_issuable() {
        for name in [
            "abc.access",
            "ABC.ACCESS",
            "a,b",
            "../x",
            "/abs",
            "a+b",
            "device-*",
            "probe (spare)",
            "CN=x",
            "-rf",
            ".hidden",
            "",
            "x\u{0}y",
            "x\ny",
            "trailing ",
            "\u{1b}[31m",
        ] {
            assert!(refused(name), "{name:?}");
        }
        assert!(refused(&"x".repeat(65)));
        assert!(!refused(&"x".repeat(64)));
    }
}
