//! The keys as last read: refreshed in time, asked for anew when a key is missing, never flooded.
//!
//! Whatever goes wrong with a reading, the last good set stays: for a day, then nobody is believed.
//! An unknown key id is worth one question a minute, because keys rotate; more would let whoever
//! sends made-up ids make us flood Cloudflare.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::DecodingKey;
use rustls_pki_types::UnixTime;
use tokio::time::Instant;

use super::key_set::{KeySet, KeySetError};
use super::key_source::{KeySource, KeySourceError};

/// The signing keys of one team.
pub(crate) struct KeyStore {
    source: KeySource,
    held: ArcSwapOption<Held>,
    alarm: Mutex<Option<String>>,
    /// One reading at a time; whoever waits for it takes what it brought.
    turn: tokio::sync::Mutex<Turn>,
}

struct Held {
    keys: KeySet,
    read_at: u64,
}

#[derive(Default)]
struct Turn {
    refresh_at: Option<Instant>,
    next_unknown: Option<Instant>,
}

/// Why there is no key for an assertion.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FindKeyError {
    #[error("no key of the team has the id that the assertion names")]
    Unknown,
    #[error("the team's keys could not be read for too long: {0}")]
    Unavailable(String),
}

/// Why a reading brought no keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadKeysError {
    #[error(transparent)]
    Source(#[from] KeySourceError),
    #[error(transparent)]
    Set(#[from] KeySetError),
}

impl KeyStore {
    /// Holds nothing yet.
    pub(crate) fn new(source: KeySource) -> Self {
        Self {
            source,
            held: ArcSwapOption::empty(),
            alarm: Mutex::new(None),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Where it reads.
    pub(crate) fn source(&self) -> &KeySource {
        &self.source
    }

    /// What is wrong with the last reading.
    pub(crate) fn alarm(&self) -> Option<String> {
        self.alarm
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The key with this id. For one that is not there the keys may be read again, which takes
    /// as long as it takes.
    pub(crate) async fn find(
        self: &Arc<Self>,
        kid: &str,
        now: UnixTime,
    ) -> Result<DecodingKey, FindKeyError> {
        match self.held_key(kid, now) {
            Ok(key) => return Ok(key),
            Err(FindKeyError::Unknown | FindKeyError::Unavailable(_)) => {}
        }
        // A task of its own: the client may leave, and its question counts as the minute's one.
        let store = Arc::clone(self);
        let asked = tokio::spawn(async move { store.read_for_unknown().await });
        asked.await.ok();
        self.held_key(kid, now)
    }

    /// Reads the keys where it is time to.
    pub(crate) async fn refresh_if_due(&self) {
        let mut turn = self.turn.lock().await;
        if turn.refresh_at.is_none_or(|due| Instant::now() >= due) {
            self.read(&mut turn).await;
        }
    }

    async fn read_for_unknown(&self) {
        let asked_at = Instant::now();
        let mut turn = self.turn.lock().await;
        if turn.next_unknown.is_none_or(|next| asked_at >= next) {
            turn.next_unknown = Some(Instant::now() + UNKNOWN_EVERY);
            self.read(&mut turn).await;
        }
    }

    async fn read(&self, turn: &mut Turn) {
        let outcome = self.try_read().await;
        let pause = if outcome.is_ok() {
            REFRESH_EVERY
        } else {
            RETRY_AFTER
        };
        turn.refresh_at = Some(Instant::now() + pause);
        let alarm = match outcome {
            Ok(keys) => {
                self.hold(keys, UnixTime::now());
                None
            }
            Err(error) => Some(error.to_string()),
        };
        *self.alarm.lock().unwrap_or_else(PoisonError::into_inner) = alarm;
    }

    async fn try_read(&self) -> Result<KeySet, ReadKeysError> {
        Ok(KeySet::parse(&self.source.read().await?)?)
    }

    /// Takes a set that was read in good order.
    pub(crate) fn hold(&self, keys: KeySet, now: UnixTime) {
        let read_at = now.as_secs();
        self.held.store(Some(Arc::new(Held { keys, read_at })));
    }

    fn held_key(&self, kid: &str, now: UnixTime) -> Result<DecodingKey, FindKeyError> {
        let held = self.held.load();
        let fresh = held
            .as_ref()
            .filter(|held| now.as_secs() <= held.read_at.saturating_add(STALE_AFTER.as_secs()));
        let Some(held) = fresh else {
            let why = self.alarm().unwrap_or_else(|| "not read yet".to_owned());
            return Err(FindKeyError::Unavailable(why));
        };
        held.keys.find(kid).cloned().ok_or(FindKeyError::Unknown)
    }
}

/// Keys change every six weeks, and the old one is good for another week.
const REFRESH_EVERY: Duration = Duration::from_secs(3600);
const RETRY_AFTER: Duration = Duration::from_secs(60);
const UNKNOWN_EVERY: Duration = Duration::from_secs(60);
/// How long the last good set is believed while no reading succeeds.
const STALE_AFTER: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
