//! `[[token]]`: the service tokens that ought to exist.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{ConfigError, error::Collector};
use crate::{NameError, TokenName};

/// A `[[token]]` as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    name: Spanned<String>,
    class: TokenClass,
    owner: Spanned<String>,
    at: TokenOrigin,
}

/// How critical a token is, which decides how long it lives.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenClass {
    /// Used by pipelines: 90 days.
    Ci,
    /// Used by services: 180 days.
    Service,
    /// Opens something that matters: 30 days.
    High,
}

impl TokenClass {
    /// The class of that word.
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = [Self::Ci, Self::Service, Self::High].into_iter();
        all.find(|class| class.as_str() == word)
    }

    /// How long a token of the class lives.
    pub fn lifetime(self) -> Duration {
        let days = match self {
            Self::Ci => 90,
            Self::Service => 180,
            Self::High => 30,
        };
        Duration::from_secs(days * 24 * 60 * 60)
    }

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Service => "service",
            Self::High => "high",
        }
    }
}

/// Who mints a token.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenOrigin {
    /// Our CA; good at the gateway.
    Gateway,
    /// Cloudflare Access; good there and at the gateway.
    Cloudflare,
}

impl TokenOrigin {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Cloudflare => "cloudflare",
        }
    }
}

/// A service token that ought to exist.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServiceTokenSettings {
    /// The token's name, by convention `<team>-<purpose>-<env>`.
    pub name: TokenName,
    /// How critical it is.
    pub class: TokenClass,
    /// The team that answers for it.
    pub owner: String,
    /// Who mints it.
    pub at: TokenOrigin,
}

/// Checks the tokens; reports all errors, not the first.
pub fn tokens(configs: Vec<TokenConfig>) -> Result<Vec<ServiceTokenSettings>, Vec<ConfigError>> {
    let mut collector = Collector::default();
    let mut tokens: Vec<ServiceTokenSettings> = Vec::new();
    for config in &configs {
        collector.enter(format!("token `{}`", config.name.get_ref().escape_debug()));
        let Some(token) = token(config, &mut collector) else {
            continue;
        };
        if tokens.iter().any(|other| other.name == token.name) {
            collector.push(ConfigError::at(
                config.name.span(),
                "another token has the same name",
            ));
        }
        tokens.push(token);
    }
    collector.finish(tokens)
}

fn token(config: &TokenConfig, collector: &mut Collector) -> Option<ServiceTokenSettings> {
    let name = collector.parse(&config.name, TokenName::parse);
    let owner = collector.parse(&config.owner, owner);
    Some(ServiceTokenSettings {
        name: name?,
        class: config.class,
        owner: owner?,
        at: config.at,
    })
}

fn owner(text: &str) -> Result<String, NameError> {
    crate::name::check("owner", text).map(|owner| owner.as_ref().into())
}
