//! When octets last moved, for whoever waits only as long as some do.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The last time that something moved.
pub(crate) struct Moved(Mutex<Instant>);

impl Moved {
    /// Begins now.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Something moved.
    pub(crate) fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns once nothing has moved for this long.
    pub(crate) async fn rested(&self, patience: Duration) {
        loop {
            let last = self.last();
            sleep_until(last + patience).await;
            if self.last() == last {
                return;
            }
        }
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whatever_moves_now_and_then_does_not_rest() {
        let moved = Moved::new();
        let patience = Duration::from_secs(60);
        let moving = async {
            for _ in 0..10 {
                tokio::time::sleep(patience / 2).await;
                moved.now();
            }
        };
        tokio::select! {
            biased;
            () = moved.rested(patience) => panic!("it moves"),
            () = moving => {}
        }
        moved.rested(patience).await;
    }
}
