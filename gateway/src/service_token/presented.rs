//! What a request presents as a service token: two headers, both or neither, once each; or one
//! header with both, where the application says which.

use std::borrow::Cow;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use postern_policy::TokenHeader;
use serde::Deserialize;

use super::TokenRefusal;

/// A client id and a secret, not yet looked up.
pub(super) struct Presented<'h> {
    pub(super) client_id: Cow<'h, [u8]>,
    pub(super) secret: Cow<'h, [u8]>,
}

/// Both in one value, as Cloudflare takes them from `read_service_tokens_from_header`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Single {
    #[serde(rename = "cf-access-client-id")]
    client_id: String,
    #[serde(rename = "cf-access-client-secret")]
    secret: String,
}

/// Reads what is there; `None` where nothing is.
pub(super) fn read<'h>(
    headers: &'h HeaderMap,
    single: Option<&TokenHeader>,
) -> Result<Option<Presented<'h>>, TokenRefusal> {
    let id = once(headers, CLIENT_ID, |_| true)?;
    let secret = once(headers, CLIENT_SECRET, |_| true)?;
    let both = match single {
        Some(single) => once(headers, single.as_str(), holds_token)?,
        None => None,
    };
    match (id, secret, both) {
        (None, None, None) => Ok(None),
        (Some(client_id), Some(secret), None) => Ok(Some(Presented {
            client_id: client_id.into(),
            secret: secret.into(),
        })),
        (None, None, Some(both)) => {
            let both: Single =
                serde_json::from_slice(both).map_err(|_| TokenRefusal::Incomplete)?;
            Ok(Some(Presented {
                client_id: both.client_id.into_bytes().into(),
                secret: both.secret.into_bytes().into(),
            }))
        }
        (Some(_), None, None) | (None, Some(_), None) => Err(TokenRefusal::Incomplete),
        (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => Err(TokenRefusal::Duplicate),
    }
}

/// Takes the single header out of a request that goes on: a secret never reaches the upstream. What
/// else stands in a header of that name is the upstream's own.
pub(crate) fn withhold(headers: &mut HeaderMap, single: &TokenHeader) {
    let is_token = |value: &HeaderValue| holds_token(value.as_bytes());
    let name = single.as_str();
    if !headers.get_all(name).iter().any(is_token) {
        return;
    }
    let all: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
    headers.remove(name);
    let name: HeaderName = name.parse().expect("it was a header's name");
    for value in all.into_iter().filter(|value| !is_token(value)) {
        headers.append(&name, value);
    }
}

/// No scheme of RFC 9110 begins with a brace, so nothing else is mistaken for a token.
fn holds_token(value: &[u8]) -> bool {
    value.trim_ascii_start().starts_with(b"{")
}

/// The one value of that name that counts.
fn once<'h>(
    headers: &'h HeaderMap,
    name: &str,
    counts: impl Fn(&[u8]) -> bool,
) -> Result<Option<&'h [u8]>, TokenRefusal> {
    let values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let mut values = values.filter(|value| counts(value));
    let first = values.next();
    match values.next() {
        Some(_) => Err(TokenRefusal::Duplicate),
        None => Ok(first),
    }
}

const CLIENT_ID: &str = "cf-access-client-id";
const CLIENT_SECRET: &str = "cf-access-client-secret";

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn authorization() -> TokenHeader {
        TokenHeader::parse("Authorization").unwrap()
    }

    fn reading(pairs: &[(&'static str, &'static str)]) -> Result<Option<String>, TokenRefusal> {
        let headers = headers(pairs);
        let read = read(&headers, Some(&authorization()))?;
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        Ok(read.map(|it| format!("{}:{}", text(&it.client_id), text(&it.secret))))
    }

    const BOTH: (&str, &str) = (
        "authorization",
        r#"{"cf-access-client-id":"a","cf-access-client-secret":"b"}"#,
    );

    #[test]
    fn one_header_is_as_good_as_two_and_never_beside_them() {
        let id = ("cf-access-client-id", "a");
        let secret = ("cf-access-client-secret", "b");
        assert_eq!(reading(&[BOTH]), Ok(Some(String::from("a:b"))));
        assert_eq!(reading(&[id, secret]), Ok(Some(String::from("a:b"))));
        assert_eq!(reading(&[BOTH, id]), Err(TokenRefusal::Duplicate));
        assert_eq!(reading(&[BOTH, id, secret]), Err(TokenRefusal::Duplicate));
        assert_eq!(reading(&[BOTH, BOTH]), Err(TokenRefusal::Duplicate));
        let basic = ("authorization", "Basic YTpi");
        assert_eq!(reading(&[basic]), Ok(None));
        assert_eq!(reading(&[basic, BOTH]), Ok(Some(String::from("a:b"))));
        for half in [
            r#"{"cf-access-client-id":"a"}"#,
            r#"{"cf-access-client-id":"a","cf-access-client-secret":"b","x":1}"#,
            r#"{"cf-access-client-id":"a","cf-access-client-id":"a","cf-access-client-secret":"b"}"#,
            "{",
        ] {
            let half = ("authorization", half);
            assert_eq!(reading(&[half]), Err(TokenRefusal::Incomplete), "{half:?}");
        }
    }

    #[test]
    fn only_the_token_is_withheld() {
        let mut there = headers(&[("authorization", "Basic YTpi"), BOTH, ("accept", "*/*")]);
        withhold(&mut there, &authorization());
        let left = headers(&[("authorization", "Basic YTpi"), ("accept", "*/*")]);
        assert_eq!(there, left);
    }
}
