//! Whether an old secret may be retired: the new one is in use, the old one is quiet.

/// When one log last saw the two secrets admitted, Unix seconds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sighting {
    /// Which log.
    pub source: String,
    /// What its silence is worth.
    pub coverage: Coverage,
    /// The new secret.
    pub new: Option<u64>,
    /// The old one.
    pub old: Option<u64>,
}

/// What the silence of a log is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coverage {
    /// It has every request since then, Unix seconds; of what was before, nothing is known.
    Since(u64),
    /// It has some requests: what is not in it may have been.
    Sampled,
}

/// What the evidence amounts to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Judgement {
    /// The old secret may go; on these grounds.
    Sufficient(String),
    /// It may not yet; for this reason.
    Waiting(String),
}

/// Judges what the logs saw. What no log saw is unknown, and unknown waits: one log must have
/// seen the new secret since it was delivered, and none the old one for `quiet_for` seconds, which
/// must have passed since the delivery and be in the logs as a whole.
pub fn judge(sightings: &[Sighting], delivered_at: u64, quiet_for: u64, now: u64) -> Judgement {
    if sightings.is_empty() {
        return Judgement::Waiting("no log tells the two secrets apart".to_owned());
    }
    if let Some(why) = not_quiet(sightings, quiet_for, now) {
        return Judgement::Waiting(why);
    }
    let seen = sightings
        .iter()
        .find(|sighting| sighting.new.is_some_and(|new| new >= delivered_at));
    let Some(seen) = seen else {
        let sources: Vec<&str> = sightings.iter().map(|it| it.source.as_str()).collect();
        return Judgement::Waiting(format!(
            "{} did not see the new secret since it was delivered",
            sources.join(", ")
        ));
    };
    if delivered_at > now.saturating_sub(quiet_for) {
        return Judgement::Waiting(format!(
            "the new secret was delivered {} s ago, and the old one must be quiet for {quiet_for} s",
            now.saturating_sub(delivered_at)
        ));
    }
    let looked_at: Vec<String> = sightings.iter().map(|it| it.extent(now)).collect();
    Judgement::Sufficient(format!(
        "{} saw the new secret, and nobody the old one for {quiet_for} s; looked at: {}",
        seen.source,
        looked_at.join(", ")
    ))
}

impl Sighting {
    /// The log with what its silence is worth, for whoever reads the record.
    fn extent(&self, now: u64) -> String {
        match self.coverage {
            Coverage::Since(begin) => {
                format!(
                    "{} of the last {} s",
                    self.source,
                    now.saturating_sub(begin)
                )
            }
            Coverage::Sampled => format!(
                "{} (sampled: its silence alone proves nothing)",
                self.source
            ),
        }
    }
}

/// Why the logs do not show that the old secret was quiet for `quiet_for` seconds; nothing where
/// they do.
pub fn not_quiet(sightings: &[Sighting], quiet_for: u64, now: u64) -> Option<String> {
    let since = now.saturating_sub(quiet_for);
    sightings.iter().find_map(|sighting| {
        if let Some(old) = sighting.old.filter(|old| *old > since) {
            return Some(format!(
                "{} saw the old secret {} s ago, and quiet is {quiet_for} s",
                sighting.source,
                now.saturating_sub(old)
            ));
        }
        match sighting.coverage {
            Coverage::Since(begin) if begin > since => Some(format!(
                "{} begin {} s ago, and what was before is not known: quiet is {quiet_for} s",
                sighting.source,
                now.saturating_sub(begin)
            )),
            Coverage::Since(_) | Coverage::Sampled => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(new: Option<u64>, old: Option<u64>) -> Sighting {
        Sighting {
            source: String::from("the gateway"),
            coverage: Coverage::Since(0),
            new,
            old,
        }
    }

    fn is_sufficient(sightings: &[Sighting]) -> bool {
        // Delivered at 1000, quiet for 100 s, and it is 2000 now.
        matches!(judge(sightings, 1000, 100, 2000), Judgement::Sufficient(_))
    }

    #[test]
    fn the_old_secret_goes_when_the_new_one_is_seen_and_the_old_one_is_quiet() {
        assert!(is_sufficient(&[seen(Some(1500), Some(1900))]));
        assert!(is_sufficient(&[seen(Some(1000), None)]));
        assert!(is_sufficient(&[seen(None, None), seen(Some(1999), None)]));
    }

    #[test]
    fn what_is_not_known_waits() {
        assert!(!is_sufficient(&[]));
        assert!(
            !is_sufficient(&[seen(None, None)]),
            "nobody uses the new one"
        );
        assert!(
            !is_sufficient(&[seen(Some(999), None)]),
            "before the delivery"
        );
        assert!(
            !is_sufficient(&[seen(Some(1500), Some(1901))]),
            "the old one is in use"
        );
        let other = [seen(Some(1500), None), seen(None, Some(1950))];
        assert!(!is_sufficient(&other), "one log saw the old one");
        let early = judge(&[seen(Some(1990), None)], 1950, 100, 2000);
        assert!(
            matches!(early, Judgement::Waiting(_)),
            "too early to call it quiet"
        );
    }

    #[test]
    fn a_log_that_begins_within_the_quiet_time_proves_no_quiet() {
        let begun = |at| Sighting {
            coverage: Coverage::Since(at),
            ..seen(Some(1950), None)
        };
        assert!(is_sufficient(&[begun(1900)]));
        assert!(!is_sufficient(&[begun(1901)]), "rotated away 99 s ago");
        assert!(!is_sufficient(&[begun(2000), seen(Some(1950), None)]));
    }

    #[test]
    fn what_the_silence_of_each_log_is_worth_is_in_the_evidence() {
        let sampled = Sighting {
            source: String::from("the edge"),
            coverage: Coverage::Sampled,
            ..seen(Some(1500), None)
        };
        let begun = Sighting {
            coverage: Coverage::Since(1200),
            ..seen(None, None)
        };
        let grounds = match judge(&[sampled, begun], 1000, 100, 2000) {
            Judgement::Sufficient(grounds) => grounds,
            Judgement::Waiting(why) => panic!("{why}"),
        };
        assert!(grounds.contains("the edge (sampled:"), "{grounds}");
        assert!(
            grounds.contains("the gateway of the last 800 s"),
            "{grounds}"
        );
    }
}
