//! What every HTTP client of this crate does the same way.

use std::error::Error as _;
use std::net::IpAddr;

use reqwest::{Response, Url};
use zeroize::Zeroizing;

/// Whether a secret may be sent there: over TLS, or within this machine.
pub(crate) fn keeps_secrets(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    let loopback = address.is_ok_and(|address: IpAddr| address.is_loopback());
    url.scheme() == "https" || (url.scheme() == "http" && loopback)
}

/// Whether there is a user or password in the address.
pub(crate) fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// The causes of an error of reqwest's; its own line only repeats the address.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the time limit passed".to_owned();
    }
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    causes.dedup();
    if causes.is_empty() {
        return "the request cannot be made".to_owned();
    }
    causes.join(": ")
}

/// Why there is no body.
pub(crate) enum BodyError {
    /// The connection ended, or the time limit passed.
    NoAnswer(String),
    /// It is longer than this.
    TooLong { limit: usize },
}

/// A body of at most `limit` octets. It may hold a secret.
pub(crate) async fn body(
    mut response: Response,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let mut body = Zeroizing::new(Vec::new());
    loop {
        let chunk = response.chunk().await;
        match chunk.map_err(|error| BodyError::NoAnswer(causes(&error)))? {
            Some(chunk) if body.len() + chunk.len() > limit => {
                return Err(BodyError::TooLong { limit });
            }
            Some(chunk) => body.extend_from_slice(&chunk),
            None => return Ok(body),
        }
    }
}

/// Who we say we are.
pub(crate) const USER_AGENT: &str = concat!("postern/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_leaves_the_machine_only_over_tls() {
        for (url, kept) in [
            ("https://api.cloudflare.com/client/v4", true),
            ("http://127.0.0.1:8080/", true),
            ("http://[::1]:8080/", true),
            ("http://api.cloudflare.com/", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://localhost.example.com/", false),
            ("ftp://127.0.0.1/", false),
        ] {
            assert_eq!(keeps_secrets(&Url::parse(url).unwrap()), kept, "{url}");
        }
    }
}
