//! Path prefixes of applications, and paths that servers read in more than one way.

use std::fmt;

use thiserror::Error;

/// A path prefix that matches whole segments: `/api` covers `/api` and `/api/x`, never `/apix`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// The prefix of every path.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// Reads a prefix; `/api/` is the same as `/api`.
    pub fn parse(text: &str) -> Result<Self, PathPrefixError> {
        if !text.starts_with('/') {
            return Err(PathPrefixError::NotAbsolute);
        }
        if let Some(found) = ["..", "//", "/./", "%", "?", "#", ";", "\\"]
            .into_iter()
            .find(|f| text.contains(f))
        {
            return Err(PathPrefixError::Ambiguous { found });
        }
        if text.ends_with("/.") {
            return Err(PathPrefixError::Ambiguous { found: "/." });
        }
        if let Some(character) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(PathPrefixError::Character { character });
        }
        let trimmed = text
            .strip_suffix('/')
            .filter(|t| !t.is_empty())
            .unwrap_or(text);
        Ok(Self(trimmed.into()))
    }

    /// The prefix as text, without a slash at its end unless it is the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the prefix of every path.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    pub(crate) fn covers(&self, path: &str) -> bool {
        self.is_root() || path.strip_prefix(&self.0).is_some_and(ends_segment)
    }

    /// Like `covers`, the way a server that ignores case would see it.
    pub(crate) fn covers_ignoring_case(&self, path: &str) -> bool {
        let (Some(start), Some(rest)) = (path.get(..self.0.len()), path.get(self.0.len()..)) else {
            return self.is_root();
        };
        self.is_root() || (start.eq_ignore_ascii_case(&self.0) && ends_segment(rest))
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn ends_segment(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// Whether servers disagree on which path this is, so that the one we match may not be the one the
/// upstream serves.
///
/// Refused are empty and dot segments, parameters (`;`), backslashes, controls, and every escape
/// that stands for a character which may stand unescaped or which changes the segments: `/%61dmin`
/// is `/admin` to most servers.
pub(crate) fn is_ambiguous(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else {
        return true;
    };
    let last = segments.split('/').count() - 1;
    let bad_segment = |(place, segment): (usize, &str)| {
        matches!(segment, "." | "..") || (segment.is_empty() && place != last)
    };
    let bad_byte = |b: u8| b.is_ascii_control() || matches!(b, b'\\' | b';' | b'#' | b' ');
    segments.split('/').enumerate().any(bad_segment)
        || path.bytes().any(bad_byte)
        || has_ambiguous_escape(path)
}

fn has_ambiguous_escape(path: &str) -> bool {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (rest.next().and_then(digit), rest.next().and_then(digit))
        else {
            return true;
        };
        let value = high * 16 + low;
        if escape_changes_the_path(value) {
            return true;
        }
        decoded.push(value);
    }
    // `%c0%ae` is a dot to decoders that take overlong forms.
    std::str::from_utf8(&decoded).is_err()
}

fn escape_changes_the_path(value: u8) -> bool {
    value.is_ascii_control()
        || value.is_ascii_alphanumeric()
        || matches!(
            value,
            b'-' | b'.' | b'_' | b'~' | b'/' | b'\\' | b';' | b'%'
        )
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Why a text is not a path prefix.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum PathPrefixError {
    /// It does not begin with a slash.
    #[error("a path must begin with `/`")]
    NotAbsolute,
    /// It holds something that servers read in more than one way.
    #[error("a path must not hold `{found}`: servers do not agree on what it means")]
    Ambiguous {
        /// What was found.
        found: &'static str,
    },
    /// A character that paths do not have.
    #[error("a path must not hold the character `{}`", .character.escape_debug())]
    Character {
        /// The first such character.
        character: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let api = PathPrefix::parse("/api").unwrap();
        assert!(
            ["/api", "/api/", "/api/x", "/api/x/y"]
                .into_iter()
                .all(|path| api.covers(path))
        );
        assert!(
            !["/apix", "/ap", "/", "/API", "/x/api", ""]
                .into_iter()
                .any(|path| api.covers(path))
        );
        assert!(
            ["/API", "/Api/x"]
                .into_iter()
                .all(|path| api.covers_ignoring_case(path))
        );
        assert!(
            !["/APIx", "/aé", ""]
                .into_iter()
                .any(|path| api.covers_ignoring_case(path))
        );
        assert!(PathPrefix::root().covers("/anything"));
        assert!(PathPrefix::root().covers_ignoring_case(""));
    }

    #[test]
    fn a_slash_at_the_end_changes_nothing() {
        assert_eq!(PathPrefix::parse("/api/"), PathPrefix::parse("/api"));
        assert_eq!(PathPrefix::parse("/"), Ok(PathPrefix::root()));
    }

    #[test]
    fn a_prefix_that_could_be_read_differently_does_not_load() {
        assert_eq!(PathPrefix::parse("api"), Err(PathPrefixError::NotAbsolute));
        assert_eq!(PathPrefix::parse(""), Err(PathPrefixError::NotAbsolute));
        for text in [
            "/a/../b", "/..", "//", "/a//b", "/%61", "/a?b", "/a#b", "/a;b", "/a\\b", "/./a",
            "/a/.",
        ] {
            assert!(
                matches!(
                    PathPrefix::parse(text),
                    Err(PathPrefixError::Ambiguous { .. })
                ),
                "{text}"
            );
        }
        assert_eq!(
            PathPrefix::parse("/a b"),
            Err(PathPrefixError::Character { character: ' ' })
        );
        assert_eq!(
            PathPrefix::parse("/\0"),
            Err(PathPrefixError::Character { character: '\0' })
        );
    }

    #[test]
    fn paths_that_servers_read_differently_are_ambiguous() {
        for path in [
            "//x",
            "/a//b",
            "/a//",
            "/./a",
            "/a/./b",
            "/a/.",
            "/../a",
            "/a/../b",
            "/a/..",
            "/%2e%2e/a",
            "/%2E",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a%5Cb",
            "/a%00",
            "/%61pi",
            "/ap%69",
            "/a%252fb",
            "/a;b",
            "/a;/b",
            "/a%3Bb",
            "/a\\b",
            "/a\0",
            "/a\tb",
            "/a\u{7f}",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%+1",
            "/%c0%ae",
            "/%c0%af",
            "/%ff",
            "/a#b",
            "",
            "*",
            "a/b",
            "/a b",
        ] {
            assert!(is_ambiguous(path), "{path:?}");
        }
    }

    #[test]
    fn ordinary_paths_are_not_ambiguous() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b.c",
            "/...",
            "/..a",
            "/a..b",
            "/caf%C3%A9",
            "/a%20b",
            "/a@b:c",
            "/~u",
            "/a+b=c&d",
        ] {
            assert!(!is_ambiguous(path), "{path:?}");
        }
    }
}
