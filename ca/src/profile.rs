//! Profiles: what a certificate of this kind contains. Every field of it; a CSR only gives a key.

use std::collections::BTreeMap;
use std::time::Duration;

use postern_policy::config::ConfigError;
use postern_policy::{CommonName, CommonNamePattern, parse_duration};
use serde::Deserialize;
use toml::Spanned;

use crate::request::{RequestError, SubjectAltName, is_subject_text};

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Usage {
    /// `clientAuth`, under the client intermediate.
    #[default]
    Client,
    /// `serverAuth`, under the server intermediate; never accepted as a client.
    Server,
}

/// A `[ca.profile.NAME]` table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileConfig {
    /// How long a certificate lives, such as `365d`.
    pub lifetime: Option<Spanned<String>>,
    /// The pattern that names must match.
    pub common_name: Option<Spanned<String>>,
    /// The organization (O) written into the subject.
    pub organization: Option<Spanned<String>>,
    /// `client` (the default) or `server`.
    pub usage: Option<Usage>,
    /// DNS names to write, `{common_name}` standing for the name.
    #[serde(default)]
    pub san_dns: Vec<Spanned<String>>,
    /// URIs to write, `{common_name}` standing for the name.
    #[serde(default)]
    pub san_uri: Vec<Spanned<String>>,
}

/// The `[ca]` table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaConfig {
    /// Profiles by name; they replace built-in ones of the same name.
    #[serde(default)]
    pub profile: BTreeMap<String, ProfileConfig>,
}

/// A checked profile.
#[derive(Debug, Clone)]
pub struct Profile {
    name: String,
    lifetime: Duration,
    permitted: Option<CommonNamePattern>,
    organization: Option<String>,
    usage: Usage,
    san_dns: Vec<String>,
    san_uri: Vec<String>,
}

/// The profiles a CA knows.
#[derive(Debug, Clone)]
pub struct Profiles(BTreeMap<String, Profile>);

/// The profile that is used where none is named.
pub const DEFAULT_PROFILE: &str = "service";

const DAY: Duration = Duration::from_secs(86_400);
const BUILT_IN: [(&str, u32, Usage); 4] = [
    (DEFAULT_PROFILE, 365, Usage::Client),
    ("device", 365, Usage::Client),
    ("high", 90, Usage::Client),
    ("server", 365, Usage::Server),
];
const NAME_PLACEHOLDER: &str = "{common_name}";

impl Profiles {
    /// The built-in profiles alone.
    pub fn built_in() -> Self {
        Self(
            BUILT_IN
                .into_iter()
                .map(|(name, days, usage)| {
                    (name.to_owned(), Profile::plain(name, DAY * days, usage))
                })
                .collect(),
        )
    }

    /// The built-in profiles with those of the configuration over them.
    ///
    /// # Errors
    /// Every mistake, not only the first.
    pub fn load(config: CaConfig) -> Result<Self, Vec<ConfigError>> {
        let mut profiles = Self::built_in();
        let mut errors = Vec::new();
        for (name, config) in config.profile {
            match Profile::load(&name, config, profiles.0.get(&name)) {
                Ok(profile) => drop(profiles.0.insert(name, profile)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(profiles)
        } else {
            Err(errors)
        }
    }

    /// The profile of that name.
    ///
    /// # Errors
    /// Names those that exist.
    pub fn get(&self, name: &str) -> Result<&Profile, RequestError> {
        self.0
            .get(name)
            .ok_or_else(|| RequestError::UnknownProfile {
                name: name.to_owned(),
                known: self.0.keys().cloned().collect::<Vec<_>>().join(", "),
            })
    }
}

impl Profile {
    fn plain(name: &str, lifetime: Duration, usage: Usage) -> Self {
        Self {
            name: name.to_owned(),
            lifetime,
            permitted: None,
            organization: None,
            usage,
            san_dns: Vec::new(),
            san_uri: Vec::new(),
        }
    }

    fn load(name: &str, config: ProfileConfig, base: Option<&Self>) -> Result<Self, ConfigError> {
        let fallback = Self::plain(name, DAY * 365, Usage::Client);
        let base = base.unwrap_or(&fallback);
        Ok(Self {
            name: name.to_owned(),
            lifetime: config
                .lifetime
                .map_or(Ok(base.lifetime), checked_lifetime)?,
            permitted: config.common_name.map(checked_pattern).transpose()?,
            organization: config.organization.map(checked_organization).transpose()?,
            usage: config.usage.unwrap_or(base.usage),
            san_dns: checked_templates(config.san_dns)?,
            san_uri: checked_templates(config.san_uri)?,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long its certificates live.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// What its certificates are for.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// The organization it writes.
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// Checks `name` against the permitted names.
    ///
    /// # Errors
    /// Says which pattern it does not match.
    pub fn permit(&self, name: &CommonName) -> Result<(), RequestError> {
        match &self.permitted {
            Some(pattern) if !pattern.matches(name) => Err(RequestError::NameNotPermitted {
                name: name.to_string(),
                profile: self.name.clone(),
                pattern: pattern.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// The subject alternative names it writes for `name` by itself.
    ///
    /// # Errors
    /// When the name does not make a DNS name where one is wanted.
    pub fn alt_names(&self, name: &CommonName) -> Result<Vec<SubjectAltName>, RequestError> {
        let fill = |template: &String| template.replace(NAME_PLACEHOLDER, name.as_str());
        let dns = self
            .san_dns
            .iter()
            .map(|template| SubjectAltName::dns(&fill(template)));
        let uri = self
            .san_uri
            .iter()
            .map(|template| Ok(SubjectAltName::Uri(fill(template))));
        dns.chain(uri).collect()
    }
}

fn at<T>(value: &Spanned<String>, result: Result<T, impl ToString>) -> Result<T, ConfigError> {
    result.map_err(|error| ConfigError {
        span: Some(value.span()),
        message: error.to_string(),
        hint: None,
    })
}

fn checked_lifetime(value: Spanned<String>) -> Result<Duration, ConfigError> {
    let lifetime = at(&value, parse_duration(value.get_ref()))?;
    if lifetime.is_zero() {
        return at(
            &value,
            Err("a lifetime of nothing: no certificate would ever be valid"),
        );
    }
    Ok(lifetime)
}

fn checked_pattern(value: Spanned<String>) -> Result<CommonNamePattern, ConfigError> {
    at(&value, CommonNamePattern::parse(value.get_ref()))
}

fn checked_organization(value: Spanned<String>) -> Result<String, ConfigError> {
    let text = value.get_ref();
    // RFC 5280 appendix A.1: ub-organization-name.
    let fits = is_subject_text(text, 64);
    at(
        &value,
        fits.then(|| text.clone()).ok_or(
            "an organization has 1 to 64 printable characters, and none of , / + = \\ \" < > ;",
        ),
    )
}

fn checked_templates(values: Vec<Spanned<String>>) -> Result<Vec<String>, ConfigError> {
    let checked = |value: Spanned<String>| {
        let rest = value.get_ref().replace(NAME_PLACEHOLDER, "");
        if rest.contains(['{', '}']) || rest.contains(char::is_whitespace) {
            return at(
                &value,
                Err("only {common_name} is filled in, and there is no space"),
            );
        }
        Ok(value.into_inner())
    };
    values.into_iter().map(checked).collect()
}
