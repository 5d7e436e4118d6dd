//! What the tests of this crate share.

use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;

use crate::{
    Application, ApplicationSet, CertificateIdentity, CommonName, Credentials, Fingerprint,
    SerialNumber, TokenName,
    config::{
        ApplicationConfig, CloudflareConfig, ConfigError, RuleGroupConfig, TokenConfig,
        applications,
    },
};

/// A whole file, as far as this crate knows it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    #[serde(default)]
    pub(crate) application: Vec<ApplicationConfig>,
    #[serde(default)]
    pub(crate) group: Vec<RuleGroupConfig>,
    #[serde(default)]
    pub(crate) token: Vec<TokenConfig>,
    pub(crate) cloudflare: Option<CloudflareConfig>,
}

pub(crate) fn file(text: &str) -> File {
    toml::from_str(text).unwrap()
}

pub(crate) fn set(text: &str) -> ApplicationSet {
    let file = file(text);
    applications(file.application, &file.group).unwrap()
}

/// The errors of a file that is TOML but must not load.
pub(crate) fn errors(text: &str) -> Vec<ConfigError> {
    let file = file(text);
    applications(file.application, &file.group).unwrap_err()
}

/// An application with these policies, each written as `decision: rules`.
pub(crate) fn application(policies: &[(&str, &str)]) -> Application {
    let set = set(&application_text(policies));
    let application = set.iter().next().unwrap();
    Application::clone(application)
}

pub(crate) fn application_text(policies: &[(&str, &str)]) -> String {
    let mut text =
        String::from("[[application]]\nname = \"app\"\nhosts = [\"a\"]\nupstream = \"http://u\"\n");
    for (place, (decision, rules)) in policies.iter().enumerate() {
        text += &format!(
            "[[application.policy]]\nname = \"p{place}\"\ndecision = \"{decision}\"\n{rules}\n"
        );
    }
    text
}

pub(crate) fn identity(common_name: &str) -> CertificateIdentity {
    CertificateIdentity {
        common_name: CommonName::parse(common_name).ok(),
        serial: SerialNumber::from_octets(&[1]).unwrap(),
        fingerprint: Fingerprint::from([1; 32]),
        issuer_common_name: Some("Device CA".into()),
        issuer_fingerprint: Some(Fingerprint::from([2; 32])),
        organizations: vec!["Factory Corp".into()],
        countries: vec!["DE".into()],
        san_dns: vec!["device-1.factory.corp".into()],
        san_uri: vec!["spiffe://factory.corp/device-1".into()],
        not_after: 2_000_000_000,
    }
}

pub(crate) fn token(name: &str) -> TokenName {
    TokenName::parse(name).unwrap()
}

pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

pub(crate) fn nothing() -> Credentials<'static> {
    Credentials {
        certificate: None,
        token: None,
        address: ADDRESS,
    }
}

pub(crate) fn with_certificate(identity: &CertificateIdentity) -> Credentials<'_> {
    Credentials {
        certificate: Some(identity.into()),
        ..nothing()
    }
}

pub(crate) fn with_token(name: &TokenName) -> Credentials<'_> {
    Credentials {
        token: Some(name),
        ..nothing()
    }
}

pub(crate) fn with_both<'a>(
    identity: &'a CertificateIdentity,
    name: &'a TokenName,
) -> Credentials<'a> {
    Credentials {
        certificate: Some(identity.into()),
        token: Some(name),
        ..nothing()
    }
}

pub(crate) fn from_address(address: &str) -> Credentials<'static> {
    Credentials {
        address: address.parse().unwrap(),
        ..nothing()
    }
}
