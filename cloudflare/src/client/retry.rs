//! When a call that failed is sent again.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use super::Pace;
use super::call::Repeat;
use crate::error::ApiErrorKind;

/// What one call has left of patience.
#[derive(Debug)]
pub(super) struct Patience {
    repeat: Repeat,
    first: Duration,
    retries: u32,
    refusals: u32,
    held: Duration,
}

/// What to do about a failed try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// This call waits, then goes again.
    Wait(Duration),
    /// Every call waits, then this one goes again.
    HoldAll(Duration),
    /// The failure stands.
    GiveUp,
}

impl Patience {
    pub(super) fn new(repeat: Repeat, pace: &Pace) -> Self {
        Self {
            repeat,
            first: pace.retry,
            retries: 0,
            refusals: 0,
            held: Duration::ZERO,
        }
    }

    /// A POST is sent again only where the first one was surely not carried out: nobody was
    /// reached, or the limit refused it.
    pub(super) fn after(&mut self, failure: &ApiErrorKind) -> Next {
        match failure {
            ApiErrorKind::LimitReached { retry_after } => self.hold(*retry_after),
            ApiErrorKind::Unreachable(_) => self.back_off(),
            ApiErrorKind::NoAnswer(_) | ApiErrorKind::ServerFailed { .. } => match self.repeat {
                Repeat::Harmless => self.back_off(),
                Repeat::Never => Next::GiveUp,
            },
            ApiErrorKind::Unauthenticated(_)
            | ApiErrorKind::Forbidden(_)
            | ApiErrorKind::NotFound
            | ApiErrorKind::NotEnabled(_)
            | ApiErrorKind::SettingsBusy
            | ApiErrorKind::ActiveAssociations
            | ApiErrorKind::TokenInUse
            | ApiErrorKind::Conflict(_)
            | ApiErrorKind::Refused { .. }
            | ApiErrorKind::Unreadable(_) => Next::GiveUp,
        }
    }

    fn back_off(&mut self) -> Next {
        if self.retries == RETRIES {
            return Next::GiveUp;
        }
        let wait = self.first * 2_u32.pow(self.retries);
        self.retries += 1;
        Next::Wait(jittered(wait))
    }

    fn hold(&mut self, asked: Duration) -> Next {
        let wait = asked.max(self.first);
        let held = self.held.saturating_add(wait);
        if held > LONGEST_HOLD || self.refusals == REFUSALS {
            return Next::GiveUp;
        }
        self.refusals += 1;
        self.held = held;
        Next::HoldAll(wait)
    }
}

/// Between half of it and all of it, so that clients that failed together do not return together.
fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let percent = u32::try_from(random % 51).expect("it is below 51");
    wait * (50 + percent) / 100
}

const RETRIES: u32 = 3;
/// A server that refuses again and again, each time for a moment, ends here.
const REFUSALS: u32 = 10;
/// How long Cloudflare refuses everything to whoever went over the limit.
const LONGEST_HOLD: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(repeat: Repeat) -> Patience {
        Patience::new(repeat, &Pace::default())
    }

    fn limit(seconds: u64) -> ApiErrorKind {
        let retry_after = Duration::from_secs(seconds);
        ApiErrorKind::LimitReached { retry_after }
    }

    fn failures_that_leave_it_open() -> [ApiErrorKind; 2] {
        [
            ApiErrorKind::NoAnswer("cut".to_owned()),
            ApiErrorKind::ServerFailed {
                status: 502,
                message: String::new(),
            },
        ]
    }

    #[test]
    fn what_may_have_taken_effect_is_repeated_only_where_that_is_harmless() {
        for failure in failures_that_leave_it_open() {
            assert_eq!(patience(Repeat::Never).after(&failure), Next::GiveUp);
            let mut harmless = patience(Repeat::Harmless);
            for try_ in 0..RETRIES {
                let Next::Wait(wait) = harmless.after(&failure) else {
                    panic!("given up at try {try_}");
                };
                let most = Duration::from_millis(500) * 2_u32.pow(try_);
                assert!(wait >= most / 2 && wait <= most, "{wait:?} of {most:?}");
            }
            assert_eq!(harmless.after(&failure), Next::GiveUp);
        }
    }

    #[test]
    fn what_was_never_sent_is_repeated_whatever_it_is() {
        let failure = ApiErrorKind::Unreachable("refused".to_owned());
        let next = patience(Repeat::Never).after(&failure);
        assert!(matches!(next, Next::Wait(_)), "{next:?}");
    }

    #[test]
    fn the_limit_is_waited_for_up_to_300_s_in_all() {
        let mut patience = patience(Repeat::Never);
        let seconds = |n| Next::HoldAll(Duration::from_secs(n));
        assert_eq!(patience.after(&limit(200)), seconds(200));
        assert_eq!(patience.after(&limit(100)), seconds(100));
        assert_eq!(patience.after(&limit(1)), Next::GiveUp);
        let mut impatient = Patience::new(Repeat::Never, &Pace::default());
        assert_eq!(impatient.after(&limit(301)), Next::GiveUp);
    }

    #[test]
    fn a_limit_without_a_wait_does_not_spin() {
        let mut patience = patience(Repeat::Harmless);
        for _ in 0..REFUSALS {
            assert_eq!(
                patience.after(&limit(0)),
                Next::HoldAll(Duration::from_millis(500))
            );
        }
        assert_eq!(patience.after(&limit(0)), Next::GiveUp);
    }

    #[test]
    fn a_refusal_stands() {
        for failure in [
            ApiErrorKind::Forbidden(String::new()),
            ApiErrorKind::TokenInUse,
            ApiErrorKind::Unreadable(String::new()),
        ] {
            assert_eq!(patience(Repeat::Harmless).after(&failure), Next::GiveUp);
        }
    }
}
