//! What an entry says.

use postern_policy::{SerialNumber, TokenName};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::entry::Hash;
use crate::{IssuerId, RevocationReason};

/// One thing a CA tells its followers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first entry of a segment: the whole current state.
    Checkpoint(Checkpoint),
    /// The last entry of a segment: the hash of its successor's checkpoint.
    Sealed {
        /// SHA-256 of the checkpoint's JSON as it will stand in the next segment.
        successor: Hash,
    },
    /// A CRL was published.
    CrlPublished(CrlHead),
    /// A certificate was revoked for good.
    Revoked(CertificateEvent),
    /// A certificate is on hold (RFC 5280 section 5.3.1, `certificateHold`).
    Held(CertificateEvent),
    /// A certificate is no longer on hold.
    Released(CertificateEvent),
    /// A service token exists from now on.
    TokenAdded(TokenEntry),
    /// A service token's secrets or expiry changed.
    TokenChanged(TokenEntry),
    /// A disabled service token is accepted again.
    TokenEnabled(TokenEvent),
    /// A service token is refused until it is enabled.
    TokenDisabled(TokenEvent),
    /// A service token is gone.
    TokenRemoved(TokenEvent),
}

/// Whether an event can let somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It can only refuse: a publisher's signature is enough.
    TakesAway,
    /// It can let somebody in: an issuer must have signed it.
    Admits,
}

/// The state at the start of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The newest CRL of each issuer.
    pub crls: Vec<CrlHead>,
    /// Every service token, as digests.
    pub tokens: Vec<TokenEntry>,
}

/// Which CRL of an issuer is the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrlHead {
    /// Whose CRL.
    pub issuer: IssuerId,
    /// Its number (RFC 5280 section 5.2.3).
    pub number: u64,
    /// SHA-256 of its DER.
    pub sha256: Hash,
}

/// A certificate whose standing changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateEvent {
    /// Who issued it.
    pub issuer: IssuerId,
    /// Its serial number.
    pub serial: SerialNumber,
    /// Its name, for the log.
    pub common_name: String,
    /// Why.
    pub reason: RevocationReason,
    /// When it ends anyway, Unix seconds.
    pub not_after: u64,
}

/// A service token without its secrets: only their SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEntry {
    /// The name policies use.
    pub name: TokenName,
    /// What the client sends as `CF-Access-Client-Id`.
    pub client_id: String,
    /// SHA-256 of each live secret.
    pub secrets: Vec<Hash>,
    /// When it ends, Unix seconds.
    pub expires_at: u64,
    /// Whether it is accepted now.
    pub enabled: bool,
}

/// A service token named in an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEvent {
    /// The token's name.
    pub name: TokenName,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    successor: Hash,
}

/// Why an entry's data could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Written by a newer Postern, or not by one.
    #[error("unknown kind of journal entry {0:?}: this gateway is older than the CA; update it")]
    UnknownKind(String),
    /// The data does not have the kind's shape.
    #[error("journal entry of kind {kind:?} has malformed data: {source}")]
    Malformed {
        /// Which kind.
        kind: String,
        /// What serde found.
        source: serde_json::Error,
    },
}

impl Event {
    /// The name this event has in an entry's `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Checkpoint(_) => "checkpoint",
            Self::Sealed { .. } => "sealed",
            Self::CrlPublished(_) => "crl_published",
            Self::Revoked(_) => "revoked",
            Self::Held(_) => "held",
            Self::Released(_) => "released",
            Self::TokenAdded(_) => "token_added",
            Self::TokenChanged(_) => "token_changed",
            Self::TokenEnabled(_) => "token_enabled",
            Self::TokenDisabled(_) => "token_disabled",
            Self::TokenRemoved(_) => "token_removed",
        }
    }

    /// Whether this event can let somebody in. A checkpoint holds the accepted tokens, and a CRL
    /// head can hide a revocation, so both count as admitting.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Revoked(_) | Self::Held(_) | Self::TokenDisabled(_) | Self::TokenRemoved(_) => {
                Effect::TakesAway
            }
            Self::Checkpoint(_)
            | Self::Sealed { .. }
            | Self::CrlPublished(_)
            | Self::Released(_)
            | Self::TokenAdded(_)
            | Self::TokenChanged(_)
            | Self::TokenEnabled(_) => Effect::Admits,
        }
    }

    /// The issuers this event speaks for.
    pub fn issuers(&self) -> Vec<IssuerId> {
        match self {
            Self::Checkpoint(checkpoint) => checkpoint.crls.iter().map(|crl| crl.issuer).collect(),
            Self::CrlPublished(crl) => vec![crl.issuer],
            Self::Revoked(event) | Self::Held(event) | Self::Released(event) => vec![event.issuer],
            Self::Sealed { .. }
            | Self::TokenAdded(_)
            | Self::TokenChanged(_)
            | Self::TokenEnabled(_)
            | Self::TokenDisabled(_)
            | Self::TokenRemoved(_) => Vec::new(),
        }
    }

    /// This event's `data` in an entry.
    ///
    /// # Errors
    /// Only if a value cannot be written as JSON, which none of ours can cause.
    pub fn to_data(&self) -> Result<Box<RawValue>, serde_json::Error> {
        match self {
            Self::Checkpoint(data) => to_raw_value(data),
            Self::Sealed { successor } => to_raw_value(&Sealed {
                successor: *successor,
            }),
            Self::CrlPublished(data) => to_raw_value(data),
            Self::Revoked(data) | Self::Held(data) | Self::Released(data) => to_raw_value(data),
            Self::TokenAdded(data) | Self::TokenChanged(data) => to_raw_value(data),
            Self::TokenEnabled(data) | Self::TokenDisabled(data) | Self::TokenRemoved(data) => {
                to_raw_value(data)
            }
        }
    }

    /// Reads the event of `kind` from its `data`.
    ///
    /// # Errors
    /// An unknown kind is an error, never skipped: it could be one that takes away.
    pub fn from_data(kind: &str, data: &RawValue) -> Result<Self, EventError> {
        let json = data.get();
        let event = match kind {
            "checkpoint" => serde_json::from_str(json).map(Self::Checkpoint),
            "sealed" => {
                serde_json::from_str(json).map(|Sealed { successor }| Self::Sealed { successor })
            }
            "crl_published" => serde_json::from_str(json).map(Self::CrlPublished),
            "revoked" => serde_json::from_str(json).map(Self::Revoked),
            "held" => serde_json::from_str(json).map(Self::Held),
            "released" => serde_json::from_str(json).map(Self::Released),
            "token_added" => serde_json::from_str(json).map(Self::TokenAdded),
            "token_changed" => serde_json::from_str(json).map(Self::TokenChanged),
            "token_enabled" => serde_json::from_str(json).map(Self::TokenEnabled),
            "token_disabled" => serde_json::from_str(json).map(Self::TokenDisabled),
            "token_removed" => serde_json::from_str(json).map(Self::TokenRemoved),
            unknown => return Err(EventError::UnknownKind(unknown.to_owned())),
        };
        event.map_err(|source| EventError::Malformed {
            kind: kind.to_owned(),
            source,
        })
    }
}
