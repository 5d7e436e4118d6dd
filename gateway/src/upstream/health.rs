//! Whether a server can be connected to, as its requests find out, and whether it says it is well,
//! where it is asked.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What the last connections to one server came to.
#[derive(Default)]
pub(super) struct Health(Mutex<Record>);

#[derive(Default)]
struct Record {
    failures: u32,
    out_until: Option<Instant>,
    /// Questions in a row that were not answered as they should.
    unwell: u32,
}

impl Health {
    /// Whether a request may go there. Where the pause after failures is over, one request may, to
    /// find out; the others wait for what it finds.
    pub(super) fn admits(&self) -> bool {
        let mut record = self.lock();
        if record.unwell >= UNWELL {
            return false;
        }
        let now = Instant::now();
        match record.out_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                record.out_until = Some(now + PAUSE);
                true
            }
        }
    }

    /// A connection was there. Whether it was missing until now.
    pub(super) fn connected(&self) -> bool {
        let mut record = self.lock();
        record.failures = 0;
        record.out_until.take().is_some()
    }

    /// There was none. Whether that is one too many, for the first time.
    pub(super) fn failed(&self) -> bool {
        let mut record = self.lock();
        record.failures = record.failures.saturating_add(1);
        if record.failures < FAILURES {
            return false;
        }
        record.out_until.replace(Instant::now() + PAUSE).is_none()
    }

    /// It was asked whether it is well. Whether that changes what is thought of it.
    pub(super) fn asked(&self, is_well: bool) -> bool {
        let mut record = self.lock();
        let before = record.unwell >= UNWELL;
        record.unwell = if is_well {
            0
        } else {
            record.unwell.saturating_add(1)
        };
        before != (record.unwell >= UNWELL)
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In a row.
const FAILURES: u32 = 3;
const UNWELL: u32 = 2;
const PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bad_answers_take_a_server_out_and_a_good_one_brings_it_back() {
        let health = Health::default();
        assert!(!health.asked(false) && health.admits());
        assert!(!health.asked(true) && !health.asked(false) && health.admits());
        assert!(health.asked(false) && !health.admits());
        // A connection alone does not say that it is well.
        assert!(!health.connected() && !health.admits());
        assert!(!health.asked(false));
        assert!(health.asked(true) && health.admits());
    }

    #[tokio::test(start_paused = true)]
    async fn three_failures_in_a_row_take_a_server_out_and_one_request_asks_for_it_again() {
        let health = Health::default();
        assert!(!health.failed() && !health.failed() && health.admits());
        assert!(!health.connected());
        assert!(!health.failed() && !health.failed() && health.admits());
        assert!(health.failed());
        assert!(!health.admits());
        tokio::time::advance(PAUSE).await;
        assert!(health.admits());
        assert!(!health.admits());
        assert!(!health.failed());
        tokio::time::advance(PAUSE).await;
        assert!(health.admits());
        assert!(health.connected());
        assert!(health.admits() && health.admits());
    }
}
