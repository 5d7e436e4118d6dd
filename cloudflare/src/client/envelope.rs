//! The envelope around every answer: `{success, errors, messages, result, result_info}`.
//! <https://developers.cloudflare.com/fundamentals/api/how-to/make-api-calls/>

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::classify::{classify, message};
use crate::error::ApiErrorKind;

/// One of `errors`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EnvelopeError {
    pub(super) code: u64,
    pub(super) message: String,
}

/// Where a page stands in its list; single objects have none.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub(super) struct ResultInfo {
    pub(super) total_pages: Option<usize>,
    pub(super) total_count: Option<usize>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    success: bool,
    errors: Option<Vec<EnvelopeError>>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    result_info: Option<ResultInfo>,
}

/// Opens the answer to a call that succeeded.
pub(super) fn open<T: DeserializeOwned>(
    body: &[u8],
) -> Result<(T, Option<ResultInfo>), ApiErrorKind> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|e| unreadable(&e))?;
    let result = envelope.result.map_or("null", RawValue::get);
    let result = serde_json::from_str(result).map_err(|e| unreadable(&e))?;
    Ok((result, envelope.result_info))
}

/// Whether the answer is an envelope that says that the call failed.
pub(super) fn says_failure(body: &[u8]) -> bool {
    let envelope = serde_json::from_slice::<Envelope<'_>>(body);
    envelope.is_ok_and(|envelope| !envelope.success)
}

/// What an answer that failed says; it may be no envelope at all (a proxy's page).
pub(super) fn refusal(status: u16, body: &[u8]) -> ApiErrorKind {
    let envelope = serde_json::from_slice::<Envelope<'_>>(body).ok();
    let Some(envelope) = envelope else {
        return stranger(status);
    };
    classify(status, &envelope.errors.unwrap_or_default())
}

/// An answer that is no envelope comes from a proxy or another server: its 404 proves nothing.
fn stranger(status: u16) -> ApiErrorKind {
    match status {
        404 => ApiErrorKind::Unreadable(String::from(
            "404 by something that is not Cloudflare's API",
        )),
        _ => classify(status, &[]),
    }
}

/// Whether an answer that succeeded is Cloudflare's: an envelope, or nothing at all.
pub(super) fn is_cloudflares(body: &[u8]) -> bool {
    body.trim_ascii().is_empty() || serde_json::from_slice::<Envelope<'_>>(body).is_ok()
}

/// What an answer says, without judging it: the message of its errors, and its result.
pub(super) fn told(body: &[u8]) -> (String, Value) {
    let envelope = serde_json::from_slice::<Envelope<'_>>(body).ok();
    let (errors, result) = envelope
        .map(|envelope| (envelope.errors.unwrap_or_default(), envelope.result))
        .unwrap_or_default();
    let result = result.and_then(|result| serde_json::from_str(result.get()).ok());
    (message(&errors), result.unwrap_or_default())
}

/// Says where, not what: the text of serde's errors quotes values, and one may be a secret.
pub(super) fn unreadable(error: &serde_json::Error) -> ApiErrorKind {
    let what = match error.classify() {
        serde_json::error::Category::Data => "it has another shape than is documented",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Io => "it cannot be read",
    };
    let (line, column) = (error.line(), error.column());
    ApiErrorKind::Unreadable(format!("{what} (line {line}, column {column})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{MintedToken, ServiceToken};

    #[test]
    fn a_result_comes_out_with_its_place_in_the_list() {
        let body = br#"{"success":true,"errors":[],"messages":[],"result":[{"id":"a"}],
            "result_info":{"page":1,"per_page":25,"count":1,"total_count":40}}"#;
        let (tokens, info) = open::<Vec<ServiceToken>>(body).unwrap();
        assert_eq!(tokens[0].id(), "a");
        assert_eq!(info.unwrap().total_count, Some(40));
    }

    #[test]
    fn an_answer_of_another_shape_is_unreadable_and_tells_no_value() {
        for body in [
            r#"{"success":true,"result":{"client_secret":["cfast_canary"]}}"#,
            r#"{"success":true,"result":"cfast_canary"}"#,
            r#"{"success":true,"result":null}"#,
            r#"{"success":"cfast_canary"}"#,
            "<html>cfast_canary</html>",
            "",
        ] {
            let refused = open::<MintedToken>(body.as_bytes()).unwrap_err();
            assert!(matches!(refused, ApiErrorKind::Unreadable(_)), "{refused}");
            assert!(!format!("{refused} {refused:?}").contains("canary"));
        }
    }

    #[test]
    fn a_proxys_page_is_told_by_its_status() {
        let refused = refusal(502, b"<html>Bad gateway</html>");
        let ApiErrorKind::ServerFailed { status: 502, .. } = refused else {
            panic!("{refused}");
        };
    }
}
