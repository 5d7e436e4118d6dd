//! Rules in the file: a table with exactly one key.

use std::fmt;

use ipnet::IpNet;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use toml::Spanned;

use super::ConfigError;
use crate::{
    CommonName, CommonNamePattern, Fingerprint, IssuerMatch, PATTERN_CHARACTERS, Rule, TokenName,
    text,
};

/// A rule as written: `{ certificate = {} }`, `{ common_name = "x" }`, or Cloudflare's
/// `{ ip = { ip = "…" } }`.
#[derive(Clone, Debug)]
pub struct RuleConfig {
    entries: Vec<(String, RuleValue)>,
}

#[derive(Clone, Debug)]
enum RuleValue {
    Text(String),
    Table(Vec<(String, String)>),
}

/// What is wrong with a rule, before its place is known.
struct Fault {
    message: String,
    hint: Option<String>,
}

impl Fault {
    fn new(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            hint: None,
        }
    }

    fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl RuleConfig {
    /// The group that it names instead of being a rule itself.
    pub(super) fn group(&self) -> Option<&str> {
        match self.entries.as_slice() {
            [(key, RuleValue::Text(name))] if key == "group" => Some(name),
            _ => None,
        }
    }
}

/// Checks one rule.
pub(super) fn rule(config: &Spanned<RuleConfig>) -> Result<Rule, ConfigError> {
    let fault = match from_entries(&config.get_ref().entries) {
        Ok(rule) => return Ok(rule),
        Err(fault) => fault,
    };
    let error = ConfigError::at(config.span(), fault.message);
    Err(match fault.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

fn from_entries(entries: &[(String, RuleValue)]) -> Result<Rule, Fault> {
    match entries {
        [(key, value)] => from_entry(key, value),
        [] => Err(Fault::new("a rule must not be empty")
            .with_hint("write `{ certificate = {} }` for any certificate")),
        [_, ..] => {
            let keys: Vec<_> = entries.iter().map(|(key, _)| format!("`{key}`")).collect();
            let message = format!(
                "a rule has exactly one key, this one has {}",
                keys.join(" and ")
            );
            Err(Fault::new(message).with_hint(
                "one of several: a rule each; all of several: put the others in `require`",
            ))
        }
    }
}

fn from_entry(key: &str, value: &RuleValue) -> Result<Rule, Fault> {
    let text = |inner: &str| text_of(key, inner, value);
    match key {
        "certificate" => empty(key, value, Rule::Certificate),
        "everyone" => empty(key, value, Rule::Everyone),
        "any_valid_service_token" => empty(key, value, Rule::AnyValidServiceToken),
        "common_name" => common_name(text(key)?),
        "common_name_pattern" => CommonNamePattern::parse(text(key)?)
            .map(Rule::CommonNamePattern)
            .map_err(Fault::new),
        "service_token" => TokenName::parse(token_name(value)?)
            .map(Rule::ServiceToken)
            .map_err(Fault::new),
        "ip" => network(text(key)?).map(Rule::Ip),
        "geo" => country(key, text("country_code")?).map(Rule::Geo),
        "subject_country" => country(key, text(key)?).map(Rule::SubjectCountry),
        "issuer" => issuer(text(key)?).map(Rule::Issuer),
        "organization" => printable(key, text(key)?).map(Rule::Organization),
        "san_dns" => printable(key, text(key)?).map(Rule::SanDns),
        "san_uri" => printable(key, text(key)?).map(Rule::SanUri),
        _ => Err(unknown(key)),
    }
}

fn unknown(key: &str) -> Fault {
    let fault = Fault::new(format!("there is no rule `{}`", key.escape_debug()));
    match key {
        "cn" | "cn_pattern" | "pattern" => {
            fault.with_hint("did you mean `common_name` or `common_name_pattern`?")
        }
        "group" => fault.with_hint("a group is written by its name: `{ group = \"name\" }`"),
        "email" | "email_domain" | "idp" | "saml" | "oidc" | "auth_method" | "login_method" => {
            fault
                .with_hint("it needs a human's identity, which `non_identity` policies do not have")
        }
        _ => fault.with_hint(format!("the rules are: {RULES}")),
    }
}

fn empty(key: &str, value: &RuleValue, rule: Rule) -> Result<Rule, Fault> {
    match value {
        RuleValue::Table(entries) if entries.is_empty() => Ok(rule),
        RuleValue::Table(_) | RuleValue::Text(_) => {
            Err(Fault::new(format!("`{key}` takes no value"))
                .with_hint(format!("write `{{ {key} = {{}} }}`")))
        }
    }
}

/// The text of a rule, written directly or, as at Cloudflare, under `inner`.
fn text_of<'a>(key: &str, inner: &str, value: &'a RuleValue) -> Result<&'a str, Fault> {
    match value {
        RuleValue::Text(text) => Ok(text),
        RuleValue::Table(entries) => match entries.as_slice() {
            [(name, text)] if name == inner => Ok(text),
            _ => Err(Fault::new(format!("`{key}` takes a text"))
                .with_hint(format!("write `{{ {key} = \"…\" }}`"))),
        },
    }
}

