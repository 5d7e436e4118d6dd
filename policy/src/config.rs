//! The part of `postern.toml` this crate understands: wire types, and the way from them to checked
//! values.
//!
//! The wire types keep byte spans, so they must be read by the `toml` crate from text (not from a
//! `toml::Value`).

mod application;
mod cloudflare;
mod error;
mod group;
mod identity;
mod rule;
mod token;
mod upstream;

pub use application::{ApplicationConfig, PolicyConfig, applications};
pub use cloudflare::{
    CloudflareApplicationConfig, CloudflareConfig, CloudflareHostnames, CloudflareSettings,
    HostnamesConfig, cloudflare,
};
pub use error::ConfigError;
pub use group::RuleGroupConfig;
pub use rule::RuleConfig;
pub use token::{ServiceTokenSettings, TokenClass, TokenConfig, TokenOrigin, tokens};
pub use upstream::UpstreamConfig;

pub use crate::duration::{DurationError, parse_duration};

#[cfg(test)]
mod tests;
