//! `[gateway.assertions]` as it stands in `postern.toml`.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

/// `[gateway.assertions]`: what the gateway signs for upstreams.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssertionsConfig {
    /// The `iss`: scheme and host, below which verifiers look for the keys.
    pub issuer: Spanned<String>,
    /// Address and port of loopback where `/cdn-cgi/access/certs` is answered, over plain HTTP.
    pub jwks_listen: Spanned<String>,
    /// Private RSA keys, PEM, readable by their owner only: the first signs, all are published.
    /// Without them the gateway makes its own in the `state` folder.
    pub keys: Option<Spanned<Vec<Spanned<PathBuf>>>>,
    /// How often a key that the gateway made is replaced; default `"30d"`.
    pub rotate_every: Option<Spanned<String>>,
}
