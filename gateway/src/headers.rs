//! Headers at the border: hop-by-hop fields end here, identity fields are stripped, then set.
//!
//! Strip first, set last: whatever the client wrote, nominated in `Connection`, spelled with `_` or
//! sent twice, the upstream sees exactly one value of ours or none.
//!
//! A request's field whose name holds anything but letters, digits and `-` ends here as well, as
//! nginx does it by default: servers of the CGI kind fold such octets into `_`, as they do `-`, and
//! then `Client_Cert` and `Client.Cert` are the same variable as ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderValue};
use postern_pki::Certificate;

use crate::event::RequestId;

/// What the gateway asserts about a request it forwards.
pub(crate) struct Assertions<'a> {
    pub(crate) request_id: RequestId,
    pub(crate) certificate: Option<&'a Certificate>,
    pub(crate) address: std::net::IpAddr,
    /// The authority the client asked for, in its one spelling.
    pub(crate) authority: &'a str,
}

/// Whether a message has a body: what the upstream's HTTP/1.1 framing depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    Body,
    NoBody,
}

/// Why nobody can say where a request's body ends, or what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FramingError {
    #[error("`Transfer-Encoding` is not `chunked` alone")]
    TransferEncoding,
    #[error("there are several `Content-Length`, and they differ")]
    LengthsDiffer,
}

/// Refuses what would lose its meaning on the way: every other transfer coding ends at this hop.
pub(crate) fn check_framing(headers: &HeaderMap) -> Result<(), FramingError> {
    let mut codings = headers
        .get_all(TRANSFER_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','));
    let chunked = |name: &[u8]| name.trim_ascii().eq_ignore_ascii_case(b"chunked");
    let is_chunked = codings.next().is_none_or(chunked) && codings.next().is_none();
    if !is_chunked {
        return Err(FramingError::TransferEncoding);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let first = lengths.next();
    if lengths.any(|length| Some(length) != first) {
        return Err(FramingError::LengthsDiffer);
    }
    Ok(())
}

/// Makes a client's headers fit for the upstream: strip, then set.
pub(crate) fn prepare_request(
    headers: &mut HeaderMap,
    framing: Framing,
    assertions: &Assertions<'_>,
) {
    strip_hop_by_hop(headers);
    remove_where(headers, |name| !is_plain(name.as_str()));
    strip_identity(headers);
    join_cookies(headers);
    // They are equal: see `check_framing`.
    if let Some(length) = headers.get(CONTENT_LENGTH).cloned() {
        headers.insert(CONTENT_LENGTH, length);
    }
    // Answered by us: the client got its 100 from the gateway as soon as the body is asked for.
    headers.remove(EXPECT);
    // hyper sends no body with GET and HEAD unless the framing is explicit.
    if framing == Framing::Body && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    assert(headers, assertions);
}

/// The same for the trailers of a client's body: they are headers, in another place.
pub(crate) fn prepare_trailers(trailers: &mut HeaderMap) {
    strip_hop_by_hop(trailers);
    remove_where(trailers, |name| !is_plain(name.as_str()));
    strip_identity(trailers);
}

/// Makes an upstream's headers fit for the client: nothing that looks like our own assertions.
pub(crate) fn prepare_response(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    strip_identity(headers);
}

/// Removes every field that a client or upstream could use to speak with our voice.
pub(crate) fn strip_identity(headers: &mut HeaderMap) {
    remove_where(headers, |name| is_identity(name.as_str()));
}

/// Whether a field name is one of ours, in any spelling (`Client_Cert`, `CF_ACCESS_CLIENT_ID`).
pub(crate) fn is_identity(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    IDENTITY_NAMES.contains(&name.as_str())
        || IDENTITY_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// RFC 9110 section 7.6.1: `Connection`, what it nominates, and the fields known to be hop-by-hop.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        // Nominating these would change how the message is framed or where it goes.
        .filter(|name| *name != CONTENT_LENGTH && *name != HOST)
        .collect();
    for name in nominated {
        headers.remove(name);
    }
    remove_where(headers, |name| {
        HOP_BY_HOP.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
    });
}

/// Letters, digits and `-`: a name that every server reads alike.
fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

/// RFC 9113 section 8.2.3: HTTP/2 may split the field, HTTP/1.1 may not.
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if crumbs.len() > 1
        && let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(COOKIE, cookie);
    }
}

