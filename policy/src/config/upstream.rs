//! The `upstream` keys of an `[[application]]`.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use toml::Spanned;

use super::{ApplicationConfig, ConfigError, application::host, error::Collector};
use crate::{Scheme, Upstream, UpstreamGroup, UpstreamHealth, UpstreamTlsFiles, parse_duration};

/// `upstream` as written: a URL, or a list of them.
#[derive(Clone, Debug)]
pub enum UpstreamConfig {
    /// One server.
    One(String),
    /// Several that are as good as each other.
    Several(Vec<Spanned<String>>),
}

/// `upstream_health` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamHealthConfig {
    path: Spanned<String>,
    #[serde(default)]
    every: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for UpstreamConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UpstreamVisitor)
    }
}

struct UpstreamVisitor;

impl<'de> Visitor<'de> for UpstreamVisitor {
    type Value = UpstreamConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL such as \"http://127.0.0.1:9000\", or a list of them")
    }

    fn visit_str<E>(self, url: &str) -> Result<UpstreamConfig, E> {
        Ok(UpstreamConfig::One(url.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<UpstreamConfig, A::Error> {
        let mut urls = Vec::new();
        while let Some(url) = seq.next_element()? {
            urls.push(url);
        }
        Ok(UpstreamConfig::Several(urls))
    }
}

/// Where the application's requests go; `None` if one of its keys has an error.
pub(super) fn upstream_group(
    config: &ApplicationConfig,
    collector: &mut Collector,
) -> Option<UpstreamGroup> {
    let span = config.upstream.span();
    let urls = match config.upstream.get_ref() {
        UpstreamConfig::One(url) => vec![Spanned::new(span.clone(), url.clone())],
        UpstreamConfig::Several(urls) => urls.clone(),
    };
    let servers = collector.parse_all(&urls, Upstream::parse);
    let name = config.upstream_name.as_ref();
    let parsed = collector.parse_optional(name, host);
    let identity = collector.keep(identity(config));
    let health = health(config.upstream_health.as_ref(), collector);
    if servers.len() < urls.len() {
        return None;
    }
    if let Some(server) = servers.first() {
        only_for_tls(server, config, collector)?;
    }
    let tls = UpstreamTlsFiles {
        trust: config.upstream_trust.clone(),
        name: parsed?
            .zip(name)
            .map(|(parsed, name)| Spanned::new(name.span(), parsed)),
        identity: identity?,
    };
    let group = UpstreamGroup::new(servers, tls).map_err(|why| ConfigError::at(span, why));
    Some(
        collector
            .keep(group)?
            .with_protocol(config.upstream_protocol)
            .with_health(health?),
    )
}

/// `None` only for an error.
fn health(
    config: Option<&UpstreamHealthConfig>,
    collector: &mut Collector,
) -> Option<Option<UpstreamHealth>> {
    let Some(config) = config else {
        return Some(None);
    };
    let path = collector.parse(&config.path, |path| {
        let is_plain = |octet: u8| octet.is_ascii_graphic() && octet != b'#';
        match path.starts_with('/') && path.bytes().all(is_plain) {
            true => Ok(path.to_owned()),
            false => Err("`path` is a path such as \"/healthz\""),
        }
    });
    let every = collector.parse_optional(config.every.as_ref(), |every| {
        let parsed = parse_duration(every).map_err(|error| error.to_string())?;
        match (SHORTEST..=LONGEST).contains(&parsed) {
            true => Ok(parsed),
            false => Err(String::from("`every` is between \"1s\" and \"1h\"")),
        }
    });
    Some(Some(UpstreamHealth {
        path: path?,
        every: every?.unwrap_or(EVERY),
    }))
}

const EVERY: Duration = Duration::from_secs(5);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3600);

type Files<T> = Option<(Spanned<T>, Spanned<T>)>;

/// A certificate and its key, or neither.
fn identity(config: &ApplicationConfig) -> Result<Files<std::path::PathBuf>, ConfigError> {
    match (&config.upstream_certificate, &config.upstream_key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
        (None, None) => Ok(None),
        (Some(alone), None) => Err(ConfigError::at(
            alone.span(),
            "`upstream_certificate` has no `upstream_key`",
        )
        .with_hint("write upstream_key = \"client.key\"")),
        (None, Some(alone)) => Err(ConfigError::at(
            alone.span(),
            "`upstream_key` has no `upstream_certificate`",
        )
        .with_hint("write upstream_certificate = \"client.crt\"")),
    }
}

/// Whoever writes these expects TLS; without it nothing would be checked, and nobody would know.
fn only_for_tls(
    server: &Upstream,
    config: &ApplicationConfig,
    collector: &mut Collector,
) -> Option<()> {
    let spans = [
        ("trust", config.upstream_trust.as_ref().map(Spanned::span)),
        ("name", config.upstream_name.as_ref().map(Spanned::span)),
        (
            "certificate",
            config.upstream_certificate.as_ref().map(Spanned::span),
        ),
    ];
    let unused = spans
        .into_iter()
        .find_map(|(key, span)| Some((key, span?)))
        .filter(|_| server.scheme() == Scheme::Http);
    let Some((key, span)) = unused else {
        return Some(());
    };
    let message = format!("`upstream_{key}` is about TLS, and {server} does not speak it");
    let hint = "write `https://` in `upstream`, or remove the key";
    collector.push(ConfigError::at(span, message).with_hint(hint));
    None
}
