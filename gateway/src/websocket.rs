//! WebSocket's opening handshake, RFC 6455 section 4, as whoever stands in between has to read it.
//!
//! Octets are passed on unread only where both sides said the same: a client that believes in a
//! tunnel which the upstream never opened, or the other way round, could speak past every check.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};

/// A client's handshake that is one.
pub(crate) struct Handshake {
    /// What a server that read it answers.
    accept: String,
}

/// Why a request that asks for a WebSocket does not get one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("a WebSocket begins with GET over HTTP/1.1")]
    Method,
    #[error("`Upgrade` names more than `websocket`")]
    Protocols,
    #[error("`Connection` does not name `upgrade`")]
    NotNominated,
    #[error("there is not one `Sec-WebSocket-Key` of 16 octets")]
    Key,
    #[error("`Sec-WebSocket-Version` is not 13")]
    Version,
    #[error("a WebSocket handshake has no body")]
    Body,
}

/// Why an upstream's switch of protocols is not what the client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Disagreement {
    #[error("nobody asked for it")]
    Unasked,
    #[error("its `Upgrade` is not `websocket` alone")]
    Protocol,
    #[error("its `Connection` does not name `upgrade`")]
    NotNominated,
    #[error("its `Sec-WebSocket-Accept` does not belong to the client's key")]
    Accept,
}

impl Handshake {
    /// The handshake in a request's head; none where it does not ask for a WebSocket.
    pub(crate) fn of(parts: &Parts) -> Result<Option<Self>, HandshakeError> {
        let headers = &parts.headers;
        if !tokens(headers, &UPGRADE).any(is_websocket) {
            return Ok(None);
        }
        if parts.method != Method::GET || parts.version != Version::HTTP_11 {
            return Err(HandshakeError::Method);
        }
        if !tokens(headers, &UPGRADE).all(is_websocket) {
            return Err(HandshakeError::Protocols);
        }
        if !nominates_upgrade(headers) {
            return Err(HandshakeError::NotNominated);
        }
        let version = only(headers, &SEC_WEBSOCKET_VERSION);
        if version.is_none_or(|version| version.as_bytes() != b"13") {
            return Err(HandshakeError::Version);
        }
        let length = headers.get(CONTENT_LENGTH);
        if headers.contains_key(TRANSFER_ENCODING) || length.is_some_and(|length| length != "0") {
            return Err(HandshakeError::Body);
        }
        let key = only(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
        let accept = accept(key.ok_or(HandshakeError::Key)?);
        Ok(Some(Self { accept }))
    }

    /// Whether the upstream's 101 answers this handshake.
    pub(crate) fn agrees(&self, headers: &HeaderMap) -> Result<(), Disagreement> {
        let mut protocols = tokens(headers, &UPGRADE);
        if !protocols.next().is_some_and(is_websocket) || protocols.next().is_some() {
            return Err(Disagreement::Protocol);
        }
        if !nominates_upgrade(headers) {
            return Err(Disagreement::NotNominated);
        }
        match only(headers, &SEC_WEBSOCKET_ACCEPT) {
            Some(accept) if accept.as_bytes() == self.accept.as_bytes() => Ok(()),
            Some(_) | None => Err(Disagreement::Accept),
        }
    }
}

/// Sets the two hop-by-hop fields of a handshake, on a head whose own were removed: nothing that
/// somebody else nominated in `Connection` comes back with them.
pub(crate) fn nominate(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

fn nominates_upgrade(headers: &HeaderMap) -> bool {
    tokens(headers, &CONNECTION).any(|name| name.eq_ignore_ascii_case(b"upgrade"))
}

fn is_websocket(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(b"websocket")
}

/// The members of a comma-separated field, however many lines it has.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let values = headers.get_all(name).into_iter();
    values
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','))
        .map(<[u8]>::trim_ascii)
}

/// The field's value, where there is exactly one.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_key(key: &HeaderValue) -> bool {
    STANDARD
        .decode(key.as_bytes())
        .is_ok_and(|octets| octets.len() == KEY_LENGTH)
}

/// RFC 6455 section 4.2.2: proves that the server read the key, and nothing else.
fn accept(key: &HeaderValue) -> String {
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    digest.update(key.as_bytes());
    digest.update(GUID);
    STANDARD.encode(digest.finish())
}

