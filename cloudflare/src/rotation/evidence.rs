//! Whether an old secret may be retired: the new one is in use, the old one is quiet.

/// When one log last saw the two secrets admitted, Unix seconds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sighting {
    /// Which log.
    pub source: String,
    /// When the log begins; of what was before, it knows nothing. None: before all that matters.
    pub since: Option<u64>,
    /// The new secret.
    pub new: Option<u64>,
    /// The old one.
    pub old: Option<u64>,
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
/// must have passed since the delivery.
pub fn judge(sightings: &[Sighting], delivered_at: u64, quiet_for: u64, now: u64) -> Judgement {
    if sightings.is_empty() {
        return Judgement::Waiting("no log tells the two secrets apart".to_owned());
    }
    let since = now.saturating_sub(quiet_for);
    let restless = sightings
        .iter()
        .filter_map(|sighting| Some((sighting, sighting.old?)))
        .find(|(_, old)| *old > since);
    if let Some((sighting, old)) = restless {
        return Judgement::Waiting(format!(
            "{} saw the old secret {} s ago, and quiet is {quiet_for} s",
            sighting.source,
            now.saturating_sub(old)
        ));
    }
    let short = sightings
        .iter()
        .filter_map(|sighting| Some((sighting, sighting.since?)))
        .find(|(_, begins)| *begins > since);
    if let Some((sighting, begins)) = short {
        return Judgement::Waiting(format!(
            "{} begin {} s ago, and quiet is {quiet_for} s: the older file may know more",
            sighting.source,
            now.saturating_sub(begins)
        ));
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
    if delivered_at > since {
        return Judgement::Waiting(format!(
            "the new secret was delivered {} s ago, and the old one must be quiet for {quiet_for} s",
            now.saturating_sub(delivered_at)
        ));
    }
    Judgement::Sufficient(format!(
        "{} saw the new secret, and nobody the old one for {quiet_for} s",
        seen.source
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(new: Option<u64>, old: Option<u64>) -> Sighting {
        Sighting {
            source: String::from("the gateway"),
            since: None,
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
    fn a_log_that_begins_within_the_quiet_time_proves_no_quiet() {
        let begins = |at| Sighting {
            since: Some(at),
            ..seen(Some(1950), None)
        };
        assert!(!is_sufficient(&[begins(1901)]));
        assert!(is_sufficient(&[begins(1900)]));
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
}
