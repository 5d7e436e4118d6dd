//! What the upstream is told about who a request is from, and by whom.

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::verify::answer::Answer;
use crate::verify::client::Client;
use crate::verify::suite::Suite;
use crate::verify::tls::{Protocol, Version};
use crate::verify::verdict::{Finding, NotRun};

/// How a client spells a header that is not its own to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// As it is.
    Plain,
    /// With `_` for `-`, which CGI-like upstreams take for the same.
    Underscores,
}

/// V20, V21: an identity header of the client's does not reach the upstream.
pub(super) async fn spoofed(suite: &Suite, spelling: Spelling) -> Result<Finding, NotRun> {
    let path = echo_path(suite)?;
    let mut passed = Vec::new();
    let names = names(suite);
    for name in &names {
        let name = match spelling {
            Spelling::Plain => name.clone(),
            Spelling::Underscores => underscored(name)?,
        };
        let headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(FORGED))]);
        let seen = seen(suite, path, headers).await?;
        if seen.is_some_and(|seen| seen.contains(FORGED)) {
            passed.push(name.to_string());
        }
    }
    Ok(if passed.is_empty() {
        Finding::pass(format!("none of {} reaches the upstream", names.len()))
    } else {
        Finding::fail(format!(
            "reach the upstream as the client wrote them: {}",
            passed.join(", ")
        ))
    })
}

/// V22: a client that calls the proxy's own header hop-by-hop does not make it disappear.
pub(super) async fn nominated(suite: &Suite) -> Result<Finding, NotRun> {
    let path = echo_path(suite)?;
    let plain = seen(suite, path, HeaderMap::new())
        .await?
        .unwrap_or_default();
    let line = |name: &HeaderName| format!("\n{name}:");
    let own: Vec<_> = names(suite)
        .into_iter()
        .filter(|name| plain.contains(&line(name)))
        .collect();
    if own.is_empty() {
        return Err(NotRun::not_applicable(
            "the upstream is told of no client; see --identity-header",
        ));
    }
    let mut lost = Vec::new();
    for name in &own {
        let value = HeaderValue::from_str(name.as_str()).map_err(NotRun::because)?;
        let headers = HeaderMap::from_iter([(CONNECTION, value)]);
        // A request that is refused reaches nobody.
        let seen = seen(suite, path, headers).await?;
        if seen.is_some_and(|seen| !seen.contains(&line(name))) {
            lost.push(name.to_string());
        }
    }
    Ok(if lost.is_empty() {
        Finding::pass(format!(
            "{} headers of the proxy's arrive nevertheless",
            own.len()
        ))
    } else {
        Finding::fail(format!("do not arrive: {}", lost.join(", ")))
    })
}

/// What the upstream got, in lower case; none where the proxy refuses.
async fn seen(suite: &Suite, path: &str, headers: HeaderMap) -> Result<Option<String>, NotRun> {
    let client = suite.pki.client();
    let opened = suite
        .open(Some(&client), Version::Any, Protocol::Http1)
        .await;
    let mut client: Client = opened.map_err(|failure| NotRun::because(Answer::from(failure)))?;
    match client.fetch(path, headers).await {
        Ok((status, text)) => Ok(match Answer::of(status) {
            Answer::Admitted(_) => Some(text.to_ascii_lowercase()),
            Answer::Refused(_) | Answer::Unclear(_) => None,
        }),
        Err(failure) => match Answer::from(failure) {
            Answer::Unclear(why) => Err(NotRun::because(why)),
            Answer::Refused(_) | Answer::Admitted(_) => Ok(None),
        },
    }
}

fn echo_path(suite: &Suite) -> Result<&str, NotRun> {
    let missing = || NotRun::because("no --echo-path");
    suite.options.paths.echo.as_deref().ok_or_else(missing)
}

fn names(suite: &Suite) -> Vec<HeaderName> {
    match &suite.options.identity_headers[..] {
        [] => USUAL.map(HeaderName::from_static).to_vec(),
        told => told.to_vec(),
    }
}

fn underscored(name: &HeaderName) -> Result<HeaderName, NotRun> {
    let spelled = name.as_str().replace('-', "_");
    spelled.parse().map_err(NotRun::because)
}

const FORGED: &str = "postern-verify-forged";

/// RFC 9440, Envoy, Cloudflare, and what nginx sites call them.
const USUAL: [&str; 7] = [
    "client-cert",
    "client-cert-chain",
    "x-forwarded-client-cert",
    "x-ssl-client-s-dn",
    "x-ssl-client-verify",
    "cf-access-jwt-assertion",
    "cf-access-authenticated-user-email",
];
