//! Who gets in, and what the others are told.

use http::StatusCode;
use postern_fixtures::{Authority, Issued, TestPki};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    DEVICES, MIXED, OPEN, Protocol, TOKEN_ID, TOKEN_SECRET, World, raw, raw_version,
};

const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// The connection's end, whether it shows at the handshake or at the first request.
async fn refused(world: &World, sni: &str, certificate: Option<&Issued>, protocol: Protocol) {
    let Ok(mut client) = world.connect(sni, certificate, protocol).await else {
        return;
    };
    assert!(client.get(sni, "/", &[]).await.is_err(), "{protocol:?}");
}

#[tokio::test]
async fn a_device_is_admitted_by_its_common_name() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    for protocol in BOTH {
        let mut client = world
            .connect(DEVICES, Some(&device), protocol)
            .await
            .unwrap();
        let (status, told) = client
            .get(DEVICES, "/a?b=c", &[("user-agent", "it")])
            .await
            .unwrap();
        assert_eq!(status, StatusCode::OK);
        assert_eq!(told["uri"], "/a?b=c");
        let event = world.event(|event| event["decision"] == "permit").await;
        assert_eq!(event["policy"], "factory-devices");
        assert_eq!(event["method"], "mtls");
        assert_eq!(event["common_name"], "device-1.factory.corp");
        assert_eq!(event["application"], "devices");
        assert_eq!(event["user_agent"], "it");
        assert_eq!(event["status"], 200);
    }
}

