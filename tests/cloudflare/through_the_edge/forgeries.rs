//! What a client says of itself, to the edge or past it.

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use postern_fixtures::TeamKey;
use postern_fixtures::access::CertificateForwarding;
use postern_tests::{DEVICES, Output, Seen, note_skip, skip_without, visit};
use serde_json::Value;

use super::{Front, Way, stopped_at_the_edge};

const ASSERTION: &str = "Cf-Access-Jwt-Assertion";
/// An address of loopback that the edge does not connect from.
const ELSEWHERE: &str = "127.0.0.2";

/// The JWT that the edge made of this client: it comes back as a cookie.
fn assertion_of(seen: &Seen) -> String {
    let cookie = seen.header("set-cookie").unwrap();
    let cookie = cookie.strip_prefix("CF_Authorization=").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// What it claims.
fn claims(jwt: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap());
    serde_json::from_slice(&payload.unwrap()).unwrap()
}

#[test]
fn headers_that_a_client_forges_change_nothing() {
    if skip_without("curl") {
        return;
    }
    for forwarding in [
        CertificateForwarding::EveryRequest,
        CertificateForwarding::FirstRequest,
    ] {
        let front = Front::over(Way::Address, forwarding);
        let [device, laptop] = ["device-1", "laptop-1"].map(|name| front.site.client(name));
        let admitted = front.visit(DEVICES, "/admitted", Some(&device));
        assert_eq!(admitted.status, 200, "{admitted:?}");
        let (jwt, der) = (assertion_of(&admitted), STANDARD.encode(&device.chain()[0]));
        let forged = [
            (ASSERTION, &*jwt),
            ("Cf-Client-Cert-Der-Base64", &der),
            ("Cf-Client-Cert-Sha256", "00"),
            ("Cf-Connecting-IP", "203.0.113.9"),
            ("Client-Cert", &format!(":{der}:")),
            ("Cookie", &format!("CF_Authorization={jwt}")),
        ];
        // A good JWT and a good certificate, and neither is this client's.
        let urls = ["/one", "/two"].map(|path| format!("https://{DEVICES}{path}"));
        for seen in visit(
            &front.emulator,
            &[&urls[0], &urls[1]],
            Some(&laptop),
            &forged,
        ) {
            let event = front.event(&seen);
            assert_eq!(
                (seen.status, &event["common_name"]),
                (403, &"laptop-1".into()),
                "{event}"
            );
            assert_eq!(event["peer"], "127.0.0.1", "{event}");
        }
        assert_eq!(front.site.upstream.count(), 1);
        let anonymous = front.visit_with(DEVICES, "/nobody", None, &forged);
        assert!(stopped_at_the_edge(&anonymous), "{anonymous:?}");
        // Nor does any of it harm who is admitted.
        let garbage = [(ASSERTION, "a.b.c"), ("Cf-Client-Cert-Der-Base64", "AA==")];
        let harmless = front.visit_with(DEVICES, "/harmless", Some(&device), &garbage);
        assert_eq!(harmless.status, 200, "{harmless:?}");
    }
}

/// Linux has all of 127.0.0.0/8; others have 127.0.0.1.
fn skip_without_a_second_address() -> bool {
    let missing = TcpListener::bind((ELSEWHERE, 0)).is_err();
    if missing {
        note_skip(&format!("{ELSEWHERE} is no address of this machine"));
    }
    missing
}

/// Straight to the gateway from an address of loopback; with the client's own certificate.
fn straight(front: &Front, from: &str, headers: &[(&str, &str)]) -> Output {
    let url = front.gateway.url(DEVICES, "/straight");
    let from = format!("host!{from}");
    let lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let mut args = vec!["--interface", &from, "--cert", "clients/device-1.crt"];
    args.extend(["--key", "clients/device-1.key", &url]);
    args.extend(lines.iter().flat_map(|line| ["--header", line]));
    front.gateway.curl(&front.site, &args)
}

#[test]
fn nobody_gets_round_the_edge() {
    if skip_without("curl") || skip_without_a_second_address() {
        return;
    }
    let front = Front::new();
    let device = front.site.client("device-1");
    let admitted = front.visit(DEVICES, "/admitted", Some(&device));
    let jwt = assertion_of(&admitted);
    let der = STANDARD.encode(&device.chain()[0]);
    let whole = [
        (ASSERTION, &*jwt),
        ("Cf-Client-Cert-Der-Base64", &der),
        ("Cf-Connecting-IP", "203.0.113.9"),
    ];
    // Not from where the edge connects: not even TLS.
    let elsewhere = straight(&front, ELSEWHERE, &whole);
    assert_ne!(elsewhere.code, Some(0), "{elsewhere:?}");
    let event = front.gateway.event(|event| event["event"] == "handshake");
    assert_eq!(
        (&event["reason"], &event["peer"]),
        (&"peer_not_cloudflare".into(), &ELSEWHERE.into())
    );
    // From there, and without a JWT of the team for this application: not either.
    let claims = claims(&jwt);
    for (forged, reason) in [
        (None, "jwt_missing"),
        (Some(TeamKey::new("forged").sign(&claims)), "jwt_invalid"),
    ] {
        let mut headers = whole.to_vec();
        headers.retain(|(name, _)| *name != ASSERTION);
        headers.extend(forged.as_deref().map(|jwt| (ASSERTION, jwt)));
        let refused = straight(&front, "127.0.0.1", &headers)
            .expect_code(0)
            .json();
        assert_eq!(refused["reason"], reason);
    }
    assert_eq!(front.site.upstream.count(), 1);
}
