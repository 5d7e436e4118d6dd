use postern_policy::IdentityForm;
use rustls_pki_types::UnixTime;

use super::*;

fn assertions() -> Assertions<'static> {
    Assertions {
        request_id: RequestId::random(),
        identity: UpstreamIdentity {
            forms: &[IdentityForm::ClientCert],
            path: None,
            assertion: None,
            now: UnixTime::since_unix_epoch(std::time::Duration::ZERO),
        },
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
