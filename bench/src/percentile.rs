//! Times, from the shortest to the longest.

use std::time::Duration;

use serde::Serialize;

/// Milliseconds of many times the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Percentiles {
    /// By nearest rank: a time that was measured, never one between two. None of none.
    pub(crate) fn of(times: &[Duration]) -> Option<Self> {
        let mut sorted: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let rank = |per_mille: usize| {
            let rank = (count * per_mille).div_ceil(1000).max(1);
            sorted.get(rank - 1).copied()
        };
        Some(Self {
            count,
            p50: rank(500)?,
            p99: rank(990)?,
            p999: rank(999)?,
            max: rank(1000)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_times_the_p99_is_the_second_longest() {
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        let found = Percentiles::of(&times).unwrap();
        assert_eq!((found.p50, found.p99, found.max), (50.0, 99.0, 100.0));
        assert_eq!(found.p999, 100.0);
    }

    #[test]
    fn of_no_times_there_is_nothing_to_say() {
        assert_eq!(Percentiles::of(&[]), None);
    }
}
