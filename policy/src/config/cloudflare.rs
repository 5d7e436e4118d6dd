//! `[cloudflare]` and `[application.cloudflare]`: checked here, used by the push.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use toml::Spanned;

use super::{ConfigError, error::Collector};
use crate::{CloudflareApplication, HostName, NameError, name, parse_duration};

/// `[application.cloudflare]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudflareApplicationConfig {
    #[serde(default)]
    app: Option<Spanned<String>>,
    #[serde(default)]
    session_duration: Option<Spanned<String>>,
    #[serde(default)]
    skip_interstitial: Option<bool>,
    #[serde(default)]
    managed_by: Option<Spanned<String>>,
    #[serde(default)]
    aud: Option<Spanned<String>>,
}

/// `[cloudflare]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudflareConfig {
    #[serde(default)]
    account_id: Option<Spanned<String>>,
    #[serde(default)]
    ca_name: Option<Spanned<String>>,
    #[serde(default)]
    chain: Option<PathBuf>,
    #[serde(default)]
    hostnames: Option<Spanned<HostnamesConfig>>,
}

/// `hostnames` as written: `"from applications"`, or a list.
#[derive(Clone, Debug)]
pub enum HostnamesConfig {
    /// A text.
    Word(String),
    /// A list.
    List(Vec<String>),
}

/// The account and CA at Cloudflare that belong to this file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CloudflareSettings {
    /// The account; the environment may name another.
    pub account_id: Option<String>,
    /// The name of the uploaded CA.
    pub ca_name: Option<String>,
    /// The chain to upload in place of the home's, PEM: of a CA that is not ours.
    pub chain: Option<PathBuf>,
    /// The hostnames to associate with the CA.
    pub hostnames: CloudflareHostnames,
}

/// The hostnames to associate with the CA.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CloudflareHostnames {
    /// Those of the applications.
    FromApplications,
    /// These.
    Listed(Vec<HostName>),
}

/// Checks `[cloudflare]`; reports all errors, not the first.
pub fn cloudflare(config: &CloudflareConfig) -> Result<CloudflareSettings, Vec<ConfigError>> {
    let mut collector = Collector::default();
    collector.enter("[cloudflare]".into());
    let account_id =
        collector.parse_optional(config.account_id.as_ref(), |text| label("account", text));
    let ca_name = collector.parse_optional(config.ca_name.as_ref(), |text| label("CA", text));
    let hostnames = config.hostnames.as_ref();
    let hostnames = hostnames.map_or(Ok(CloudflareHostnames::FromApplications), |written| {
        listed(written.get_ref()).map_err(|message| ConfigError::at(written.span(), message))
    });
    let hostnames = collector.keep(hostnames);
    collector.finish(())?;
    let checked = "every failure was collected";
    Ok(CloudflareSettings {
        account_id: account_id.expect(checked),
        ca_name: ca_name.expect(checked),
        chain: config.chain.clone(),
        hostnames: hostnames.expect(checked),
    })
}

/// Checks `[application.cloudflare]`; `None` only for an error.
pub(super) fn cloudflare_application(
    config: Option<&CloudflareApplicationConfig>,
    collector: &mut Collector,
) -> Option<Option<CloudflareApplication>> {
    let Some(config) = config else {
        return Some(None);
    };
    let app = collector.parse_optional(config.app.as_ref(), |text| label("app", text));
    let session_duration =
        collector.parse_optional(config.session_duration.as_ref(), session_duration);
    let managed_by =
        collector.parse_optional(config.managed_by.as_ref(), |text| label("manager", text));
    let aud = collector.parse_optional(config.aud.as_ref(), audience);
    Some(Some(CloudflareApplication {
        app: app?,
        session_duration: session_duration?,
        skip_interstitial: config.skip_interstitial,
        managed_by: managed_by?,
        aud: aud?,
    }))
}

fn session_duration(text: &str) -> Result<Duration, crate::DurationError> {
    parse_duration(text)
}

/// The tag as Access writes it; another spelling would never equal the one in a JWT.
fn audience(text: &str) -> Result<String, String> {
    let is_tag = text.len() == AUDIENCE_DIGITS
        && text
            .bytes()
            .all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
    is_tag.then(|| text.to_owned()).ok_or_else(|| {
        format!(
            "`aud` is no audience tag: copy the {AUDIENCE_DIGITS} hex digits, in lower case, from \
             the application's overview at Cloudflare"
        )
    })
}

fn label(what: &'static str, text: &str) -> Result<String, NameError> {
    name::check(what, text).map(|label| label.as_ref().into())
}

fn listed(config: &HostnamesConfig) -> Result<CloudflareHostnames, String> {
    match config {
        HostnamesConfig::Word(word) if word == FROM_APPLICATIONS => {
            Ok(CloudflareHostnames::FromApplications)
        }
        HostnamesConfig::Word(_) => Err(format!(
            "`hostnames` is \"{FROM_APPLICATIONS}\" or a list of hosts"
        )),
        HostnamesConfig::List(names) if names.is_empty() => Err(format!(
            "`hostnames` must not be empty: write \"{FROM_APPLICATIONS}\" or a list of hosts"
        )),
        HostnamesConfig::List(names) => {
            let hosts: Result<_, _> = names.iter().map(|name| HostName::parse(name)).collect();
            hosts
                .map(CloudflareHostnames::Listed)
                .map_err(|error| error.to_string())
        }
    }
}

impl<'de> Deserialize<'de> for HostnamesConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrList;

        impl<'de> Visitor<'de> for WordOrList {
            type Value = HostnamesConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "\"{FROM_APPLICATIONS}\" or a list of hosts")
            }

            fn visit_str<E>(self, word: &str) -> Result<HostnamesConfig, E> {
                Ok(HostnamesConfig::Word(word.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<HostnamesConfig, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(HostnamesConfig::List(names))
            }
        }

        deserializer.deserialize_any(WordOrList)
    }
}

const AUDIENCE_DIGITS: usize = 64;
const FROM_APPLICATIONS: &str = "from applications";