fn assert(headers: &mut HeaderMap, assertions: &Assertions<'_>) {
    if let Some(certificate) = assertions.certificate {
        headers.insert(CLIENT_CERT, client_cert(certificate));
    }
    headers.insert(X_REQUEST_ID, ascii(&assertions.request_id.to_string()));
    headers.insert(X_FORWARDED_FOR, ascii(&assertions.address.to_string()));
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    headers.insert(X_FORWARDED_HOST, ascii(assertions.authority));
    headers.insert(HOST, ascii(assertions.authority));
}

/// RFC 9440 section 2.2: the leaf's DER as a structured-field byte sequence.
fn client_cert(certificate: &Certificate) -> HeaderValue {
    ascii(&format!(":{}:", STANDARD.encode(certificate.der())))
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits, base64, addresses and parsed host names are ASCII")
}

fn remove_where(headers: &mut HeaderMap, condemned: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| condemned(name))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// Our own on requests and, the same value, on responses.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

const IDENTITY_PREFIXES: [&str; 27] = [
    "cf-access-",
    "cf-client-cert",
    "cf-connecting-",
    "client-cert",
    "fastly-client-",
    "remote-",
    "ssl-cert",
    "ssl-client-",
    "tailscale-",
    "x-amzn-mtls-",
    "x-auth-request-",
    "x-authenticated-",
    "x-cert-",
    "x-client-",
    "x-consumer-",
    "x-credential-",
    "x-forwarded",
    "x-goog-authenticated-",
    "x-ms-client-principal",
    "x-mtls-",
    "x-pomerium-",
    "x-postern-",
    "x-remote-",
    "x-spiffe-",
    "x-ssl-",
    "x-tls-",
    "x-webauth-",
];

