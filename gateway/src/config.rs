//! The `[gateway]` table as it stands in `postern.toml`.
//!
//! These are wire types: what is written, not yet what is meant. [`Settings`](crate::Settings) is
//! the checked form.

mod assertions;
mod cloudflare;
mod source;

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

pub use self::assertions::AssertionsConfig;
pub use self::cloudflare::{BehindCloudflareConfig, IdentityConfig, OriginPullConfig, PeerConfig};
pub use self::source::SourceConfig;

/// `[gateway]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Address and port to listen on: `"0.0.0.0:8443"`; behind a tunnel also `"unix:/path"`.
    pub listen: Spanned<String>,
    /// The server certificate with its chain, PEM. Behind a tunnel there is none.
    pub certificate: Option<Spanned<PathBuf>>,
    /// The server's private key, PEM, readable by its owner only. Behind a tunnel there is none.
    pub key: Option<Spanned<PathBuf>>,
    /// The folder for what must outlive the process: what was seen last of each source, the pid.
    pub state: Spanned<PathBuf>,
    /// Networks of load balancers whose connections begin with a PROXY header, version 1 or 2:
    /// from there it must be, and from nowhere else does it count. None by default.
    #[serde(default)]
    pub proxy_protocol: Vec<Spanned<String>>,
    /// Networks of proxies whose `X-Forwarded-For` tells the client's address. None by default.
    #[serde(default)]
    pub forwarded_for: Vec<Spanned<String>>,
    /// `"stdout"` (the default) or a file that event lines are appended to.
    pub events: Option<Spanned<String>>,
    /// A loopback address and port for `/metrics`, `/healthz` and `/readyz`; none without it.
    pub metrics: Option<Spanned<String>>,
    /// Certificates that client certificates must lead to, PEM.
    pub trust: Vec<Spanned<PathBuf>>,
    /// Intermediate certificates that complete chains and may sign CRLs, PEM. Not trusted: each
    /// leads to one in `trust`.
    #[serde(default)]
    pub issuers: Vec<Spanned<PathBuf>>,
    /// Published directories of CAs (`HOME/public`).
    #[serde(default)]
    pub follow: Vec<Spanned<SourceConfig>>,
    /// Globs of CRL files of other people's CAs.
    #[serde(default)]
    pub crl: Vec<Spanned<SourceConfig>>,
    /// Files with certificates and names that are refused, whatever their issuers say.
    #[serde(default)]
    pub deny: Vec<Spanned<PathBuf>>,
    /// What to do when the revocation status is not known any more. Must be written.
    pub when_stale: Option<Spanned<WhenStaleConfig>>,
    /// The host a client without SNI means. Without it such a client is refused.
    pub default_host: Option<Spanned<String>>,
    /// Whether TLS sessions may be resumed; default `true`.
    pub resumption: Option<Spanned<bool>>,
    /// Keys of session tickets, for gateways that are to resume each other's sessions: base64 of
    /// 32 octets a line, the first one seals, all open; readable by its owner only. Without it
    /// keys are random, and this process's own.
    pub ticket_keys: Option<Spanned<PathBuf>>,
    /// How long running requests may take after SIGTERM; default `"30s"`.
    pub drain: Option<Spanned<String>>,
    /// `[gateway.limits]`.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// `[gateway.assertions]`.
    pub assertions: Option<AssertionsConfig>,
    /// `[gateway.behind_cloudflare]`.
    pub behind_cloudflare: Option<BehindCloudflareConfig>,
}

/// `when_stale`: past `nextUpdate`, past the longest silence, or without any source.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum WhenStaleConfig {
    /// Refuse clients whose revocation status is unknown.
    Refuse,
    /// Admit clients whose revocation status is unknown.
    Admit,
}

/// `[gateway.limits]`; everything has a default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// From the connection's first octet to the end of its TLS handshake; default `"10s"`.
    pub handshake_timeout: Option<Spanned<String>>,
    /// From a request's first octet to the end of its head; default `"10s"`.
    pub header_timeout: Option<Spanned<String>>,
    /// A connection without a request, a request body without octets, an answer over HTTP/2 of
    /// which nothing is taken; default `"60s"`.
    pub idle_timeout: Option<Spanned<String>>,
    /// To connect to an upstream; default `"5s"`.
    pub connect_timeout: Option<Spanned<String>>,
    /// From the end of the request to the head of the upstream's answer; default `"60s"`.
    pub upstream_timeout: Option<Spanned<String>>,
    /// A connection older than this is closed as soon as its requests are answered, and cut at
    /// twice this age; default `"1h"`.
    pub max_age: Option<Spanned<String>>,
    /// How long after its full handshake a TLS session may be resumed; default `"12h"`.
    pub max_resumption: Option<Spanned<String>>,
    /// Connections at the same time; default 10000.
    pub max_connections: Option<Spanned<usize>>,
    /// Connections of one IPv4 address, or of one /64 of IPv6, at the same time; default 1000.
    pub max_connections_per_address: Option<Spanned<usize>>,
    /// TLS handshakes at the same time; default 512.
    pub max_handshakes: Option<Spanned<usize>>,
    /// Octets of a request's head; default 32768.
    pub max_header_bytes: Option<Spanned<u32>>,
}
