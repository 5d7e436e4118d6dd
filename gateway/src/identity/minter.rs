//! Signs what `Cf-Access-Jwt-Assertion` carries, once for somebody and an audience and not for every
//! request.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_policy::Audience;
use quick_cache::sync::{Cache, EntryAction, EntryResult};
use serde::Serialize;

use super::key_folder::{KeyFolder, KeyFolderError};
use super::keys::Keys;
use super::subject::Subject;
use crate::settings::{AssertionSettings, Settings};

/// Where keys come from.
#[derive(Clone)]
pub(crate) enum KeySource {
    /// The operator's files: they are replaced by a reload.
    Files(Arc<Keys>),
    /// Our own, in the state folder: they are replaced in time.
    Made { rotate_every: Duration },
}

/// Makes assertions.
pub(crate) struct Minter {
    issuer: String,
    /// Where keys are made; none where they are given.
    folder: Option<KeyFolder>,
    keys: ArcSwap<Keys>,
    minted: Cache<(Subject, Audience), Minted>,
    alarm: Mutex<Option<String>>,
}

/// A signed assertion, and the seconds in which it is given out.
#[derive(Clone)]
struct Minted {
    assertion: Arc<str>,
    from: u64,
    /// Half of its life is over.
    until: u64,
}

/// The claims of an application token of Access for somebody who is no person.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a [String],
    iat: u64,
    nbf: u64,
    exp: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    sub: &'static str,
    common_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
}

/// RFC 8705 section 3.1.
#[derive(Serialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    thumbprint: String,
}

impl Minter {
    /// The one that the settings ask for.
    pub(crate) fn for_settings(
        settings: &Settings,
        now: u64,
    ) -> Result<Option<Arc<Self>>, KeyFolderError> {
        let open = |signed: &AssertionSettings| Self::open(signed, &settings.state, now);
        let minter = settings.assertions.as_ref().map(open).transpose()?;
        Ok(minter.map(Arc::new))
    }

    /// Reads the keys, and makes the first where there is none yet.
    fn open(settings: &AssertionSettings, state: &Path, now: u64) -> Result<Self, KeyFolderError> {
        let issuer = settings.issuer.clone();
        let (folder, keys) = match &settings.keys {
            KeySource::Files(keys) => (None, Arc::clone(keys)),
            KeySource::Made { rotate_every } => {
                let folder = KeyFolder::new(state, *rotate_every);
                let keys = Arc::new(folder.keep(&issuer, now)?);
                (Some(folder), keys)
            }
        };
        Ok(Self {
            issuer,
            folder,
            keys: ArcSwap::new(keys),
            minted: Cache::new(MAX_MINTED),
            alarm: Mutex::default(),
        })
    }

    /// Makes the key that is due and removes those that are spent; blocks. One that cannot be made
    /// leaves those that are there.
    pub(crate) fn keep_keys(&self, now: u64) {
        let Some(folder) = &self.folder else {
            return;
        };
        let alarm = match folder.keep(&self.issuer, now) {
            Ok(keys) => {
                self.keys.store(Arc::new(keys));
                None
            }
            Err(why) => Some(why.to_string()),
        };
        *self.alarm.lock().unwrap_or_else(PoisonError::into_inner) = alarm;
    }

    /// What is wrong with the keys, if anything.
    pub(crate) fn alarm(&self) -> Option<String> {
        let alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        alarm.clone()
    }

    /// The keys of this moment.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        self.keys.load_full()
    }

    /// An assertion about `subject` for `audience`: the one that was signed before, while at least
    /// half of its life is left.
    pub(crate) fn assertion(&self, subject: Subject, audience: &Audience, now: u64) -> Arc<str> {
        let key = (subject, audience.clone());
        let fresh = |_: &_, minted: &mut Minted| {
            if (minted.from..minted.until).contains(&now) {
                EntryAction::Retain(Arc::clone(&minted.assertion))
            } else {
                EntryAction::ReplaceWithGuard
            }
        };
        match self.minted.entry(&key, None, fresh) {
            EntryResult::Retained(assertion) => assertion,
            EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) => {
                let minted = self.mint(&key.0, audience, now);
                let assertion = Arc::clone(&minted.assertion);
                // Refused only where somebody removed the place meanwhile: then the next one signs.
                guard.insert(minted).ok();
                assertion
            }
            // Never without a time limit, and never by `fresh`; correct all the same.
            EntryResult::Removed(..) | EntryResult::Timeout => {
                self.mint(&key.0, audience, now).assertion
            }
        }
    }

    fn mint(&self, subject: &Subject, audience: &Audience, now: u64) -> Minted {
        // The upstream's clock may be a little behind ours.
        let iat = now.saturating_sub(SKEW);
        let exp = (iat + LIFETIME).min(subject.not_after);
        let cnf = subject.certificate.map(|fingerprint| Confirmation {
            thumbprint: URL_SAFE_NO_PAD.encode(fingerprint.as_bytes()),
        });
        let claims = Claims {
            iss: &self.issuer,
            aud: audience.values(),
            iat,
            nbf: iat,
            exp,
            kind: "app",
            sub: "",
            common_name: &subject.common_name,
            cnf,
        };
        Minted {
            assertion: self.keys.load().signing().sign(&claims).into(),
            from: now,
            until: exp.saturating_sub(LIFETIME / 2).max(now + 1),
        }
    }
}

/// From `iat` to `exp`.
const LIFETIME: u64 = 60;
const SKEW: u64 = 5;
/// About a kilobyte each.
const MAX_MINTED: usize = 16 * 1024;

#[cfg(test)]
mod tests;
