//! The WAF custom rule that can carry a pattern: printed, never applied by us.
//!
//! It is no part of Access: another API, another permission, other limits. The language is
//! <https://developers.cloudflare.com/ruleset-engine/rules-language/>; `matches` is unanchored and
//! looks at the whole subject, so the anchors are ours.

use postern_policy::{Application, CommonNamePattern, IssuerMatch, Policy, Rule};
use thiserror::Error;

/// What a WAF expression cannot say.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum WafError {
    /// The rule would block clients that have another credential.
    #[error(
        "`edge = \"waf\"` blocks every request without such a certificate, and policy `{policy}` of the same application admits others; give them hosts of their own, or use another strategy"
    )]
    BlocksOthers {
        /// The policy.
        policy: String,
    },
    /// The rule would block what another application serves.
    #[error(
        "`edge = \"waf\"` looks at the whole host, and application `{other}` is on one of its hosts too; give it hosts of its own, or use another strategy"
    )]
    SharedHost {
        /// The other application.
        other: String,
    },
    /// The rule would block what is beside the paths.
    #[error(
        "`edge = \"waf\"` looks at the whole host, and the application has `paths` there; use another strategy"
    )]
    Paths,
    /// The pattern may match across attributes of the subject.
    #[error(
        "{pattern} can match a comma, and in a WAF rule that is the next attribute of the subject (`CN=dev-1,O=…`); write a class such as `[a-z0-9-]` in place of `.`, `[^…]`, `\\D`, `\\S` and `\\W`"
    )]
    CrossesAttributes {
        /// The pattern.
        pattern: String,
    },
    /// A rule has no counterpart there.
    #[error("a WAF rule cannot express {rule}; choose another strategy")]
    NoCounterpart {
        /// The rule as it stands in the file.
        rule: String,
    },
    /// An anchor inside the pattern would look at the whole subject.
    #[error(
        "{pattern} has an anchor inside: in a WAF rule it would mean the ends of the whole subject; write the pattern without `^`, `$`, `\\A`, `\\z` and `\\b`, or with `^` and `$` at its ends only"
    )]
    InnerAnchor {
        /// The pattern.
        pattern: String,
    },
}

/// The expression of a custom rule with the action *block*: requests to the application's hosts
/// without a certificate that one of its policies admits.
///
/// # Errors
/// Where a policy of the application cannot be said there.
pub fn expression(application: &Application) -> Result<String, WafError> {
    if application.paths().iter().any(|path| !path.is_root()) {
        return Err(WafError::Paths);
    }
    let hosts: Vec<String> = application
        .hosts()
        .iter()
        .map(|host| quoted(host.as_str()))
        .collect();
    let admitting = application.policies().iter();
    let admitting: Result<Vec<String>, WafError> = admitting
        .filter(|policy| policy.decision().admits())
        .map(|policy| admitted(policy))
        .collect();
    Ok(format!(
        "http.host in {{{}}} and not (cf.tls_client_auth.cert_verified and ({}))",
        hosts.join(" "),
        admitting?.join(" or ")
    ))
}

fn admitted(policy: &Policy) -> Result<String, WafError> {
    if !policy.needs_certificate() {
        let policy = policy.name().to_string();
        return Err(WafError::BlocksOthers { policy });
    }
    let certificate_rules = |list: &[Rule]| -> Result<Vec<String>, WafError> {
        let rules = list.iter().filter(|rule| rule.needs_certificate());
        rules.map(condition).collect()
    };
    let include = certificate_rules(policy.include())?;
    let require = certificate_rules(policy.require())?;
    let exclude = certificate_rules(policy.exclude())?;
    // Addresses and tokens of `include` are for Access to look at; so then is the certificate.
    let mut conditions = vec![match include.is_empty() {
        true => String::from("cf.tls_client_auth.cert_verified"),
        false => format!("({})", include.join(" or ")),
    }];
    conditions.extend(require);
    conditions.extend(exclude.iter().map(|rule| format!("not {rule}")));
    Ok(format!("({})", conditions.join(" and ")))
}

