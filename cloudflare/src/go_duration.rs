//! Durations as Access writes them: Go's form, `24h` or `2h45m`.

use std::time::Duration;

/// Writes a duration in whole hours, minutes or seconds, whichever is the largest that fits.
pub fn to_go(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds % 3600, seconds % 60) {
        (0, _) => format!("{}h", seconds / 3600),
        (_, 0) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// Reads Go's form down to milliseconds; `None` where it is none, or shorter than that.
pub fn from_go(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let unit_end = tail
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        let part = number.parse::<f64>().ok()? * seconds;
        total = total.checked_add(Duration::try_from_secs_f64(part).ok()?)?;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

/// Whether two texts mean the same duration; texts that are none are compared as they are.
pub fn is_same(a: &str, b: &str) -> bool {
    match (from_go(a), from_go(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_compared_by_what_they_mean() {
        assert!(is_same("24h", "24h0m0s"));
        assert!(is_same("1440m", "24h"));
        assert!(!is_same("24h", "25h"));
        assert!(is_same("forever", "forever"));
        assert_eq!(from_go("2h45m"), Some(Duration::from_secs(9900)));
        assert_eq!(from_go("1.5h"), Some(Duration::from_secs(5400)));
        for text in ["", "1", "h", "1d", "1x", "-1h"] {
            assert_eq!(from_go(text), None, "{text}");
        }
    }

    #[test]
    fn the_largest_whole_unit_is_written() {
        assert_eq!(to_go(Duration::from_secs(86_400)), "24h");
        assert_eq!(to_go(Duration::from_secs(1800)), "30m");
        assert_eq!(to_go(Duration::from_secs(90)), "90s");
    }
}
