//! How long a source may be silent, and what its silence means.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use postern_pki::{IssuerId, RevocationIndex, WhenStale};

/// One source as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceSettings {
    /// A directory, or a glob of files.
    pub(crate) path: PathBuf,
    pub(crate) terms: Terms,
}

/// What is asked of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// It counts as stale when nothing new was heard of it for longer.
    pub(crate) max_silence: Option<Duration>,
    /// Instead of what holds for all sources.
    pub(crate) when_stale: Option<WhenStale>,
}

impl Terms {
    /// Until when it is fresh that was last heard of then; nothing where silence is no matter.
    pub(super) fn fresh_until(self, heard: u64) -> Option<u64> {
        Some(heard.saturating_add(self.max_silence?.as_secs()))
    }

    /// Says so before the silence is too long, and from then on. The same words each second.
    pub(super) fn alarm(self, age: Duration) -> Option<String> {
        let longest = self.max_silence?;
        let seconds = longest.as_secs();
        if age > longest {
            Some(format!(
                "nothing new for longer than `max_silence` ({seconds} s): it is stale; is it still \
                 published, and copied to here?"
            ))
        } else if age > longest / 4 * 3 {
            Some(format!(
                "nothing new for three quarters of `max_silence` ({seconds} s): soon it is stale; is \
                 it still published, and copied to here?"
            ))
        } else {
            None
        }
    }
}

/// What holds for each issuer, over all sources that speak for it.
#[derive(Default)]
pub(super) struct IssuerTerms {
    by_issuer: HashMap<IssuerId, Held>,
}

#[derive(Clone, Copy)]
struct Held {
    fresh_until: Option<u64>,
    when_stale: Option<WhenStale>,
}

impl IssuerTerms {
    /// One more source speaks for this issuer. It is fresh while one of them is; it admits when it
    /// is stale where all of them say so, and refuses where one does.
    pub(super) fn add(&mut self, issuer: IssuerId, terms: Terms, heard: u64) {
        let new = Held {
            fresh_until: terms.fresh_until(heard),
            when_stale: terms.when_stale,
        };
        let held = self.by_issuer.entry(issuer).or_insert(new);
        let both = held.fresh_until.zip(new.fresh_until);
        held.fresh_until = both.map(|(one, other)| one.max(other));
        held.when_stale = match (held.when_stale, new.when_stale) {
            (Some(WhenStale::Refuse), _) | (_, Some(WhenStale::Refuse)) => Some(WhenStale::Refuse),
            (Some(WhenStale::Admit), Some(WhenStale::Admit)) => Some(WhenStale::Admit),
            (None, _) | (_, None) => None,
        };
    }

    /// The index under these terms.
    pub(super) fn apply(self, index: RevocationIndex) -> RevocationIndex {
        let held = self.by_issuer.into_iter();
        held.fold(index, |index, (issuer, held)| {
            index.with_terms(issuer, held.fresh_until, held.when_stale)
        })
    }
}

#[cfg(test)]
mod tests {
    use postern_policy::Fingerprint;

    use super::*;

    fn terms(seconds: Option<u64>, when_stale: Option<WhenStale>) -> Terms {
        Terms {
            max_silence: seconds.map(Duration::from_secs),
            when_stale,
        }
    }

    #[test]
    fn the_alarm_comes_at_three_quarters_and_stays() {
        let hour = terms(Some(3600), None);
        let at = |seconds| hour.alarm(Duration::from_secs(seconds));
        assert_eq!(at(2700), None);
        assert!(at(2701).unwrap().contains("soon it is stale"));
        assert!(at(3601).unwrap().contains("it is stale"));
        assert_eq!(terms(None, None).alarm(Duration::MAX), None);
    }

    #[test]
    fn of_two_sources_of_an_issuer_the_fresher_counts_and_the_stricter() {
        let (admit, refuse) = (Some(WhenStale::Admit), Some(WhenStale::Refuse));
        let issuer = IssuerId::new(Fingerprint::from([1; 32]));
        for (one, other, fresh_until, when_stale) in [
            (
                terms(Some(10), admit),
                terms(Some(20), admit),
                Some(120),
                admit,
            ),
            (terms(Some(10), admit), terms(None, None), None, None),
            (
                terms(Some(10), refuse),
                terms(Some(5), None),
                Some(110),
                refuse,
            ),
            (
                terms(Some(10), admit),
                terms(Some(5), refuse),
                Some(110),
                refuse,
            ),
        ] {
            let mut all = IssuerTerms::default();
            all.add(issuer, one, 100);
            all.add(issuer, other, 100);
            let held = all.by_issuer[&issuer];
            assert_eq!(
                (held.fresh_until, held.when_stale),
                (fresh_until, when_stale)
            );
        }
    }
}
