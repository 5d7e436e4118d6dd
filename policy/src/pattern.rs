//! Patterns of common names.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::CommonName;

/// A regular expression over a whole common name.
///
/// The one constructor wraps the text as `\A(?:…)\z`: a pattern that matches a part of a name
/// cannot be built, with or without the author's own `^` and `$`. Classes (`\d`, `\w`) and case
/// folding know ASCII only, matching takes time linear in the name (the `regex` crate), and `.`
/// stands for one octet.
#[derive(Clone)]
pub struct CommonNamePattern {
    text: String,
    whole: Regex,
}

impl CommonNamePattern {
    /// Reads a pattern; the only way to make one.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(PatternError::TooLong { bytes: text.len() });
        }
        if bare(text).any(|(place, byte)| byte == b'{' && repeats_too_often(text, place)) {
            return Err(PatternError::RepeatsTooOften);
        }
        // Alone first: `a)|(?:.*` is no expression, but between our brackets it would be two.
        compile(text).map_err(|reason| PatternError::Syntax { reason })?;
        let wrapped = compile(&format!(r"\A(?:{text})\z"));
        let whole = wrapped.map_err(|_| PatternError::NotWrappable)?;
        if probes().all(|name| whole.is_match(&name)) {
            return Err(PatternError::MatchesEverything);
        }
        Ok(Self {
            text: text.into(),
            whole,
        })
    }

    /// Whether the pattern matches the whole of `name`.
    pub fn matches(&self, name: &CommonName) -> bool {
        self.whole.is_match(name.as_str().as_bytes())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for CommonNamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CommonNamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommonNamePattern({:?})", self.text)
    }
}

impl PartialEq for CommonNamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CommonNamePattern {}

impl Serialize for CommonNamePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for CommonNamePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The octets of a pattern that are syntax or stand for themselves: outside of escapes and classes,
/// with their places.
///
/// A reader of spelling, for advice and early refusals only; what a pattern matches is asked of the
/// engine.
pub(crate) fn bare(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let bytes = text.as_bytes();
    let mut place = 0;
    let mut class_depth = 0_usize;
    std::iter::from_fn(move || {
        while let Some(&byte) = bytes.get(place) {
            let here = place;
            place += if byte == b'\\' {
                escape_length(bytes, place)
            } else {
                1
            };
            match byte {
                b'[' => class_depth += 1,
                b']' => class_depth = class_depth.saturating_sub(1),
                b'\\' => {}
                _ if class_depth == 0 => return Some((here, byte)),
                _ => {}
            }
        }
        None
    })
}

/// Two octets, or all of `\x{…}` and `\p{…}`.
fn escape_length(bytes: &[u8], place: usize) -> usize {
    let rest = bytes.get(place + 2..).unwrap_or_default();
    let braced =
        rest.starts_with(b"{") && bytes.get(place + 1).is_some_and(u8::is_ascii_alphabetic);
    let closing = rest
        .iter()
        .position(|&byte| byte == b'}')
        .filter(|_| braced);
    closing.map_or(2, |closing| closing + 3)
}

/// Whether the repetition at `place`, `{n}` or `{n,m}`, counts further than any name is long.
fn repeats_too_often(text: &str, place: usize) -> bool {
    let counts = text
        .get(place + 1..)
        .and_then(|rest| rest.split('}').next())
        .unwrap_or_default();
    let too_large = |digits: &str| {
        digits
            .trim()
            .parse::<u64>()
            .is_ok_and(|count| count > MAX_REPETITIONS)
    };
    counts.split(',').any(too_large)
}

fn compile(text: &str) -> Result<Regex, String> {
    // Over octets: without Unicode `.` may stop within a character, which the `&str` form of the
    // crate refuses to build.
    let mut builder = RegexBuilder::new(text);
    builder
        .unicode(false)
        .size_limit(MEMORY_LIMIT)
        .dfa_size_limit(MEMORY_LIMIT);
    builder.build().map_err(|error| error.to_string())
}

/// Names that have nothing in common but being printable ASCII: what matches them all matches
/// everything.
///
/// A pattern is judged by what it does, not by how it is spelled: `.*`, `(.+)`, `[\s\S]*` and
/// `x|.{1,64}` are one thing.
fn probes() -> impl Iterator<Item = Vec<u8>> {
    let alphabets: [fn(&u8) -> bool; 5] = [
        u8::is_ascii_graphic,
        u8::is_ascii_digit,
        u8::is_ascii_lowercase,
        u8::is_ascii_uppercase,
        u8::is_ascii_punctuation,
    ];
    alphabets.into_iter().flat_map(|holds| {
        let alphabet: Vec<u8> = (0..=127).filter(holds).collect();
        PROBE_LENGTHS.map(move |length| scrambled(&alphabet, length))
    })
}

/// `length` octets of `alphabet` in an order without sense but always the same (the MINSTD
/// generator).
fn scrambled(alphabet: &[u8], length: usize) -> Vec<u8> {
    let mut state = length * 7919 + 1;
    let next = |_| {
        state = state * 48271 % 2_147_483_647;
        alphabet[state % alphabet.len()]
    };
    (0..length).map(next).collect()
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum PatternError {
    /// There is nothing in it.
    #[error("a pattern must not be empty: it would match no name")]
    Empty,
    /// It is longer than patterns may be.
    #[error(
        "a pattern has at most {MAX_BYTES} bytes, this one has {bytes}: split it into several rules"
    )]
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// It counts a repetition further than any name is long.
    #[error(
        "a repetition counts to {MAX_REPETITIONS} at most; a common name has at most 64 characters"
    )]
    RepeatsTooOften,
    /// It is not a regular expression, or one that takes too much memory.
    #[error(
        "not a regular expression that can be used here (ASCII classes, no look-around): {reason}"
    )]
    Syntax {
        /// What the `regex` crate says.
        reason: String,
    },
    /// It ends in the middle of something, for example of a comment of `(?x)`.
    #[error(
        "the pattern cannot be closed behind its last character: do not end it with a `(?x)` comment"
    )]
    NotWrappable,
    /// It matches names that have nothing in common.
    #[error(
        "the pattern matches any name: write the rule `certificate = {{}}` if every certificate is to match"
    )]
    MatchesEverything,
}

const MAX_BYTES: usize = 1024;
const MAX_REPETITIONS: u64 = 1000;

/// Bounds the compiled program and the lazy automaton, in bytes.
const MEMORY_LIMIT: usize = 1 << 20;

/// Long enough to be improbable by chance, short enough for `.{3,40}`.
const PROBE_LENGTHS: std::ops::RangeInclusive<usize> = 8..=32;

/// Characters that patterns are full of. No `common_name` rule may hold one, and our CA issues no name
/// with one: what looks like a pattern is never compared as a name.
pub const PATTERN_CHARACTERS: &[char] =
    &['^', '$', '\\', '[', ']', '(', ')', '*', '+', '?', '|', '{'];

#[cfg(test)]
mod tests;
