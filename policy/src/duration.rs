//! Durations as people write them.

use std::time::Duration;

use thiserror::Error;

/// Reads a duration such as `90s`, `30m`, `24h`, `365d`, `2w` or `1h30m`: largest unit first, each
/// once.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError { text: text.into() };
    let mut seconds = 0_u64;
    let mut above = u64::MAX;
    let mut rest = text;
    while let Some(end) = rest.find(|c: char| !c.is_ascii_digit()) {
        let (digits, tail) = rest.split_at(end);
        let unit = tail
            .chars()
            .next()
            .and_then(seconds_of)
            .filter(|&unit| unit < above)
            .ok_or_else(error)?;
        let count: u64 = digits.parse().map_err(|_| error())?;
        let part = count.checked_mul(unit);
        seconds = part
            .and_then(|part| seconds.checked_add(part))
            .filter(|&s| s <= MAX_SECONDS)
            .ok_or_else(error)?;
        above = unit;
        rest = tail.get(1..).unwrap_or_default();
    }
    // Digits without a unit are left over, or there was nothing at all.
    if !rest.is_empty() || text.is_empty() {
        return Err(error());
    }
    Ok(Duration::from_secs(seconds))
}

fn seconds_of(unit: char) -> Option<u64> {
    match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(60 * 60),
        'd' => Some(DAY),
        'w' => Some(7 * DAY),
        _ => None,
    }
}

/// A text is not a duration.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{}` is not a duration: write a whole number and a unit, for example \"90s\", \"30m\", \"24h\", \"365d\" or \"2w\"", .text.escape_debug())]
pub struct DurationError {
    /// What was written.
    pub text: String,
}

const DAY: u64 = 24 * 60 * 60;

/// A thousand years: longer is a mistake, and the sum of it and any time still fits everywhere.
const MAX_SECONDS: u64 = 1000 * 366 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_a_duration() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1800),
            ("24h", 86_400),
            ("365d", 31_536_000),
            ("2w", 1_209_600),
            ("0s", 0),
            ("1h30m", 5400),
            ("1w1d1h1m1s", 694_861),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "1",
            "s",
            "1x",
            "1.5h",
            "-1s",
            "+1s",
            "1 s",
            " 1s",
            "1s ",
            "30m1h",
            "1h1h",
            "1y",
            "1H",
            "99999999999999999999s",
            "18446744073709551615w",
            "400000d",
            "1d2",
            "٣s",
            "1é",
        ] {
            assert_eq!(
                parse_duration(text),
                Err(DurationError { text: text.into() }),
                "{text}"
            );
        }
    }
}