fn token_name(value: &RuleValue) -> Result<&str, Fault> {
    match value {
        RuleValue::Text(name) => Ok(name),
        RuleValue::Table(_) => Err(Fault::new(
            "a service token is written by its name, not by Cloudflare's id of it",
        )
        .with_hint("write `{ service_token = \"name\" }`")),
    }
}

fn common_name(text: &str) -> Result<Rule, Fault> {
    if let Some(found) = text.chars().find(|c| PATTERN_CHARACTERS.contains(c)) {
        return Err(Fault::new(format!(
            "`common_name` is compared as it stands, and no name holds `{found}`"
        ))
        .with_hint("exact name; did you mean `common_name_pattern`?"));
    }
    CommonName::parse(text)
        .map(Rule::CommonName)
        .map_err(Fault::new)
}

fn network(text: &str) -> Result<IpNet, Fault> {
    let bare = text.parse::<std::net::IpAddr>().map(IpNet::from);
    let Ok(network) = bare.or_else(|_| text.parse::<IpNet>()) else {
        let fault = Fault::new(format!(
            "`{}` is neither an address nor a network",
            text.escape_debug()
        ));
        return Err(fault.with_hint("write for example \"192.0.2.7\" or \"10.0.0.0/8\""));
    };
    if network != network.trunc() {
        let fault = Fault::new(format!("`{network}` is an address within a network"));
        return Err(fault.with_hint(format!(
            "write \"{}\" or \"{}\"",
            network.trunc(),
            network.addr()
        )));
    }
    if network.addr() != network.addr().to_canonical() {
        let fault = Fault::new(format!(
            "`{network}` never matches: clients with IPv4 addresses are matched as such"
        ));
        return Err(fault.with_hint("write the IPv4 network"));
    }
    Ok(network)
}

fn country(key: &str, text: &str) -> Result<String, Fault> {
    if text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()) {
        return Ok(text.into());
    }
    Err(Fault::new(format!(
        "`{key}` takes a country code of two capital letters"
    ))
    .with_hint(format!(
        "write for example `{{ {key} = \"DE\" }}` (ISO 3166-1)"
    )))
}

fn issuer(text: &str) -> Result<IssuerMatch, Fault> {
    if let Some(digest) = text.strip_prefix("sha256:") {
        return digest
            .parse()
            .map(IssuerMatch::Fingerprint)
            .map_err(Fault::new);
    }
    if text.parse::<Fingerprint>().is_ok() {
        let fault = Fault::new(
            "`issuer` looks like a fingerprint but would be compared with the issuer's name",
        );
        return Err(fault.with_hint("write `sha256:` before a fingerprint"));
    }
    printable("issuer", text).map(IssuerMatch::CommonName)
}

fn printable(key: &str, text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Err(Fault::new(format!("`{key}` must not be empty")));
    }
    match text::unprintable(text) {
        Some(c) => Err(Fault::new(format!(
            "`{key}` must not hold the character {}",
            c.escape_unicode()
        ))),
        None => Ok(text.into()),
    }
}

impl<'de> Deserialize<'de> for RuleConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneRule;

        impl<'de> Visitor<'de> for OneRule {
            type Value = RuleConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule such as `{ certificate = {} }` or `{ common_name = \"…\" }`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RuleConfig, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(RuleConfig { entries })
            }
        }

        deserializer.deserialize_map(OneRule)
    }
}

impl<'de> Deserialize<'de> for RuleValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneValue;

        impl<'de> Visitor<'de> for OneValue {
            type Value = RuleValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or `{}` for a rule without a value")
            }

            fn visit_str<E>(self, text: &str) -> Result<RuleValue, E> {
                Ok(RuleValue::Text(text.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RuleValue, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(RuleValue::Table(entries))
            }
        }

        deserializer.deserialize_any(OneValue)
    }
}

const RULES: &str = "certificate, common_name, common_name_pattern, issuer, organization, subject_country, san_dns, san_uri, \
                     service_token, any_valid_service_token, ip, geo, everyone; or a group by its name";

#[cfg(test)]
mod tests;
