//! Names that people give: of applications, policies and service tokens.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::text;

const MAX_CHARACTERS: usize = 128;

/// Why a text is not a name.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum NameError {
    /// There is nothing in it.
    #[error("the {what} name must not be empty")]
    Empty {
        /// What was to be named.
        what: &'static str,
    },
    /// It is longer than names may be.
    #[error("the {what} name has at most {MAX_CHARACTERS} characters, this one has {characters}")]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// How many characters it has.
        characters: usize,
    },
    /// It begins or ends with white space, which nobody would see.
    #[error("the {what} name must not begin or end with white space")]
    OuterWhitespace {
        /// What was to be named.
        what: &'static str,
    },
    /// A character does not print as itself.
    #[error("the {what} name must not hold the character {}", .character.escape_unicode())]
    Unprintable {
        /// What was to be named.
        what: &'static str,
        /// The first such character.
        character: char,
    },
}

pub(crate) fn check(what: &'static str, name: &str) -> Result<Arc<str>, NameError> {
    let characters = name.chars().count();
    if characters == 0 {
        return Err(NameError::Empty { what });
    }
    if characters > MAX_CHARACTERS {
        return Err(NameError::TooLong { what, characters });
    }
    if let Some(character) = text::unprintable(name) {
        return Err(NameError::Unprintable { what, character });
    }
    if name.trim() != name {
        return Err(NameError::OuterWhitespace { what });
    }
    Ok(name.into())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads a name: 1 to 128 printable characters without white space at its ends.
            pub fn parse(name: &str) -> Result<Self, NameError> {
                check($what, name).map(Self)
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::parse(name)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// The name of an application; unique within a file.
    ApplicationName, "application"
}
name! {
    /// The name of a policy; unique within its application.
    PolicyName, "policy"
}
name! {
    /// The name of a service token; unique over every source a gateway follows.
    TokenName, "token"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_printable_and_trimmed() {
        assert_eq!(
            TokenName::parse("payments-deploy-prod").unwrap().as_str(),
            "payments-deploy-prod"
        );
        assert!(PolicyName::parse(&"ä".repeat(128)).is_ok());
        assert_eq!(
            PolicyName::parse(""),
            Err(NameError::Empty { what: "policy" })
        );
        assert_eq!(
            PolicyName::parse(&"x".repeat(129)),
            Err(NameError::TooLong {
                what: "policy",
                characters: 129
            })
        );
        assert_eq!(
            ApplicationName::parse(" x"),
            Err(NameError::OuterWhitespace {
                what: "application"
            })
        );
        assert_eq!(
            ApplicationName::parse("a\u{1b}[31m"),
            Err(NameError::Unprintable {
                what: "application",
                character: '\u{1b}'
            })
        );
    }

    #[test]
    fn an_error_shows_no_raw_control_character() {
        let message = PolicyName::parse("a\u{1b}").unwrap_err().to_string();
        assert_eq!(
            message,
            r"the policy name must not hold the character \u{1b}"
        );
    }
}