#[tokio::test]
async fn a_leaf_alone_is_completed_from_what_the_ca_publishes() {
    let world = World::start().await;
    let device = world
        .pki
        .client("device-1.factory.corp")
        .presenting(Vec::new());
    let mut client = world
        .connect(DEVICES, Some(&device), Protocol::Http1)
        .await
        .unwrap();
    assert_eq!(
        client.get(DEVICES, "/", &[]).await.unwrap().0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn names_that_do_not_match_or_are_excluded_are_forbidden() {
    let world = World::start().await;
    for (name, reason) in [
        ("xdevice-1.factory.corp", "no_policy_matched"),
        ("device-1.factory.corp.attacker", "no_policy_matched"),
        ("DEVICE-1.factory.corp", "no_policy_matched"),
        ("device-stolen.factory.corp", "excluded"),
    ] {
        let device = world.pki.client(name);
        let mut client = world
            .connect(DEVICES, Some(&device), Protocol::Http2)
            .await
            .unwrap();
        let (status, answer) = client.get(DEVICES, "/", &[]).await.unwrap();
        assert_eq!(status, StatusCode::FORBIDDEN, "{name}");
        assert_eq!(answer["reason"], reason, "{name}");
        assert_eq!(answer.as_object().unwrap().len(), 2);
        let id = answer["request_id"].clone();
        let event = world.event(|event| event["request_id"] == id).await;
        assert_eq!(event["decision"], "deny");
    }
    assert_eq!(world.upstream.requests(), 0);
}

#[tokio::test]
async fn nothing_presented_is_unauthorized_where_a_token_would_do() {
    let world = World::start().await;
    for protocol in BOTH {
        let mut client = world.connect(MIXED, None, protocol).await.unwrap();
        let (status, answer) = client.get(MIXED, "/", &[]).await.unwrap();
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer["reason"], "no_credentials");
    }
    assert_eq!(world.upstream.requests(), 0);
}

#[tokio::test]
async fn head_is_refused_without_a_body_and_with_an_event() {
    let world = World::start().await;
    for protocol in BOTH {
        let mut client = world.connect(MIXED, None, protocol).await.unwrap();
        let request = client.request("HEAD", MIXED, "/", &[], crate::support::empty_body());
        let response = client.send(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let id = response.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let event = world
            .event(|event| event["request_id"] == id.as_str())
            .await;
        assert_eq!(event["decision"], "deny");
    }
}

#[tokio::test]
async fn the_alert_says_what_is_wrong_with_a_certificate() {
    let world = World::start().await;
    let stranger = Authority::root("Another CA", world.pki.date_time(), |_| {});
    let revoked = world.pki.client("device-4.factory.corp");
    world.publisher.revoke(&revoked, "device-4.factory.corp");
    world.event(|event| event["event"] == "revocation").await;
    let cases = [
        (
            world.pki.expired("device-1.factory.corp"),
            "CertificateExpired",
        ),
        (
            world.pki.without_eku("device-2.factory.corp"),
            "UnsupportedCertificate",
        ),
        (
            world.pki.client_by(&stranger, "device-3.factory.corp"),
            "UnknownCA",
        ),
        (revoked, "CertificateRevoked"),
    ];
    for (certificate, alert) in cases {
        let mut stream = raw(
            world.address,
            &world.pki,
            MIXED,
            Some(&certificate),
            b"http/1.1",
        )
        .await
        .unwrap();
        // Bytes in flight must not reset the alert away.
        stream
            .write_all(format!("GET / HTTP/1.1\r\nHost: {MIXED}\r\n\r\n").as_bytes())
            .await
            .ok();
        let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert!(error.to_string().contains(alert), "{alert}: {error}");
    }
}

#[tokio::test]
async fn where_a_certificate_is_required_the_handshake_ends_without_one() {
    let world = World::start().await;
    for protocol in BOTH {
        refused(&world, DEVICES, None, protocol).await;
    }
    world
        .event(|event| event["reason"] == "certificate_required")
        .await;
}

#[tokio::test]
async fn bad_certificates_end_the_handshake_with_their_reason() {
    let world = World::start().await;
    let stranger = Authority::root("Another CA", world.pki.date_time(), |_| {});
    let namesake = TestPki::new();
    let cases = [
        (world.pki.expired("device-1.factory.corp"), "expired"),
        (
            world.pki.without_eku("device-2.factory.corp"),
            "eku_missing",
        ),
        (
            world.pki.client_by(&stranger, "device-3.factory.corp"),
            "unknown_issuer",
        ),
        (namesake.client("device-4.factory.corp"), "bad_signature"),
    ];
    for (certificate, reason) in cases {
        // Also where none is required: a bad certificate is not "no certificate".
        refused(&world, MIXED, Some(&certificate), Protocol::Http1).await;
        let event = world.event(|event| event["reason"] == reason).await;
        assert_eq!(event["event"], "handshake");
        assert!(
            event["common_name"]
                .as_str()
                .unwrap()
                .starts_with("device-")
        );
    }
    assert_eq!(world.upstream.requests(), 0);
}

#[tokio::test]
async fn a_token_passes_only_where_a_policy_names_it() {
    let world = World::start().await;
    let token = [
        ("cf-access-client-id", TOKEN_ID),
        ("cf-access-client-secret", TOKEN_SECRET),
    ];
    for protocol in BOTH {
        let mut client = world.connect(MIXED, None, protocol).await.unwrap();
        let (status, told) = client.get(MIXED, "/", &token).await.unwrap();
        assert_eq!(status, StatusCode::OK);
        assert!(!told["headers"].to_string().contains("cf-access"), "{told}");
        let (status, answer) = client.get(OPEN, "/", &token).await.unwrap();
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{answer}");
    }
    let event = world
        .event(|event| event["method"] == "service_token")
        .await;
    assert_eq!(event["client_id"], TOKEN_ID);
    assert!(
        world
            .events()
            .iter()
            .all(|event| !event.to_string().contains(TOKEN_SECRET))
    );
}

#[tokio::test]
async fn a_wrong_token_is_unauthorized_even_beside_a_good_certificate() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    let (id, secret) = (
        ("cf-access-client-id", TOKEN_ID),
        ("cf-access-client-secret", TOKEN_SECRET),
    );
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[id, ("cf-access-client-secret", "wrong")], "token_invalid"),
        (&[("cf-access-client-id", "who"), secret], "token_invalid"),
        (&[id], "token_incomplete"),
        (&[secret], "token_incomplete"),
        (&[id, id, secret], "token_duplicate"),
    ];
    let mut client = world
        .connect(MIXED, Some(&device), Protocol::Http1)
        .await
        .unwrap();
    for (headers, reason) in cases {
        let (status, answer) = client.get(MIXED, "/", headers).await.unwrap();
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer["reason"], reason);
    }
    assert_eq!(world.upstream.requests(), 0);
    // Where no policy names a token the headers mean nothing, and do not travel on.
    let mut client = world
        .connect(DEVICES, Some(&device), Protocol::Http1)
        .await
        .unwrap();
    let (status, told) = client.get(DEVICES, "/", &[id, id]).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert!(!told["headers"].to_string().contains("cf-access"), "{told}");
}

