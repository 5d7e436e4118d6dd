//! The one place where the command reads the clock, and how times are written.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{CommandError, Kind};

/// Seconds since 1970. A clock before that is taken for 1970, where no certificate is valid.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A clock that nobody set is found before anything is signed with it, or judged by it.
pub(crate) fn check_clock() -> Result<(), CommandError> {
    let now = now();
    if PLAUSIBLE.contains(&now) {
        return Ok(());
    }
    let message = format!("this machine's clock says {}: set it first", rfc3339(now));
    Err(CommandError::new(Kind::Failure, message))
}

/// RFC 3339, UTC.
pub(crate) fn rfc3339(seconds: u64) -> String {
    let time = OffsetDateTime::UNIX_EPOCH.checked_add(time::Duration::seconds(
        i64::try_from(seconds).unwrap_or(i64::MAX),
    ));
    time.and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| seconds.to_string())
}

/// Reads RFC 3339, or plain Unix seconds.
pub(crate) fn parse_rfc3339(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .and_then(|time| u64::try_from(time.unix_timestamp()).ok())
        .ok_or_else(|| format!("{text:?} is not a time: write 2030-01-31T12:00:00Z"))
}

/// `in 3 d`, `2 h ago`: what a person wants to know of a time.
pub(crate) fn relative(seconds: u64, now: u64) -> String {
    let span = |length: u64| match length {
        0..=119 => format!("{length} s"),
        120..=7_199 => format!("{} min", length / 60),
        7_200..=172_799 => format!("{} h", length / 3_600),
        _ => format!("{} d", length / 86_400),
    };
    if seconds > now {
        format!("in {}", span(seconds - now))
    } else {
        format!("{} ago", span(now - seconds))
    }
}

/// Reads a duration such as `30d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    postern_policy::parse_duration(text).map_err(|error| error.to_string())
}

/// 2024 to 2200.
const PLAUSIBLE: std::ops::Range<u64> = 1_704_067_200..7_258_118_400;
