//! The common name of a certificate, once it is known to be usable as an identity.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::text;

/// The upper bound of a common name, `ub-common-name` in [RFC 5280, appendix
/// A.1](https://www.rfc-editor.org/rfc/rfc5280#appendix-A.1).
const MAX_CHARACTERS: usize = 64;

/// A common name that rules may look at: 1 to 64 printable characters, compared octet by octet.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CommonName(Arc<str>);

impl CommonName {
    /// Reads a common name; the only way to make one.
    pub fn parse(name: &str) -> Result<Self, CommonNameError> {
        // A certificate may carry megabytes of name: one character too many is enough to know.
        let characters = name.chars().take(MAX_CHARACTERS + 1).count();
        if characters == 0 {
            return Err(CommonNameError::Empty);
        }
        if characters > MAX_CHARACTERS {
            return Err(CommonNameError::TooLong);
        }
        if let Some(character) = text::unprintable(name) {
            return Err(CommonNameError::Unprintable { character });
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CommonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CommonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for CommonName {
    type Err = CommonNameError;

    fn from_str(name: &str) -> Result<Self, CommonNameError> {
        Self::parse(name)
    }
}

impl Serialize for CommonName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CommonName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Why a text is not a usable common name.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum CommonNameError {
    /// There is nothing in it.
    #[error("a common name must not be empty")]
    Empty,
    /// It is longer than RFC 5280 allows.
    #[error("a common name has at most {MAX_CHARACTERS} characters (RFC 5280), this one has more")]
    TooLong,
    /// A character does not print as itself: a control, an invisible or a reordering one.
    #[error("a common name must not hold the character {}", .character.escape_unicode())]
    Unprintable {
        /// The first such character.
        character: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_sixty_four_characters_are_a_name() {
        assert_eq!(
            CommonName::parse("device-1.factory.corp").unwrap().as_str(),
            "device-1.factory.corp"
        );
        assert!(
            CommonName::parse(&"ö".repeat(64)).is_ok(),
            "characters count, not octets"
        );
        assert_eq!(
            CommonName::parse(&"a".repeat(65)),
            Err(CommonNameError::TooLong)
        );
        assert_eq!(
            CommonName::parse(&"a".repeat(40_000)),
            Err(CommonNameError::TooLong)
        );
        assert_eq!(CommonName::parse(""), Err(CommonNameError::Empty));
    }

    #[test]
    fn a_name_with_nul_is_no_name() {
        for name in ["device-1\0.evil", "device-1\0", "\0"] {
            assert_eq!(
                CommonName::parse(name),
                Err(CommonNameError::Unprintable { character: '\0' })
            );
        }
    }

    #[test]
    fn a_name_with_line_breaks_tabs_or_escapes_is_no_name() {
        for character in ['\r', '\n', '\t', '\u{1b}', '\u{b}', '\u{7f}', '\u{9b}'] {
            for name in [
                format!("device-1{character}"),
                format!("{character}device-1"),
                format!("a{character}b"),
            ] {
                assert_eq!(
                    CommonName::parse(&name),
                    Err(CommonNameError::Unprintable { character })
                );
            }
        }
    }

    #[test]
    fn a_name_decoded_with_losses_is_no_name() {
        let lossy = String::from_utf8_lossy(b"device-\xc0\xaf1");
        assert_eq!(
            CommonName::parse(&lossy),
            Err(CommonNameError::Unprintable {
                character: '\u{fffd}'
            })
        );
    }

    #[test]
    fn names_that_look_alike_are_different_names() {
        let name = CommonName::parse("device-1").unwrap();
        for other in ["Device-1", "device-1 ", "dеvice-1", "device–1", "device-１"] {
            assert_ne!(CommonName::parse(other).unwrap(), name);
        }
        assert!(CommonName::parse("device\u{200b}-1").is_err());
    }

    #[test]
    fn names_that_attack_other_languages_are_kept_as_they_are() {
        for name in [
            r#"{"a":1}"#,
            "' OR 1=1 --",
            "*)(uid=*",
            "<script>",
            "${jndi:ldap://x}",
            "../../etc/passwd",
        ] {
            assert_eq!(CommonName::parse(name).unwrap().as_str(), name);
        }
    }
}
