//! Which of the headers arrived, asked of a URL that answers with the headers it got as JSON:
//! proxies on the way strip them.

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{CredentialHeader, Phase, Probe, Verdict};
use crate::http::{self, BodyError};

/// What became of the headers.
#[derive(Clone, Debug, Serialize)]
pub struct EchoReport {
    /// Each header, with its name as Cloudflare writes it.
    pub headers: Vec<EchoedHeader>,
    /// Lines for the `location` of an nginx on the way that pass on what is missing.
    pub nginx: Vec<String>,
}

/// What became of one header.
#[derive(Clone, Debug, Serialize)]
pub struct EchoedHeader {
    /// Its name.
    pub name: &'static str,
    /// What became of it.
    pub passage: Passage,
}

/// What became of a header on its way.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Passage {
    /// It arrived as it was sent, or was added on the way as it should be.
    Arrived,
    /// It arrived with another value than was sent.
    Altered,
    /// It did not arrive. Cloudflare does not say whether its edge passes a token on, so behind
    /// it this is no fault; the JWT must arrive.
    Missing,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum EchoError {
    /// The URL was not opened.
    #[error("{}", .0.explanation())]
    NotPassed(Verdict),
    /// The answer is no JSON object of headers.
    #[error(
        "the URL does not answer with the headers it got, as JSON (`{{\"headers\": {{…}}}}` or an \
         object of headers): {0}"
    )]
    NoEcho(String),
}

impl Probe {
    /// Asks once and compares what arrived with what was sent. No value is kept.
    pub async fn echo(&self) -> Result<EchoReport, EchoError> {
        let answer = match self.send().await {
            Ok(answer) if answer.status().as_u16() == 200 => answer,
            failed => {
                let verdict = super::verdict_of(failed, Phase::Settled);
                return Err(EchoError::NotPassed(verdict));
            }
        };
        let body = http::body(answer, LONGEST_ECHO)
            .await
            .map_err(|error| match error {
                BodyError::NoAnswer(why) => EchoError::NoEcho(why),
                BodyError::TooLong { limit } => {
                    EchoError::NoEcho(format!("it is over {limit} octets"))
                }
            })?;
        let arrived = headers_in(&body)?;
        let headers: Vec<_> = self
            .expected()
            .map(|name| self.passage(name, &arrived))
            .collect();
        let nginx = nginx_lines(&headers);
        Ok(EchoReport { headers, nginx })
    }

    fn expected(&self) -> impl Iterator<Item = &'static str> {
        let sent: &[&str] = match self.options.header {
            CredentialHeader::Pair => &["CF-Access-Client-Id", "CF-Access-Client-Secret"],
            CredentialHeader::Authorization => &["Authorization"],
        };
        sent.iter().copied().chain(["Cf-Access-Jwt-Assertion"])
    }

    fn passage(&self, name: &'static str, arrived: &Map<String, Value>) -> EchoedHeader {
        let value = arrived
            .iter()
            .find(|(key, _)| normal(key) == name.to_ascii_lowercase())
            .map(|(_, value)| value);
        let sent = self
            .credentials
            .get(name)
            .and_then(|sent| sent.to_str().ok());
        let passage = match (value, sent) {
            (None, _) => Passage::Missing,
            (Some(value), Some(sent)) if !is(value, sent) => Passage::Altered,
            (Some(_), _) => Passage::Arrived,
        };
        EchoedHeader { name, passage }
    }
}

fn headers_in(body: &[u8]) -> Result<Map<String, Value>, EchoError> {
    let no_echo = |why: &str| EchoError::NoEcho(why.to_owned());
    // serde's own text may quote a value.
    let Ok(Value::Object(mut answer)) = serde_json::from_slice(body) else {
        return Err(no_echo("it is no JSON object"));
    };
    match answer.remove("headers") {
        Some(Value::Object(headers)) => Ok(headers),
        Some(_) => Err(no_echo("`headers` is no object")),
        None if answer.keys().any(|key| normal(key) == "host") => Ok(answer),
        None => Err(no_echo("there is neither `headers` nor `host` in it")),
    }
}

/// Echoes name headers in HTTP's way or in CGI's (`HTTP_CF_ACCESS_CLIENT_ID`).
fn normal(name: &str) -> String {
    let name = name.to_ascii_lowercase().replace('_', "-");
    name.strip_prefix("http-").unwrap_or(&name).to_owned()
}

/// Echoes give a value, or a list of one.
fn is(value: &Value, sent: &str) -> bool {
    let one = match value.as_array().map(Vec::as_slice) {
        Some([one]) => one,
        Some(_) => return false,
        None => value,
    };
    one.as_str() == Some(sent)
}

/// nginx passes headers on by itself, but not from a `location` with a `proxy_set_header` of that
/// name, nor names with `_` unless it is told to.
fn nginx_lines(headers: &[EchoedHeader]) -> Vec<String> {
    let lost = headers.iter().filter(|it| it.passage != Passage::Arrived);
    let mut lines: Vec<String> = lost
        .map(|it| {
            let variable = it.name.to_ascii_lowercase().replace('-', "_");
            format!("proxy_set_header {} $http_{variable};", it.name)
        })
        .collect();
    if !lines.is_empty() {
        lines.insert(0, "proxy_pass_request_headers on;".to_owned());
        lines.push("underscores_in_headers on;  # in `server`, if a proxy renames them".to_owned());
    }
    lines
}

const LONGEST_ECHO: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::super::request::{CLIENT_ID, CLIENT_SECRET};
    use super::*;

    #[test]
    fn an_echo_is_read_in_the_shapes_that_echoes_have() {
        for body in [
            r#"{"headers":{"Cf-Access-Client-Id":"88.access"}}"#,
            r#"{"headers":{"cf-access-client-id":["88.access"]},"method":"GET"}"#,
            r#"{"host":"h","cf-access-client-id":"88.access"}"#,
            r#"{"HTTP_HOST":"h","HTTP_CF_ACCESS_CLIENT_ID":"88.access"}"#,
        ] {
            let headers = headers_in(body.as_bytes()).unwrap();
            let found = headers.iter().find(|(key, _)| normal(key) == CLIENT_ID);
            assert!(is(found.unwrap().1, "88.access"), "{body}");
        }
    }

    #[test]
    fn what_is_no_echo_is_told_without_its_values() {
        for body in [
            "canary",
            "[\"canary\"]",
            r#"{"x":"canary"}"#,
            r#"{"headers":"canary"}"#,
        ] {
            let refused = headers_in(body.as_bytes()).unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("canary"));
        }
    }

    #[test]
    fn nginx_is_told_only_what_is_missing() {
        let header = |name, passage| EchoedHeader { name, passage };
        let all = [header("CF-Access-Client-Id", Passage::Arrived)];
        assert!(nginx_lines(&all).is_empty());
        let one = [
            all[0].clone(),
            header("CF-Access-Client-Secret", Passage::Missing),
        ];
        assert_eq!(
            nginx_lines(&one)[1],
            "proxy_set_header CF-Access-Client-Secret $http_cf_access_client_secret;"
        );
        assert_eq!(normal("CF_Access_Client_Secret"), CLIENT_SECRET);
    }
}
