//! The convention for names of service tokens: `<team>-<purpose>-<env>`.

use thiserror::Error;

use crate::TokenName;

/// Where a token is used: the last part of its name.
pub const TOKEN_ENVIRONMENTS: [&str; 10] = [
    "prod",
    "production",
    "staging",
    "stage",
    "dev",
    "test",
    "qa",
    "uat",
    "preview",
    "sandbox",
];

/// Why a token's name says too little to whoever finds it in a log two years later.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum TokenNameError {
    /// A character that the convention does not have.
    #[error("the token name `{name}` holds `{character}`: lower-case letters, digits and `-` only")]
    Character {
        /// The name.
        name: TokenName,
        /// The first such character.
        character: char,
    },
    /// Too few parts, or an empty one.
    #[error("the token name `{name}` is not `<team>-<purpose>-<env>`, such as {suggestion}")]
    Parts {
        /// The name.
        name: TokenName,
        /// One that would do.
        suggestion: String,
    },
    /// The last part is no environment.
    #[error(
        "the token name `{name}` ends in `{last}`, which is no environment ({}); for example {suggestion}",
        TOKEN_ENVIRONMENTS.join(", ")
    )]
    Environment {
        /// The name.
        name: TokenName,
        /// Its last part.
        last: String,
        /// One that would do.
        suggestion: String,
    },
    /// A part that says nothing about the purpose.
    #[error(
        "the token name `{name}` holds `{part}`, which says nothing: name the team and the purpose"
    )]
    Placeholder {
        /// The name.
        name: TokenName,
        /// The part.
        part: String,
    },
}

/// Checks a name against `<team>-<purpose>-<env>`; a generation may follow the environment:
/// `-v2` for a successor, `-2027-01` for a dated one.
pub fn check_token_name(name: &TokenName) -> Result<(), TokenNameError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(character) = name.as_str().chars().find(|&c| !fits(c)) {
        return Err(TokenNameError::Character {
            name: name.clone(),
            character,
        });
    }
    let all: Vec<&str> = name.as_str().split('-').collect();
    let parts = without_generation(&all);
    let suggestion = || suggestion(parts);
    if parts.len() < 3 || parts.iter().any(|part| part.is_empty()) {
        return Err(TokenNameError::Parts {
            name: name.clone(),
            suggestion: suggestion(),
        });
    }
    if let Some(part) = parts.iter().find(|part| PLACEHOLDERS.contains(part)) {
        return Err(TokenNameError::Placeholder {
            name: name.clone(),
            part: (*part).to_owned(),
        });
    }
    let last = parts.last().copied().unwrap_or_default();
    if !TOKEN_ENVIRONMENTS.contains(&last) {
        return Err(TokenNameError::Environment {
            name: name.clone(),
            last: last.to_owned(),
            suggestion: suggestion(),
        });
    }
    Ok(())
}

/// The name of a token's successor: `-v2` behind it, or the next number in the place of the last.
pub fn successor_name(name: &TokenName) -> Result<TokenName, crate::NameError> {
    let (base, version) = match name.as_str().rsplit_once("-v") {
        Some((base, digits)) if !digits.is_empty() => digits
            .parse::<u32>()
            .map_or((name.as_str(), 1), |n| (base, n)),
        _ => (name.as_str(), 1),
    };
    TokenName::parse(&format!("{base}-v{}", version.saturating_add(1)))
}

/// The parts without `v2`, or without a year and a month.
fn without_generation<'a>(parts: &'a [&'a str]) -> &'a [&'a str] {
    match parts {
        [front @ .., year, month] if is_digits(year, 4) && is_digits(month, 2) => front,
        [front @ .., last]
            if last
                .strip_prefix('v')
                .is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit())) =>
        {
            front
        }
        _ => parts,
    }
}

fn is_digits(text: &str, length: usize) -> bool {
    text.len() == length && text.chars().all(|c| c.is_ascii_digit())
}

fn suggestion(parts: &[&str]) -> String {
    let mut words: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    if words
        .last()
        .is_some_and(|last| TOKEN_ENVIRONMENTS.contains(last))
    {
        words.pop();
    }
    let defaults = ["payments", "deploy"];
    while let Some(missing) = defaults.get(words.len()) {
        words.push(missing);
    }
    format!("`{}-prod`", words.join("-"))
}

/// What people write when they mean to come back later.
const PLACEHOLDERS: [&str; 6] = ["temp", "tmp", "token", "foo", "new", "asdf"];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> TokenName {
        TokenName::parse(text).unwrap()
    }

    #[test]
    fn a_name_says_team_purpose_and_environment() {
        for good in [
            "ci-deploy-prod",
            "payments-api-probe-staging",
            "ci-deploy-prod-v2",
            "ci-pipeline-prod-2027-01",
            "team7-sync-dev",
        ] {
            assert_eq!(check_token_name(&name(good)), Ok(()), "{good}");
        }
    }

    #[test]
    fn every_refusal_suggests_what_would_do() {
        let told = |text: &str| check_token_name(&name(text)).unwrap_err().to_string();
        assert_eq!(
            told("ci-deploy"),
            "the token name `ci-deploy` is not `<team>-<purpose>-<env>`, such as `ci-deploy-prod`"
        );
        assert!(told("CI-deploy-prod").contains("`C`"));
        assert!(told("ci-deploy-moon").contains("ends in `moon`"));
        assert!(told("ci--prod").contains("`<team>-<purpose>-<env>`"));
        assert!(told("ci-temp-prod").contains("`temp`"));
        assert!(told("token-1").contains("`<team>-<purpose>-<env>`"));
        assert!(told("prod").contains("`payments-deploy-prod`"));
    }

    #[test]
    fn a_successor_counts_on() {
        for (old, new) in [
            ("ci-deploy-prod", "ci-deploy-prod-v2"),
            ("ci-deploy-prod-v2", "ci-deploy-prod-v3"),
            ("ci-deploy-prod-v9", "ci-deploy-prod-v10"),
            ("ci-vault-prod", "ci-vault-prod-v2"),
        ] {
            assert_eq!(successor_name(&name(old)), Ok(name(new)));
        }
    }
}
