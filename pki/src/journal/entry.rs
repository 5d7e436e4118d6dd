//! One entry of the chain.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::event::{Event, EventError};

/// A SHA-256, written as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first entry of all has as its predecessor.
    pub const ZERO: Self = Self([0; 32]);

    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(hash)
    }

    /// Its 32 octets.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<String> for Hash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut hash = [0; 32];
        let valid = text.len() == 64 && text.is_ascii();
        for (octet, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            *octet = std::str::from_utf8(pair)
                .ok()
                .filter(|_| valid)
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or_else(|| format!("{text:?} is not a SHA-256 in hexadecimal"))?;
        }
        if valid {
            Ok(Self(hash))
        } else {
            Err(format!("{text:?} is not a SHA-256 in hexadecimal"))
        }
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How far a chain goes: its last entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Sequence number of the last entry.
    pub seq: u64,
    /// Hash of the last entry.
    pub hash: Hash,
}

/// One entry: an [`Event`] in its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its sequence number, from 1.
    pub seq: u64,
    /// The hash of the entry before it.
    pub previous: Hash,
    /// When it was written, RFC 3339 UTC.
    pub time: String,
    /// What it says.
    pub event: Event,
    /// The SHA-256 of its body.
    pub hash: Hash,
    /// The SHA-256 of its `data` alone: what [`Event::Sealed`] names of a checkpoint.
    pub data_hash: Hash,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    seq: u64,
    previous: Hash,
    time: String,
    kind: String,
    data: Box<RawValue>,
}

/// Why a body is not an entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Not the JSON of an entry.
    #[error("journal entry is not readable: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Its data is not what its kind says.
    #[error(transparent)]
    Event(#[from] EventError),
}

impl Entry {
    /// Writes the body of the entry after `previous`; [`Entry::parse`] gives it back.
    ///
    /// # Errors
    /// Only if a value cannot be written as JSON, which none of ours can cause.
    pub fn body(previous: Option<Head>, time: &str, event: &Event) -> Result<String, EntryError> {
        Ok(serde_json::to_string(&Body {
            seq: previous.map_or(1, |head| head.seq + 1),
            previous: previous.map_or(Hash::ZERO, |head| head.hash),
            time: time.to_owned(),
            kind: event.kind().to_owned(),
            data: event.to_data()?,
        })?)
    }

    /// Reads an entry from its body.
    ///
    /// # Errors
    /// When it is not JSON of an entry or of a kind we do not know.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        let body: Body = serde_json::from_str(text)?;
        Ok(Self {
            seq: body.seq,
            previous: body.previous,
            event: Event::from_data(&body.kind, &body.data)?,
            time: body.time,
            hash: Hash::of(text.as_bytes()),
            data_hash: Hash::of(body.data.get().as_bytes()),
        })
    }

    /// The chain's head when this is its last entry.
    pub fn head(&self) -> Head {
        Head {
            seq: self.seq,
            hash: self.hash,
        }
    }
}
