//! What a new token is: its name, class, owner and life, from the flags and from `[[token]]`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use postern_ca::TokenRecord;
use postern_policy::config::{ServiceTokenSettings, TokenClass, TokenOrigin};
use postern_policy::{TokenName, check_token_name};
use serde_json::Value;

use crate::commands::owner;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::time;

/// The flags that say what the token is.
#[derive(Debug, Clone, Args)]
pub(crate) struct TermsArgs {
    /// Who mints it; without it, what the [[token]] says, or the gateway's CA
    #[arg(long, value_enum, value_name = "ORIGIN")]
    at: Option<Origin>,
    /// How long it lives, by what it is for
    #[arg(long, value_enum, value_name = "CLASS")]
    class: Option<Class>,
    /// Who answers for it
    #[arg(long, value_name = "OWNER", value_parser = owner)]
    owner: Option<String>,
    /// The device it belongs to, and is refused with when that is revoked
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Take a name that is not <team>-<purpose>-<env>; needs --reason
    #[arg(long, requires = "reason")]
    allow_name: bool,
    #[command(flatten)]
    life: LifeArgs,
}

/// The flags that say how long a token lives.
#[derive(Debug, Clone, Args)]
pub(crate) struct LifeArgs {
    /// How long it lives, at most a year; or `forever`
    #[arg(long, value_name = "DURATION", value_parser = life)]
    duration: Option<Life>,
    /// Let it live forever; needs --reason
    #[arg(long, requires = "reason")]
    allow_forever: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", value_parser = super::reason)]
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Origin {
    /// Our CA; good at the gateway
    Gateway,
    /// Cloudflare Access; good there and at the gateway
    Cloudflare,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Class {
    /// 90 days
    Ci,
    /// 180 days
    Service,
    /// 30 days
    High,
}

/// How long a token lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// This long.
    Limited(Duration),
    /// Cloudflare's `forever`.
    Forever,
}

/// A new token as it was asked for; everything is checked.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) name: TokenName,
    pub(crate) class: TokenClass,
    pub(crate) owner: Option<String>,
    pub(crate) at: TokenOrigin,
    pub(crate) life: Life,
    pub(crate) reason: Option<String>,
    /// Which device it belongs to.
    pub(crate) device: Option<String>,
}

impl TermsArgs {
    /// The terms; what the flags leave open, the `[[token]]` of that name decides.
    pub(crate) fn terms(&self, context: &Context, name: &TokenName) -> Result<Terms, CommandError> {
        if !self.allow_name {
            check_token_name(name).map_err(|error| {
                CommandError::new(Kind::Policy, error)
                    .hint("--allow-name takes it as it is, with a --reason for the record")
            })?;
        }
        let declared = declared(context, name)?;
        let class = self.class.map(Class::token_class);
        let class = class
            .or(declared.as_ref().map(|token| token.class))
            .unwrap_or(TokenClass::Service);
        let at = self.at.map(Origin::token_origin);
        Ok(Terms {
            name: name.clone(),
            class,
            at: at
                .or(declared.as_ref().map(|token| token.at))
                .unwrap_or(TokenOrigin::Gateway),
            owner: self.owner.clone().or(declared.map(|token| token.owner)),
            life: self.life.life(class)?,
            reason: self.life.reason.clone(),
            device: self.device.clone(),
        })
    }
}

impl LifeArgs {
    /// How long it lives; without a flag, as long as its class does.
    pub(crate) fn life(&self, class: TokenClass) -> Result<Life, CommandError> {
        let life = self.duration.unwrap_or(Life::Limited(class.lifetime()));
        match life {
            Life::Limited(length) if length > MAX_LIFE => Err(CommandError::new(
                Kind::Policy,
                "a token lives at most a year",
            )
            .hint("rotate it; or `--duration forever --allow-forever --reason TEXT`")),
            Life::Limited(length) if length < MIN_LIFE => {
                Err(CommandError::usage("a token lives at least an hour"))
            }
            Life::Forever if !self.allow_forever => Err(CommandError::new(
                Kind::Policy,
                "a token that never ends is a secret that nobody rotates",
            )
            .hint("leave --duration out, or add `--allow-forever --reason TEXT`")),
            Life::Limited(_) | Life::Forever => Ok(life),
        }
    }
}

impl Terms {
    /// The device must be there, and not revoked: known before anything is minted for it.
    pub(crate) fn check_device(&self, context: &Context) -> Result<(), CommandError> {
        match &self.device {
            Some(device) => Ok(context.authority()?.check_device(device)?),
            None => Ok(()),
        }
    }

    /// The labels of the record: why rules were set aside, where they were, and whose it is.
    pub(crate) fn labels(&self) -> String {
        let labels = [
            ("reason", &self.reason),
            (TokenRecord::DEVICE_LABEL, &self.device),
        ];
        let told = labels.into_iter().filter_map(|(key, value)| {
            let value = value.as_deref()?;
            Some((key.to_owned(), Value::from(value)))
        });
        Value::Object(told.collect()).to_string()
    }
}

impl Life {
    /// When a token ends that begins `now`.
    pub(crate) fn ends_at(self, now: u64) -> u64 {
        match self {
            Self::Limited(length) => now.saturating_add(length.as_secs()),
            Self::Forever => TokenRecord::NEVER,
        }
    }

    /// As Cloudflare writes it: hours, or `forever`.
    pub(crate) fn for_cloudflare(self) -> String {
        match self {
            Self::Limited(length) => postern_cloudflare::go_duration::to_go(length),
            Self::Forever => String::from("forever"),
        }
    }
}

impl Class {
    fn token_class(self) -> TokenClass {
        match self {
            Self::Ci => TokenClass::Ci,
            Self::Service => TokenClass::Service,
            Self::High => TokenClass::High,
        }
    }
}

impl Origin {
    fn token_origin(self) -> TokenOrigin {
        match self {
            Self::Gateway => TokenOrigin::Gateway,
            Self::Cloudflare => TokenOrigin::Cloudflare,
        }
    }
}

/// The `[[token]]` of that name, where there is one.
fn declared(
    context: &Context,
    name: &TokenName,
) -> Result<Option<ServiceTokenSettings>, CommandError> {
    let config = context.optional_config()?;
    Ok(config.and_then(|config| {
        let mut tokens = config.tokens.into_iter();
        tokens.find(|token| token.name == *name)
    }))
}

/// Reads a life.
pub(crate) fn life(text: &str) -> Result<Life, String> {
    match text {
        "forever" => Ok(Life::Forever),
        _ => time::parse_duration(text).map(Life::Limited),
    }
}

/// Also what Cloudflare's dashboard offers as the most.
const MAX_LIFE: Duration = Duration::from_secs(366 * 24 * 60 * 60);
const MIN_LIFE: Duration = Duration::from_secs(60 * 60);