fn condition(rule: &Rule) -> Result<String, WafError> {
    let no_counterpart = || WafError::NoCounterpart {
        rule: rule.to_string(),
    };
    match rule {
        Rule::Certificate => Ok(String::from("cf.tls_client_auth.cert_verified")),
        Rule::CommonName(name) => Ok(attribute(SUBJECT, "CN", &escaped(name.as_str()))),
        Rule::CommonNamePattern(pattern) => Ok(attribute(SUBJECT, "CN", &body(pattern)?)),
        Rule::Organization(name) => Ok(attribute(SUBJECT, "O", &escaped(name))),
        Rule::SubjectCountry(code) => Ok(attribute(SUBJECT, "C", &escaped(code))),
        Rule::Issuer(IssuerMatch::CommonName(name)) => Ok(attribute(ISSUER, "CN", &escaped(name))),
        Rule::Issuer(IssuerMatch::Fingerprint(_))
        | Rule::SanDns(_)
        | Rule::SanUri(_)
        | Rule::Everyone
        | Rule::ServiceToken(_)
        | Rule::AnyValidServiceToken
        | Rule::Ip(_)
        | Rule::Geo(_) => Err(no_counterpart()),
    }
}

/// One attribute of a name in RFC 2253's form, whole. A comma inside a value is written `\,`
/// there: a comma with a backslash before it does not start an attribute.
fn attribute(field: &str, key: &str, body: &str) -> String {
    let regex = format!(r"(^|[^\\],){key}=(?:{body})(,|$)");
    format!("{field} matches {}", quoted(&regex))
}

/// The pattern without the anchors at its ends, which would be those of the whole subject.
fn body(pattern: &CommonNamePattern) -> Result<String, WafError> {
    let text = pattern.as_str();
    let inner = text.strip_prefix('^').unwrap_or(text);
    let inner = match inner.strip_suffix('$') {
        Some(rest) if !ends_in_escape(rest) => rest,
        _ => inner,
    };
    if has_anchor(inner) {
        let pattern = text.to_owned();
        return Err(WafError::InnerAnchor { pattern });
    }
    if can_match_comma(inner) {
        let pattern = text.to_owned();
        return Err(WafError::CrossesAttributes { pattern });
    }
    Ok(inner.to_owned())
}

/// Whether some part of the pattern stands for characters that nobody named.
fn can_match_comma(text: &str) -> bool {
    let mut in_class = false;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.next().is_some_and(|c| "DSWPp".contains(c)) => return true,
            '[' if characters.as_str().starts_with('^') => return true,
            '[' => in_class = true,
            ']' => in_class = false,
            ',' | '+' if in_class => return true,
            '.' if !in_class => return true,
            _ => {}
        }
    }
    false
}

/// Whether the next character would be an escaped one.
fn ends_in_escape(text: &str) -> bool {
    let backslashes = text.chars().rev().take_while(|c| *c == '\\').count();
    backslashes % 2 == 1
}

fn has_anchor(text: &str) -> bool {
    let mut in_class = false;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.next().is_some_and(|c| "AzZbB".contains(c)) => return true,
            '[' => {
                in_class = true;
                // `[^` negates, it does not anchor.
                if characters.as_str().starts_with('^') {
                    characters.next();
                }
            }
            ']' => in_class = false,
            '^' | '$' if !in_class => return true,
            _ => {}
        }
    }
    false
}

/// A literal inside a regular expression over RFC 2253's form, where a special character of the
/// value has a backslash before it.
fn escaped(literal: &str) -> String {
    let mut text = String::new();
    for character in literal.chars() {
        if ",+\"\\<>;=#".contains(character) {
            text.push_str(r"\\");
        }
        if !character.is_ascii_alphanumeric() && character.is_ascii() && character != ' ' {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

const SUBJECT: &str = "cf.tls_client_auth.cert_subject_dn_rfc2253";
const ISSUER: &str = "cf.tls_client_auth.cert_issuer_dn_rfc2253";

#[cfg(test)]
mod tests;