const KEY_LENGTH: usize = 16;
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    /// The example of RFC 6455 section 1.3.
    const ASKED: [(&str, &str); 4] = [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];
    const ANSWERED: [(&str, &str); 3] = [
        ("upgrade", "WebSocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ];

    fn parts(method: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// The example with one field changed, or left out where there is no value.
    fn changed<const N: usize>(
        fields: [(&'static str, &'static str); N],
        name: &'static str,
        values: &[&'static str],
    ) -> Vec<(&'static str, &'static str)> {
        let kept = fields.into_iter().filter(|(other, _)| *other != name);
        kept.chain(values.iter().map(|value| (name, *value)))
            .collect()
    }

    fn read(parts: &Parts) -> Result<bool, HandshakeError> {
        Handshake::of(parts).map(|handshake| handshake.is_some())
    }

    #[test]
    fn the_example_of_the_rfc_agrees_with_its_answer() {
        let handshake = Handshake::of(&parts("GET", &ASKED)).unwrap().unwrap();
        let answer = parts("GET", &ANSWERED).headers;
        assert_eq!(handshake.agrees(&answer), Ok(()));
    }

    #[test]
    fn a_request_that_does_not_ask_for_one_has_none() {
        for upgrade in [&[][..], &["h2c"], &["websockets"]] {
            let parts = parts("GET", &changed(ASKED, "upgrade", upgrade));
            assert_eq!(read(&parts), Ok(false), "{upgrade:?}");
        }
    }

    #[test]
    fn a_handshake_that_two_readers_could_read_differently_is_refused() {
        assert_eq!(read(&parts("POST", &ASKED)), Err(HandshakeError::Method));
        let mut over_1_0 = parts("GET", &ASKED);
        over_1_0.version = Version::HTTP_10;
        assert_eq!(read(&over_1_0), Err(HandshakeError::Method));
        for (name, values, error) in [
            (
                "upgrade",
                &["h2c, websocket"][..],
                HandshakeError::Protocols,
            ),
            ("upgrade", &["websocket", "h2c"], HandshakeError::Protocols),
            (
                "connection",
                &["keep-alive, sec-websocket-key"],
                HandshakeError::NotNominated,
            ),
            ("connection", &[], HandshakeError::NotNominated),
            ("sec-websocket-version", &["1337"], HandshakeError::Version),
            (
                "sec-websocket-version",
                &["13", "13"],
                HandshakeError::Version,
            ),
            ("sec-websocket-version", &[], HandshakeError::Version),
            ("sec-websocket-key", &[], HandshakeError::Key),
            ("sec-websocket-key", &["c2hvcnQ="], HandshakeError::Key),
            (
                "sec-websocket-key",
                &["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="],
                HandshakeError::Key,
            ),
            ("content-length", &["4"], HandshakeError::Body),
            ("transfer-encoding", &["chunked"], HandshakeError::Body),
        ] {
            let parts = parts("GET", &changed(ASKED, name, values));
            assert_eq!(read(&parts), Err(error), "{name}: {values:?}");
        }
        let with_length = parts("GET", &changed(ASKED, "content-length", &["0"]));
        assert_eq!(read(&with_length), Ok(true));
    }

    #[test]
    fn an_answer_to_something_else_is_no_agreement() {
        let handshake = Handshake::of(&parts("GET", &ASKED)).unwrap().unwrap();
        for (name, values, error) in [
            ("upgrade", &["h2c"][..], Disagreement::Protocol),
            ("upgrade", &["websocket, h2c"], Disagreement::Protocol),
            ("upgrade", &[], Disagreement::Protocol),
            ("connection", &["close"], Disagreement::NotNominated),
            (
                "sec-websocket-accept",
                &["dGhlIHNhbXBsZSBub25jZQ=="],
                Disagreement::Accept,
            ),
            (
                "sec-websocket-accept",
                &[
                    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                ],
                Disagreement::Accept,
            ),
            ("sec-websocket-accept", &[], Disagreement::Accept),
        ] {
            let answer = parts("GET", &changed(ANSWERED, name, values)).headers;
            assert_eq!(handshake.agrees(&answer), Err(error), "{name}: {values:?}");
        }
    }
}
