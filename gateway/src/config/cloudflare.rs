//! `[gateway.behind_cloudflare]` as it stands in `postern.toml`.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// `[gateway.behind_cloudflare]`: every request comes through Cloudflare Access.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BehindCloudflareConfig {
    /// How Cloudflare's connections are told from others.
    pub peer: Spanned<PeerConfig>,
    /// The team's domain: `"example.cloudflareaccess.com"`.
    pub team_domain: Spanned<String>,
    /// What a person who logged in may do. Must be written.
    pub identity: Option<Spanned<IdentityConfig>>,
    /// The header that client certificates are forwarded in: `"cf-client-cert-der-base64"` or
    /// `"client-cert"`. Without it no such header counts.
    pub client_certificate: Option<Spanned<String>>,
    /// Where the team's keys are read instead of at the team's domain: a file, or a URL.
    pub jwks: Option<Spanned<String>>,
}

/// `peer`: a list of networks, `{ origin_pull_ca = "…" }`, or `"tunnel"`.
#[derive(Clone, Debug)]
pub enum PeerConfig {
    /// Networks that may connect.
    Addresses(Vec<Spanned<String>>),
    /// Certificates that lead to this CA may connect.
    OriginPull(OriginPullConfig),
    /// `cloudflared` on this machine may connect.
    Tunnel,
}

/// Authenticated origin pulls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginPullConfig {
    /// The CA of the certificate that Cloudflare shows, PEM.
    pub origin_pull_ca: Spanned<PathBuf>,
}

/// `identity`: what a verified login of a person means.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum IdentityConfig {
    /// People are let in, as Access let them in.
    Admit,
    /// Machines only.
    Refuse,
}

impl<'de> Deserialize<'de> for PeerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PeerVisitor)
    }
}

struct PeerVisitor;

impl<'de> Visitor<'de> for PeerVisitor {
    type Value = PeerConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of networks, { origin_pull_ca = \"FILE\" }, or \"tunnel\"")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<PeerConfig, E> {
        if word == "tunnel" {
            return Ok(PeerConfig::Tunnel);
        }
        Err(E::invalid_value(serde::de::Unexpected::Str(word), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<PeerConfig, A::Error> {
        let mut networks = Vec::new();
        while let Some(network) = seq.next_element()? {
            networks.push(network);
        }
        Ok(PeerConfig::Addresses(networks))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PeerConfig, A::Error> {
        OriginPullConfig::deserialize(MapAccessDeserializer::new(map)).map(PeerConfig::OriginPull)
    }
}
