//! How many calls may be sent: 1,200 in 5 minutes, counted over a sliding window.
//! <https://developers.cloudflare.com/fundamentals/api/reference/limits/>

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Pace;

/// The calls of the last window. Whoever goes over it is refused everything for 5 minutes, so a
/// call waits here rather than fails there.
#[derive(Debug)]
pub(super) struct Budget {
    calls: usize,
    window: Duration,
    sent: VecDeque<Instant>,
    held_until: Option<Instant>,
}

impl Budget {
    pub(super) fn new(pace: &Pace) -> Self {
        Self {
            calls: pace.calls.max(1),
            window: pace.window,
            sent: VecDeque::new(),
            held_until: None,
        }
    }

    /// Takes one call out of the budget, or says how long to wait before asking again.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if let Some(until) = self.held_until.filter(|until| *until > now) {
            return Err(until - now);
        }
        while self.sent.front().is_some_and(|at| *at + self.window <= now) {
            self.sent.pop_front();
        }
        match self.sent.front() {
            Some(oldest) if self.sent.len() >= self.calls => Err(*oldest + self.window - now),
            _ => {
                self.sent.push_back(now);
                Ok(())
            }
        }
    }

    /// Holds every call back until then: Cloudflare said so to one of them.
    pub(super) fn hold(&mut self, until: Instant) {
        self.held_until = self.held_until.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(calls: usize) -> Budget {
        Budget::new(&Pace {
            calls,
            window: Duration::from_secs(300),
            ..Pace::default()
        })
    }

    #[test]
    fn no_window_ever_holds_more_calls_than_the_limit() {
        let mut budget = budget(1_200);
        let start = Instant::now();
        let mut now = start;
        let mut sent = Vec::new();
        while sent.len() < 5_000 {
            match budget.take(now) {
                Ok(()) => sent.push(now),
                Err(wait) => now += wait,
            }
            now += Duration::from_millis(10);
        }
        for (at, window) in sent.windows(1_201).enumerate() {
            let length = window[1_200] - window[0];
            assert!(
                length >= Duration::from_secs(300),
                "at call {at}: {length:?}"
            );
        }
        // Four whole windows are waited for, and no more.
        assert!(now - start < Duration::from_secs(4 * 300 + 60));
    }

    #[test]
    fn a_call_that_waited_goes_when_the_oldest_leaves_the_window() {
        let mut budget = budget(2);
        let start = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(budget.take(start), Ok(()));
        assert_eq!(budget.take(start + second), Ok(()));
        assert_eq!(budget.take(start + 2 * second), Err(298 * second));
        assert_eq!(budget.take(start + 300 * second), Ok(()));
        assert_eq!(budget.take(start + 300 * second), Err(second));
    }

    #[test]
    fn a_hold_stops_every_call_until_its_end() {
        let mut budget = budget(2);
        let start = Instant::now();
        let second = Duration::from_secs(1);
        budget.hold(start + 10 * second);
        budget.hold(start + 5 * second);
        assert_eq!(budget.take(start), Err(10 * second));
        assert_eq!(budget.take(start + 10 * second), Ok(()));
    }
}
