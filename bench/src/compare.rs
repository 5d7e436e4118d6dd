//! Rounds: each contender once in each, in rotating order, and the median of what they cost.

use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;

use crate::error::BenchError;
use crate::limit;
use crate::load::{Load, Tally, Work};
use crate::site::Site;
use crate::targets::Target;

/// A server and what it is given to do.
#[derive(Clone, Copy)]
pub(crate) struct Contender<'a> {
    pub(crate) target: &'a Target,
    pub(crate) work: Work,
}

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effort {
    pub(crate) rounds: u32,
    pub(crate) handshakes: u32,
    pub(crate) requests: u32,
    pub(crate) idle_connections: u32,
}

/// Several rounds of one figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// What one contender did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Operations per CPU second.
    pub(crate) rate: Summary,
    /// The share of handshakes that were resumed.
    pub(crate) resumed: f64,
}

impl Effort {
    fn operations(self, work: Work) -> u32 {
        match work {
            Work::Handshake { .. } => self.handshakes,
            Work::Request { .. } => self.requests,
        }
    }
}

impl Summary {
    /// # Panics
    /// Where nothing was measured.
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (figures.first(), figures.last()) else {
            panic!("there is at least one round");
        };
        let upper = figures.get(figures.len() / 2).unwrap_or(max);
        let lower = figures.get((figures.len() - 1) / 2).unwrap_or(min);
        Self {
            median: f64::midpoint(*lower, *upper),
            min: *min,
            max: *max,
        }
    }
}

/// Measures all contenders, and the limit in the same rounds.
pub(crate) async fn compare(
    contenders: &[Contender<'_>],
    effort: Effort,
    site: &Site,
) -> Result<(Vec<Outcome>, Summary), BenchError> {
    let mut rates = vec![Vec::new(); contenders.len()];
    let mut tallies = vec![Tally::default(); contenders.len()];
    let mut limits = Vec::new();
    let order: Vec<usize> = (0..contenders.len()).collect();
    for (round, first) in (0..effort.rounds).zip(order.iter().cycle()) {
        limits.push(limit::handshakes_per_cpu_second()?);
        for &at in order.iter().cycle().skip(*first).take(order.len()) {
            let (Some(contender), Some(rates), Some(tally)) =
                (contenders.get(at), rates.get_mut(at), tallies.get_mut(at))
            else {
                continue;
            };
            let measured = measure(*contender, effort, site).await;
            let (rate, done) = measured.map_err(|source| BenchError::Measuring {
                what: format!("{} in round {}", contender.target.kind, round + 1),
                source: Box::new(source),
            })?;
            rates.push(rate);
            tally.operations += done.operations;
            tally.resumed += done.resumed;
        }
    }
    let outcomes = rates
        .into_iter()
        .zip(tallies)
        .map(|(rates, tally)| Outcome {
            rate: Summary::of(rates),
            resumed: f64::from(tally.resumed) / f64::from(tally.operations),
        });
    Ok((outcomes.collect(), Summary::of(limits)))
}

async fn measure(
    contender: Contender<'_>,
    effort: Effort,
    site: &Site,
) -> Result<(f64, Tally), BenchError> {
    let Contender { target, work } = contender;
    let load = Load::prepare(work, effort.operations(work), target.address, site).await?;
    sleep(SETTLE).await;
    let before = target.processes().cpu_time()?;
    let tally = load.run(target.address).await?;
    sleep(SETTLE).await;
    let cost = target.processes().cpu_time()?.saturating_sub(before);
    Ok((f64::from(tally.operations) / cost.as_secs_f64(), tally))
}

/// Ends of connections and lines of the log belong to the operations before.
const SETTLE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_rounds_lies_between_the_middle_two() {
        let summary = Summary::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(
            summary,
            Summary {
                median: 2.5,
                min: 1.0,
                max: 4.0
            }
        );
        assert_eq!(Summary::of(vec![9.0, 1.0, 2.0]).median, 2.0);
    }
}
