//! What is sent, and over what.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Url, redirect};
use serde_json::json;
use zeroize::Zeroizing;

use super::{CredentialHeader, ProbeError, ProbeOptions};
use crate::access::TokenSecret;
use crate::http;

pub(super) fn checked(url: &str) -> Result<Url, ProbeError> {
    let url = Url::parse(url).map_err(|error| ProbeError::Url(error.to_string()))?;
    if http::has_credentials(&url) {
        let why = "it has a user or a password in it".to_owned();
        return Err(ProbeError::Url(why));
    }
    if !http::keeps_secrets(&url) {
        return Err(ProbeError::Cleartext(url.to_string()));
    }
    Ok(url)
}

pub(super) fn credentials(
    header: CredentialHeader,
    client_id: &str,
    secret: &TokenSecret,
) -> Result<HeaderMap, ProbeError> {
    let id = header_value(client_id, "client id")?;
    let secret_value = header_value(secret.expose(), "client secret")?;
    Ok(match header {
        CredentialHeader::Pair => HeaderMap::from_iter([
            (HeaderName::from_static(CLIENT_ID), id),
            (HeaderName::from_static(CLIENT_SECRET), secret_value),
        ]),
        CredentialHeader::Authorization => {
            let both = json!({ CLIENT_ID: client_id, CLIENT_SECRET: secret.expose() });
            let both = Zeroizing::new(both.to_string());
            HeaderMap::from_iter([(AUTHORIZATION, header_value(&both, "token")?)])
        }
    })
}

fn header_value(text: &str, what: &'static str) -> Result<HeaderValue, ProbeError> {
    let value = HeaderValue::from_str(text)
        .ok()
        .filter(|_| !text.is_empty());
    let mut value = value.ok_or(ProbeError::Credential(what))?;
    value.set_sensitive(true);
    Ok(value)
}

pub(super) fn http_client(
    url: &Url,
    options: &ProbeOptions,
) -> Result<reqwest::Client, ProbeError> {
    let mut client = reqwest::Client::builder()
        .user_agent(http::USER_AGENT)
        .timeout(options.timeout)
        // Each attempt is a new client's: a connection that is kept may keep an old answer.
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::none())
        .no_proxy();
    if let Some(pem) = &options.extra_roots {
        let roots = Certificate::from_pem_bundle(pem.as_bytes());
        let roots = roots.map_err(|error| ProbeError::Roots(http::causes(&error)))?;
        client = client.tls_certs_merge(roots);
    }
    if let (Some(address), Some(host)) = (options.resolve, url.host_str()) {
        client = client.resolve(host, address);
    }
    let client = client.build();
    client.map_err(|error| ProbeError::Setup(http::causes(&error)))
}

pub(super) const CLIENT_ID: &str = "cf-access-client-id";
pub(super) const CLIENT_SECRET: &str = "cf-access-client-secret";

#[cfg(test)]
mod tests {
    use super::super::Probe;
    use super::*;

    fn probe(url: &str, id: &str, secret: &str) -> Result<Probe, ProbeError> {
        let secret = TokenSecret::from(secret.to_owned());
        Probe::new(url, id, &secret, ProbeOptions::default())
    }

    #[test]
    fn a_secret_is_not_sent_in_the_clear_nor_told_when_it_is_no_good() {
        for (url, id, secret) in [
            ("http://app.example.com/", "88.access", "s"),
            ("https://user:canary@app.example.com/", "88.access", "s"),
            ("not a url", "88.access", "s"),
            ("https://app.example.com/", "", "s"),
            ("https://app.example.com/", "88.access", "canary\r\nx: y"),
        ] {
            let Err(refused) = probe(url, id, secret) else {
                panic!("{url} {id}");
            };
            assert!(!format!("{refused} {refused:?}").contains("canary"));
        }
    }

    #[test]
    fn the_secret_is_marked_so_that_no_log_of_headers_shows_it() {
        for header in [CredentialHeader::Pair, CredentialHeader::Authorization] {
            let secret = TokenSecret::from("canary".to_owned());
            let headers = credentials(header, "88.access", &secret).unwrap();
            assert!(!format!("{headers:?}").contains("canary"));
        }
    }
}
