//! Limits in time and size; the libraries below have none by default.

use std::time::Duration;

use postern_policy::config::ConfigError;
use postern_policy::parse_duration;
use toml::Spanned;

use super::error;
use crate::config::LimitsConfig;

/// What one client, and all of them together, may take of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) handshake_timeout: Duration,
    pub(crate) header_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) upstream_timeout: Duration,
    pub(crate) max_age: Duration,
    pub(crate) max_resumption: Duration,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    pub(crate) max_handshakes: usize,
    pub(crate) max_header_bytes: u32,
}

impl Limits {
    /// Checks `[gateway.limits]`.
    pub(super) fn load(config: &LimitsConfig) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut seconds = |value: &Option<Spanned<String>>, default| {
            duration(value.as_ref(), Duration::from_secs(default)).unwrap_or_else(|found| {
                errors.extend(found);
                Duration::ZERO
            })
        };
        let mut limits = Self {
            handshake_timeout: seconds(&config.handshake_timeout, 10),
            header_timeout: seconds(&config.header_timeout, 10),
            idle_timeout: seconds(&config.idle_timeout, 60),
            connect_timeout: seconds(&config.connect_timeout, 5),
            upstream_timeout: seconds(&config.upstream_timeout, 60),
            max_age: seconds(&config.max_age, 3600),
            max_resumption: seconds(&config.max_resumption, 12 * 3600),
            max_connections: 10_000,
            max_connections_per_address: 1000,
            max_handshakes: 512,
            max_header_bytes: 32 * 1024,
        };
        let mut count = |value: &Option<Spanned<usize>>, into: &mut usize| {
            let Some(value) = value else { return };
            if (1..=MAX_COUNT).contains(value.get_ref()) {
                *into = *value.get_ref();
            } else {
                let message = format!("{} is not between 1 and {MAX_COUNT}", value.get_ref());
                errors.extend(error(value, message, "leave the limit out for its default"));
            }
        };
        count(&config.max_connections, &mut limits.max_connections);
        count(
            &config.max_connections_per_address,
            &mut limits.max_connections_per_address,
        );
        count(&config.max_handshakes, &mut limits.max_handshakes);
        if let Some(value) = &config.max_header_bytes {
            if (MIN_HEADER..=MAX_HEADER).contains(value.get_ref()) {
                limits.max_header_bytes = *value.get_ref();
            } else {
                let message = format!(
                    "`max_header_bytes` is {}, not between {MIN_HEADER} and {MAX_HEADER}",
                    value.get_ref()
                );
                errors.extend(error(value, message, "leave it out for 32768"));
            }
        }
        if errors.is_empty() {
            Ok(limits)
        } else {
            Err(errors)
        }
    }
}

/// A positive duration such as `"30s"`, or the default where nothing is written.
pub(super) fn duration(
    value: Option<&Spanned<String>>,
    default: Duration,
) -> Result<Duration, Vec<ConfigError>> {
    let Some(value) = value else {
        return Ok(default);
    };
    let hint = "write a number and a unit: \"30s\", \"5m\", \"1h\"";
    match parse_duration(value.get_ref()) {
        Ok(duration) if duration.is_zero() => Err(error(
            value,
            "the duration is zero, which nothing could meet".to_owned(),
            hint,
        )),
        Ok(duration) => Ok(duration),
        Err(why) => Err(error(
            value,
            format!("{:?} is no duration: {why}", value.get_ref()),
            hint,
        )),
    }
}

const MAX_COUNT: usize = 1_000_000;
const MIN_HEADER: u32 = 8 * 1024;
const MAX_HEADER: u32 = 1024 * 1024;