#[tokio::test]
async fn another_hosts_requests_are_misdirected() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    for protocol in BOTH {
        let mut client = world.connect(MIXED, Some(&device), protocol).await.unwrap();
        // Another scope, and a host nobody serves.
        for (host, reason) in [
            (DEVICES, "misdirected"),
            ("other.example.com", "unknown_host"),
        ] {
            let (status, answer) = client.get(host, "/", &[]).await.unwrap();
            assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
            assert_eq!(answer["reason"], reason);
        }
        // The same scope, in another spelling.
        let (status, _) = client
            .get("OPEN.example.com.:8443", "/", &[])
            .await
            .unwrap();
        assert_eq!(status, StatusCode::OK);
    }
}

#[tokio::test]
async fn contradictory_hosts_are_bad_requests() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    for (head, reason) in [
        (
            format!("GET / HTTP/1.1\r\nHost: {MIXED}\r\nHost: {MIXED}\r\n"),
            "host_duplicate",
        ),
        (
            format!("GET https://{OPEN}/ HTTP/1.1\r\nHost: {MIXED}\r\n"),
            "hosts_differ",
        ),
        ("GET / HTTP/1.1\r\n".to_owned(), "host_missing"),
        (
            format!("GET / HTTP/1.1\r\nHost: a@{MIXED}\r\n"),
            "host_invalid",
        ),
    ] {
        let mut stream = raw(world.address, &world.pki, MIXED, Some(&device), b"http/1.1")
            .await
            .unwrap();
        stream
            .write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains(reason), "{answer}");
    }
    assert_eq!(world.upstream.requests(), 0);
}

#[tokio::test]
async fn an_unknown_name_in_the_handshake_is_refused_not_defaulted() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    let error = world
        .connect("other.example.com", Some(&device), Protocol::Http1)
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("UnrecognisedName"), "{error}");
    let event = world.event(|event| event["reason"] == "unknown_sni").await;
    assert_eq!(event["host"], "other.example.com");
}

#[tokio::test]
async fn a_client_without_sni_needs_a_default_host() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    assert!(
        world
            .connect("127.0.0.1", Some(&device), Protocol::Http1)
            .await
            .is_err()
    );
    world.event(|event| event["reason"] == "missing_sni").await;
}

#[tokio::test]
async fn tls_1_2_is_served_and_refuses_in_the_handshake() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    let expired = world.pki.expired("device-2.factory.corp");
    let connect = |certificate| {
        raw_version(
            world.address,
            &world.pki,
            DEVICES,
            Some(certificate),
            b"http/1.1",
            &TLS12,
        )
    };
    let mut stream = connect(&device).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {DEVICES}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let error = connect(&expired).await.unwrap_err();
    assert!(error.to_string().contains("CertificateExpired"), "{error}");
}

#[tokio::test]
async fn no_session_is_resumed_where_that_is_switched_off() {
    let world = World::start_with("resumption = false").await;
    let device = world.pki.client("device-1.factory.corp");
    let config =
        crate::support::client_config(&world.pki, Some(&device), b"http/1.1", &[&TLS12, &TLS13]);
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    for _ in 0..3 {
        let name = rustls_pki_types::ServerName::try_from(DEVICES).unwrap();
        let socket = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let mut stream = connector.connect(name, socket).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {DEVICES}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
        assert_eq!(
            stream.get_ref().1.handshake_kind(),
            Some(rustls::HandshakeKind::Full)
        );
    }
}
