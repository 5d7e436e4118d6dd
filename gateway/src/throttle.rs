//! Wrong tokens, slowed down by where they come from and by whose they pretend to be.
//!
//! Asked only after a token was found wrong: the right one gets in however many wrong ones came
//! before it, so nobody locks a client out by guessing in its name or from behind its address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use postern_policy::TokenName;

use crate::networks::own_network;

/// What wrong tokens are counted by.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    /// What one client has to itself.
    Address(IpAddr),
    /// A token that exists; ids that do not would be a list that strangers write.
    Token(TokenName),
}

/// How many wrong ones came lately. Each key has the time at which its account is even again: the
/// generic cell rate algorithm, one number a key.
#[derive(Default)]
pub(crate) struct Throttle {
    even_at: Mutex<HashMap<Key, Instant>>,
}

impl Throttle {
    /// Counts a wrong token. How long to wait, where there were too many.
    pub(crate) fn wrong(
        &self,
        address: IpAddr,
        token: Option<&TokenName>,
        now: Instant,
    ) -> Result<(), Duration> {
        let keys = [
            Some(Key::Address(own_network(address))),
            token.map(|name| Key::Token(name.clone())),
        ];
        let mut even_at = self.even_at.lock().unwrap_or_else(PoisonError::into_inner);
        if even_at.len() >= BOUND {
            even_at.retain(|_, even| *even > now);
        }
        let waits = keys.into_iter().flatten().filter_map(|key| {
            // Full of those that came lately: whoever is new here waits with them.
            if even_at.len() >= BOUND && !even_at.contains_key(&key) {
                return Some(INTERVAL);
            }
            let even = even_at.entry(key).or_insert(now);
            let next = (*even).max(now) + INTERVAL;
            let ahead = next.duration_since(now);
            if ahead > INTERVAL * BURST {
                return Some(ahead - INTERVAL * BURST);
            }
            *even = next;
            None
        });
        waits.max().map_or(Ok(()), Err)
    }
}

/// A hundred a minute, and as many at once: many clients may share an address.
const INTERVAL: Duration = Duration::from_millis(600);
const BURST: u32 = 100;
/// A few megabytes at most.
const BOUND: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> TokenName {
        TokenName::parse(text).unwrap()
    }

    fn many() -> usize {
        usize::try_from(BURST).unwrap()
    }

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_burst_is_answered_and_then_one_at_a_time() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for _ in 0..BURST {
            assert_eq!(throttle.wrong(v4(1), None, start), Ok(()));
        }
        assert_eq!(throttle.wrong(v4(1), None, start), Err(INTERVAL));
        assert_eq!(throttle.wrong(v4(2), None, start), Ok(()), "somebody else");
        let later = start + INTERVAL;
        assert_eq!(throttle.wrong(v4(1), None, later), Ok(()));
        assert_eq!(throttle.wrong(v4(1), None, later), Err(INTERVAL));
        let quiet = start + INTERVAL * (2 * BURST);
        for _ in 0..BURST {
            assert_eq!(throttle.wrong(v4(1), None, quiet), Ok(()));
        }
    }

    #[test]
    fn one_token_is_counted_from_wherever_it_is_guessed() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let guessed = name("ci-deploy-prod");
        for last in (0..).take(many()) {
            assert_eq!(throttle.wrong(v4(last), Some(&guessed), now), Ok(()));
        }
        assert!(throttle.wrong(v4(99), Some(&guessed), now).is_err());
        assert_eq!(
            throttle.wrong(v4(98), Some(&name("ci-other-prod")), now),
            Ok(())
        );
    }

    #[test]
    fn a_host_cannot_walk_through_its_own_network() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let host = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        for last in (0..).take(many()) {
            assert_eq!(throttle.wrong(host(last), None, now), Ok(()));
        }
        assert!(throttle.wrong(host(9999), None, now).is_err());
    }

    #[test]
    fn the_memory_is_bounded_and_whoever_is_known_is_told_apart_still() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let address = |n: usize| IpAddr::from(u32::try_from(n).unwrap().to_be_bytes());
        for n in 0..BOUND + 100 {
            let new = throttle.wrong(address(n), None, now);
            assert_eq!(new.is_ok(), n < BOUND, "{n}");
        }
        assert_eq!(throttle.even_at.lock().unwrap().len(), BOUND);
        assert_eq!(throttle.wrong(address(0), None, now), Ok(()));
        assert_eq!(
            throttle.wrong(address(BOUND), None, now + INTERVAL * 2),
            Ok(())
        );
    }
}
