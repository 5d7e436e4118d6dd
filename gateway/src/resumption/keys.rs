//! Which keys seal and open tickets now.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::UnixTime;

use super::key::{SECRET_LEN, Secret, TicketKey};

/// Where keys come from.
pub(crate) enum TicketKeys {
    Own(Arc<OwnKeys>),
    Shared(Arc<SharedKeys>),
}

/// Keys of this process: random, replaced every few hours, never written anywhere. A ticket is
/// opened for one to two of these periods.
#[derive(Default)]
pub(crate) struct OwnKeys(Mutex<Option<Period>>);

/// The key that seals now, and the one before it.
#[derive(Clone)]
struct Period {
    since: u64,
    current: Arc<TicketKey>,
    previous: Option<Arc<TicketKey>>,
}

/// Keys from a file that several gateways may have. The first one seals, all open. Never empty.
pub(crate) struct SharedKeys(Vec<Arc<TicketKey>>);

/// Why a text holds no keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SharedKeysError {
    /// Without a key nothing could be sealed.
    #[error("there is no key in it")]
    Empty,
    /// A line is something else.
    #[error("line {line} is not the base64 of {SECRET_LEN} octets")]
    NotAKey { line: usize },
    /// More than anybody rotates through.
    #[error("there are more than {MOST} keys in it")]
    TooMany,
}

impl TicketKeys {
    /// The key for tickets that are made now.
    pub(super) fn sealing(&self, now: UnixTime) -> Arc<TicketKey> {
        match self {
            Self::Own(own) => own.at(now).current,
            Self::Shared(shared) => {
                let first = shared.0.first();
                Arc::clone(first.expect("shared keys are never empty"))
            }
        }
    }

    /// The key that sealed this ticket, if it is still used.
    pub(super) fn opening(&self, ticket: &[u8], now: UnixTime) -> Option<Arc<TicketKey>> {
        match self {
            Self::Own(own) => {
                let Period {
                    current, previous, ..
                } = own.at(now);
                let keys = [Some(current), previous];
                keys.into_iter().flatten().find(|key| key.sealed(ticket))
            }
            Self::Shared(shared) => shared.0.iter().find(|key| key.sealed(ticket)).cloned(),
        }
    }
}

impl OwnKeys {
    fn at(&self, now: UnixTime) -> Period {
        let mut period = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match period.take() {
            Some(period) => period.at(now.as_secs()),
            None => Period::first(now.as_secs()),
        };
        period.insert(next).clone()
    }
}

impl Period {
    fn first(now: u64) -> Self {
        Self {
            since: now,
            current: Arc::new(TicketKey::random()),
            previous: None,
        }
    }

    /// The same one, or the one after it. Where the clock went back, or nobody came for long, there
    /// is no telling how old what was sealed is.
    fn at(self, now: u64) -> Self {
        match now.checked_sub(self.since) {
            Some(age) if age < PERIOD => self,
            Some(age) if age < 2 * PERIOD => Self {
                previous: Some(self.current),
                ..Self::first(now)
            },
            Some(_) | None => Self::first(now),
        }
    }
}

impl SharedKeys {
    /// Reads keys in base64, one a line.
    pub(crate) fn parse(text: &str) -> Result<Self, SharedKeysError> {
        let lines = text.lines().map(str::trim).zip(1..);
        let keys = lines
            .filter(|(line, _)| !line.is_empty())
            .map(|(line, number)| key(line).ok_or(SharedKeysError::NotAKey { line: number }))
            .collect::<Result<Vec<_>, _>>()?;
        match keys.len() {
            0 => Err(SharedKeysError::Empty),
            1..=MOST => Ok(Self(keys)),
            _ => Err(SharedKeysError::TooMany),
        }
    }
}

impl fmt::Debug for SharedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedKeys").finish_non_exhaustive()
    }
}

fn key(line: &str) -> Option<Arc<TicketKey>> {
    let mut secret = Secret::default();
    let length = STANDARD.decode_slice(line, &mut secret[..]).ok()?;
    (length == SECRET_LEN).then(|| Arc::new(TicketKey::new(&secret)))
}

/// Six hours, as rustls's own tickets.
const PERIOD: u64 = 6 * 60 * 60;
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn ticket(keys: &TicketKeys, now: u64) -> Vec<u8> {
        keys.sealing(at(now)).seal(b"", b"x".to_vec()).unwrap()
    }

    #[test]
    fn own_keys_are_replaced_and_open_for_one_more_period() {
        let keys = TicketKeys::Own(Arc::default());
        let start = 1_000_000;
        let first = ticket(&keys, start);
        let opens = |ticket: &[u8], now| keys.opening(ticket, at(now)).is_some();
        assert!(opens(&first, start + PERIOD - 1));
        assert!(opens(&first, start + PERIOD));
        let second = ticket(&keys, start + PERIOD);
        assert!(opens(&second, start + 2 * PERIOD));
        assert!(!opens(&first, start + 2 * PERIOD));
        assert!(!opens(&second, start + 4 * PERIOD), "nobody came for long");
        let third = ticket(&keys, start + 4 * PERIOD);
        assert!(!opens(&third, start), "the clock went back");
    }

    #[test]
    fn shared_keys_open_what_another_holder_sealed_and_the_first_one_seals() {
        let text = |secrets: &[u8]| {
            let lines = secrets.iter().map(|octet| STANDARD.encode([*octet; 32]));
            lines.map(|line| line + "\n").collect::<String>()
        };
        let keys = |secrets| {
            let shared = SharedKeys::parse(&text(secrets)).unwrap();
            TicketKeys::Shared(Arc::new(shared))
        };
        let ticket = ticket(&keys(&[1, 2]), 0);
        assert!(keys(&[3, 1]).opening(&ticket, at(0)).is_some());
        assert!(keys(&[2, 3]).opening(&ticket, at(0)).is_none());
        assert_eq!(
            SharedKeys::parse(&text(&[1; MOST + 1])).unwrap_err(),
            SharedKeysError::TooMany
        );
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_line() {
        let refused = |text: &str| SharedKeys::parse(text).unwrap_err();
        assert_eq!(refused(""), SharedKeysError::Empty);
        assert_eq!(refused("\n\n"), SharedKeysError::Empty);
        let good = STANDARD.encode([1; 32]);
        for bad in ["key", &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33])] {
            let text = format!("{good}\n{bad}\n");
            assert_eq!(refused(&text), SharedKeysError::NotAKey { line: 2 });
        }
    }
}