const IDENTITY_NAMES: [&str; 20] = [
    "cf-ipcountry",
    "cf-pseudo-ipv4",
    "client-ip",
    "forwarded",
    "l5d-client-id",
    "proxy",
    "true-client-ip",
    "x-arr-clientcert",
    "x-cluster-client-ip",
    "x-email",
    "x-envoy-external-address",
    "x-host",
    "x-original-forwarded-for",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
    "x-user",
    "x-user-id",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn assertions() -> Assertions<'static> {
        Assertions {
            request_id: RequestId::random(),
            certificate: None,
            address: [192, 0, 2, 7].into(),
            authority: "app.example.com:8443",
        }
    }

    fn prepared(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        prepare_request(&mut headers, Framing::NoBody, &assertions());
        headers
    }

    #[test]
    fn every_spelling_of_an_identity_header_is_removed() {
        for name in [
            "Client-Cert",
            "client_cert",
            "CLIENT-CERT-CHAIN",
            "Cf-Access-Client-Id",
            "CF_ACCESS_CLIENT_SECRET",
            "cf_access-jwt_assertion",
            "Cf-Access-Authenticated-User-Email",
            "Cf-Client-Cert-Sha256",
            "X-Client-Cert",
            "X_SSL_Client_S_DN",
            "ssl_client_verify",
            "X-Forwarded-Client-Cert",
            "x_forwarded_user",
            "Forwarded",
            "X_Real_IP",
            "CF-Connecting-IP",
            "X-Remote-User",
            "remote_user",
            "X-TLS-Client",
            "X-MTLS-Subject",
            "X-Cert-CN",
            "X-SPIFFE-ID",
            "Ssl-Cert",
            "X-Authenticated-User",
            "X-MS-CLIENT-PRINCIPAL-NAME",
            "X-Consumer-Username",
            "X-Credential-Identifier",
            "Tailscale-User-Login",
            "Fastly-Client-IP",
            "Client-IP",
            "X-User-Id",
            "X-Email",
            "X-Original-Host",
            "X-Host",
            "Proxy",
            // Folded into one of ours by somebody.
            "client.cert",
            "x!real!ip",
            "x-real_ip",
            "anything_else",
        ] {
            let headers = prepared(&[(name, "evil"), (name, "twice")]);
            assert!(!format!("{headers:?}").contains("evil"), "{name}");
            assert!(!format!("{headers:?}").contains("twice"), "{name}");
        }
    }

    #[test]
    fn our_assertions_replace_the_clients() {
        let headers = prepared(&[
            ("x-forwarded-for", "10.0.0.1"),
            ("X_Forwarded_For", "10.0.0.2"),
            ("x-request-id", "mine"),
            ("x-forwarded-proto", "http"),
        ]);
        let all: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        assert_eq!(all, ["192.0.2.7"]);
        assert!(!headers.contains_key("x_forwarded_for"));
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "app.example.com:8443");
        assert_ne!(headers["x-request-id"], "mine");
    }

    #[test]
    fn nominating_our_header_does_not_remove_it() {
        let headers = prepared(&[("connection", "close, X-Forwarded-For, x-request-id, Host")]);
        assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
        assert!(headers.contains_key("x-request-id"));
        assert_eq!(headers["host"], "app.example.com:8443");
    }

    #[test]
    fn hop_by_hop_fields_and_what_connection_nominates_are_removed() {
        let headers = prepared(&[
            ("connection", "x-private, Upgrade"),
            ("connection", "HTTP2-Settings"),
            ("x-private", "1"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("te", "trailers"),
            ("trailer", "client-cert"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "x"),
            ("proxy-connection", "keep-alive"),
            ("keep-alive", "5"),
            ("accept", "*/*"),
        ]);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "accept",
                "host",
                "x-forwarded-for",
                "x-forwarded-host",
                "x-forwarded-proto",
                "x-request-id",
            ]
        );
    }

    #[test]
    fn a_body_of_unknown_length_is_chunked_and_a_known_one_keeps_its_length() {
        let mut unknown = HeaderMap::new();
        prepare_request(&mut unknown, Framing::Body, &assertions());
        assert_eq!(unknown["transfer-encoding"], "chunked");

        let mut known = HeaderMap::new();
        known.insert(CONTENT_LENGTH, HeaderValue::from_static("4"));
        known.insert(CONNECTION, HeaderValue::from_static("content-length"));
        prepare_request(&mut known, Framing::Body, &assertions());
        assert_eq!(known["content-length"], "4");
        assert!(!known.contains_key("transfer-encoding"));
    }

    #[test]
    fn one_foreign_octet_does_not_save_what_connection_nominates() {
        let mut headers = HeaderMap::new();
        let nominated = HeaderValue::from_bytes(b"x-private, \xff, x-other").unwrap();
        headers.insert(CONNECTION, nominated);
        headers.insert("x-private", HeaderValue::from_static("1"));
        headers.insert("x-other", HeaderValue::from_static("1"));
        prepare_request(&mut headers, Framing::NoBody, &assertions());
        assert!(!headers.contains_key("x-private"));
        assert!(!headers.contains_key("x-other"));
    }

    #[test]
    fn cookie_crumbs_become_one_field_and_equal_lengths_one() {
        let headers = prepared(&[
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("content-length", "4"),
            ("content-length", "4"),
        ]);
        let cookies: Vec<_> = headers.get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2"]);
        assert_eq!(headers.get_all("content-length").iter().count(), 1);
    }

    #[test]
    fn framing_that_would_change_on_the_way_is_refused() {
        let check = |name: &'static str, values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(name, HeaderValue::from_static(value));
            }
            check_framing(&headers)
        };
        assert_eq!(check("transfer-encoding", &["Chunked"]), Ok(()));
        for values in [
            &["gzip, chunked"][..],
            &["gzip"],
            &["chunked", "chunked"],
            &[""],
        ] {
            let refused = check("transfer-encoding", values);
            assert_eq!(refused, Err(FramingError::TransferEncoding), "{values:?}");
        }
        assert_eq!(check("content-length", &["4", "4"]), Ok(()));
        let refused = check("content-length", &["4", "5"]);
        assert_eq!(refused, Err(FramingError::LengthsDiffer));
    }

    #[test]
    fn an_upstream_cannot_set_our_headers_back() {
        let mut headers = HeaderMap::new();
        headers.insert("client-cert", HeaderValue::from_static(":AA==:"));
        headers.insert("x-request-id", HeaderValue::from_static("forged"));
        headers.insert("set-cookie", HeaderValue::from_static("session=1"));
        headers.insert("connection", HeaderValue::from_static("close"));
        prepare_response(&mut headers);
        let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["set-cookie"]);
    }
}
