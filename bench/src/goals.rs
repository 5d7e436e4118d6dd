//! What was promised, and whether it was kept.

use std::fmt;

use serde::Serialize;

/// One line of a promise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bar {
    /// At least so many times what this did.
    AtLeast(f64, Against),
    /// At most so much, in the row's own unit.
    AtMost(f64),
}

/// What ours is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    Nginx,
    Haproxy,
    /// Whichever of the two did more.
    BetterPeer,
    /// The public-key work alone.
    Limit,
    /// Ourselves, without what the row is about.
    Ourselves,
}

/// What must be, and what would be good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Goal {
    pub(crate) must: &'static [Bar],
    pub(crate) aim: &'static [Bar],
}

/// Medians of one row, as far as they were measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Medians {
    pub(crate) ours: f64,
    pub(crate) nginx: Option<f64>,
    pub(crate) haproxy: Option<f64>,
    pub(crate) limit: Option<f64>,
    pub(crate) ourselves: Option<f64>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    AimMet,
    MustMet,
    Missed,
    /// A peer is not installed.
    NotCompared,
}

impl Goal {
    /// Judges the medians.
    pub(crate) fn judge(&self, medians: &Medians) -> Verdict {
        let holds = |bars: &[Bar]| {
            let all: Option<Vec<bool>> = bars.iter().map(|bar| bar.holds(medians)).collect();
            all.map(|all| all.into_iter().all(|holds| holds))
        };
        match (holds(self.must), holds(self.aim)) {
            (Some(true), Some(true)) => Verdict::AimMet,
            (Some(true), Some(false) | None) => Verdict::MustMet,
            (Some(false), _) => Verdict::Missed,
            (None, _) => Verdict::NotCompared,
        }
    }
}

impl Bar {
    fn holds(self, medians: &Medians) -> Option<bool> {
        match self {
            Self::AtLeast(times, against) => Some(medians.ours >= times * medians.of(against)?),
            Self::AtMost(limit) => Some(medians.ours <= limit),
        }
    }
}

impl Medians {
    /// What ours is compared with, where it was measured.
    pub(crate) fn of(&self, against: Against) -> Option<f64> {
        match against {
            Against::Nginx => self.nginx,
            Against::Haproxy => self.haproxy,
            Against::BetterPeer => Some(self.nginx?.max(self.haproxy?)),
            Against::Limit => self.limit,
            Against::Ourselves => self.ourselves,
        }
    }
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::BetterPeer => "the better peer",
            Self::Limit => "the limit",
            Self::Ourselves => "our own",
        })
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(times, against @ (Against::Limit | Against::Ourselves)) => {
                write!(f, "{:.0} % of {against}", times * 100.0)
            }
            Self::AtLeast(
                times,
                against @ (Against::Nginx | Against::Haproxy | Against::BetterPeer),
            ) => write!(f, "{times:.1} × {against}"),
            Self::AtMost(limit) => write!(f, "at most {limit:.0}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AimMet => "aim met",
            Self::MustMet => "must met",
            Self::Missed => "MISSED",
            Self::NotCompared => "not compared",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOAL: Goal = Goal {
        must: &[
            Bar::AtLeast(4.0, Against::Nginx),
            Bar::AtLeast(0.5, Against::Limit),
        ],
        aim: &[Bar::AtLeast(5.0, Against::Nginx)],
    };

    fn medians(ours: f64, nginx: Option<f64>) -> Medians {
        Medians {
            ours,
            nginx,
            limit: Some(4_000.0),
            ..Medians::default()
        }
    }

    #[test]
    fn every_bar_of_the_must_has_to_hold() {
        assert_eq!(GOAL.judge(&medians(2_000.0, Some(500.0))), Verdict::MustMet);
        assert_eq!(GOAL.judge(&medians(2_500.0, Some(500.0))), Verdict::AimMet);
        // Four times nginx, and less than half of the limit.
        assert_eq!(GOAL.judge(&medians(1_900.0, Some(400.0))), Verdict::Missed);
    }

    #[test]
    fn a_peer_that_is_missing_is_not_beaten() {
        assert_eq!(GOAL.judge(&medians(9_000.0, None)), Verdict::NotCompared);
    }

    #[test]
    fn the_better_peer_is_the_faster_one() {
        let medians = Medians {
            ours: 1.0,
            nginx: Some(2.0),
            haproxy: Some(3.0),
            ..Medians::default()
        };
        assert_eq!(medians.of(Against::BetterPeer), Some(3.0));
    }
}
