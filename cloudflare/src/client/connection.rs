//! How the API is reached, and what is no address of it.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Url, redirect};
use zeroize::Zeroizing;

use super::ClientOptions;
use crate::http;

pub(super) fn http_client(options: &ClientOptions) -> Result<reqwest::Client, String> {
    let bearer = Zeroizing::new(format!("Bearer {}", options.token.expose()));
    let mut bearer = HeaderValue::from_str(&bearer)
        .map_err(|_| "the API token is not one word of printable ASCII".to_owned())?;
    bearer.set_sensitive(true);
    let client = reqwest::Client::builder()
        .user_agent(http::USER_AGENT)
        .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
        .timeout(options.timeout)
        // Shorter, so that "never sent" can be told from "no answer".
        .connect_timeout(options.timeout / 2)
        .pool_idle_timeout(POOL_IDLE)
        // The token goes where `base` says and nowhere else.
        .redirect(redirect::Policy::none())
        .no_proxy();
    client.build().map_err(|error| http::causes(&error))
}

/// The token is worth an account: it travels in the clear only within this machine.
pub(super) fn checked_base(base: &str) -> Result<Url, String> {
    let url = Url::parse(base.trim_end_matches('/'))
        .map_err(|error| format!("the API's address: {error}"))?;
    if http::has_credentials(&url) || url.query().is_some() {
        return Err("the API's address has a user, a password or a query in it".to_owned());
    }
    if !http::keeps_secrets(&url) {
        let host = url.host_str().unwrap_or_default();
        return Err(format!(
            "the API's address must be https; {host} is not loopback"
        ));
    }
    Ok(url)
}

/// Before the servers' own limit, so that a call is not sent on a connection that is being closed.
const POOL_IDLE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_https_or_loopback() {
        for good in [
            "https://api.cloudflare.com/client/v4",
            "https://api.cloudflare.com/client/v4/",
            "http://127.0.0.1:8080/client/v4",
            "http://[::1]:8080/client/v4",
        ] {
            assert_eq!(checked_base(good).unwrap().path(), "/client/v4");
        }
        for bad in [
            "http://api.cloudflare.com/client/v4",
            "http://127.0.0.1.example.com/client/v4",
            "http://localhost.example.com/",
            "ftp://127.0.0.1/",
            "https://user:canary@example.com/client/v4",
            "https://example.com/client/v4?key=canary",
            "api.cloudflare.com",
        ] {
            let refused = checked_base(bad).unwrap_err();
            assert!(!refused.contains("canary"), "{refused}");
        }
    }
}
