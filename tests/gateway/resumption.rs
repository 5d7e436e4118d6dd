//! A resumed session is let in by nothing that a new one would not be.

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_fixtures::TestPki;
use postern_tests::{DEVICE, DEVICES, LOGS, MIXED, PLAIN, Site, TestGateway, connect, tls};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::s_client::{OpenSsl, VERSIONS, file};

#[test]
fn a_session_is_resumed_with_the_same_identity_and_without_early_data() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let mut served = Vec::new();
    for version in VERSIONS {
        let (openssl, session) = (OpenSsl::new(&site, version), file(version));
        let first = openssl.first(&gateway, DEVICES, Some(&device), &session);
        first.expect_full();
        // What proves the client now is the session: it shows no certificate.
        let again = openssl.again(&gateway, DEVICES, None, &session);
        again.expect_resumed();
        served.extend([first, again]);
    }
    // Each session of TLS 1.3 comes with the ticket for the one after it.
    let (version, next) = ("-tls1_3", "session-tls1_3.pem.next");
    let openssl = OpenSsl::new(&site, version);
    let last = openssl.again(&gateway, DEVICES, None, next);
    last.expect_resumed();
    served.push(last);
    let show = ["sess_id", "-in", next, "-noout", "-text"];
    let shown = site.postern.tool("openssl", &show).expect_code(0).stdout;
    assert!(shown.contains("Max Early Data: 0\n"), "{shown}");
    let events: Vec<_> = served
        .iter()
        .map(|said| gateway.event_of(&said.request_id()))
        .collect();
    for event in &events {
        assert_eq!(event["common_name"], DEVICE);
        assert_eq!(event["fingerprint"], events[0]["fingerprint"]);
        assert_eq!(event["method"], "mtls");
    }
}

#[test]
fn a_revoked_client_does_not_resume() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let other = site.client("device-2.factory.corp");
    let gateway = TestGateway::run(&site);
    let sessions = VERSIONS.map(|version| {
        let openssl = OpenSsl::new(&site, version);
        let (session, others) = (file(version), format!("other{version}"));
        openssl
            .first(&gateway, DEVICES, Some(&device), &session)
            .expect_full();
        openssl
            .first(&gateway, DEVICES, Some(&other), &others)
            .expect_full();
        (openssl, session, others)
    });
    site.revoke(DEVICE);
    gateway.event(|event| event["event"] == "revocation");
    for (openssl, session, others) in sessions {
        let again = openssl.again(&gateway, DEVICES, Some(&device), &session);
        again.expect_alert("certificate revoked");
        let without = openssl.again(&gateway, DEVICES, None, &session);
        without.expect_alert("certificate required");
        openssl
            .again(&gateway, DEVICES, None, &others)
            .expect_resumed();
    }
    let event = gateway.event(|event| event["event"] == "handshake");
    assert_eq!(
        (&event["reason"], &event["common_name"]),
        (&"revoked".into(), &DEVICE.into())
    );
}

#[test]
fn no_session_outlives_its_certificate() {
    let site = Site::new();
    let config = fs::read_to_string(site.path("postern.toml")).unwrap();
    site.write_config(&format!("[ca.profile.brief]\nlifetime = \"8s\"\n{config}"));
    let gateway = TestGateway::run(&site);
    let brief = site.issue(DEVICE, "brief", "clients");
    for version in VERSIONS {
        let openssl = OpenSsl::new(&site, version);
        openssl
            .first(&gateway, DEVICES, Some(&brief), &file(version))
            .expect_full();
    }
    // Longer than it lives: how much longer does not matter.
    std::thread::sleep(Duration::from_secs(9));
    for version in VERSIONS {
        let openssl = OpenSsl::new(&site, version);
        let again = openssl.again(&gateway, DEVICES, Some(&brief), &file(version));
        again.expect_alert("certificate expired");
    }
}

#[test]
fn a_session_ends_after_its_longest_time() {
    let site = Site::with("limits = { max_resumption = \"1s\" }");
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for version in VERSIONS {
        let openssl = OpenSsl::new(&site, version);
        openssl
            .first(&gateway, DEVICES, Some(&device), &file(version))
            .expect_full();
    }
    std::thread::sleep(Duration::from_secs(2));
    for version in VERSIONS {
        let openssl = OpenSsl::new(&site, version);
        openssl
            .again(&gateway, DEVICES, Some(&device), &file(version))
            .expect_full();
    }
}

#[test]
fn trust_that_a_reload_takes_away_ends_sessions() {
    let pki = TestPki::new();
    let site = Site::new();
    let other = site.keep(&pki.client(DEVICE), "other");
    fs::write(site.path("other.pem"), pki.root().pem()).unwrap();
    let (one, both) = ("[\"root/root.crt\"]", "[\"root/root.crt\", \"other.pem\"]");
    site.edit_config(one, both);
    site.edit_config("\"refuse\"", "\"admit\"");
    let (device, gateway) = (site.client(DEVICE), TestGateway::run(&site));
    let of = |version: &str, who: &str| format!("{who}{version}");
    for version in VERSIONS {
        let openssl = OpenSsl::new(&site, version);
        for (who, client) in [("device", &device), ("other", &other)] {
            let session = of(version, who);
            openssl
                .first(&gateway, DEVICES, Some(client), &session)
                .expect_full();
        }
    }
    // A reload that changes nothing of trust ends no session.
    site.postern.run(&["gateway", "reload"]).expect_code(0);
    for version in VERSIONS {
        let openssl = OpenSsl::new(&site, version);
        let session = of(version, "other");
        openssl
            .again(&gateway, DEVICES, None, &session)
            .expect_resumed();
    }
    site.edit_config(both, one);
    site.postern.run(&["gateway", "reload"]).expect_code(0);
    for version in VERSIONS {
        let openssl = OpenSsl::new(&site, version);
        let session = of(version, "other");
        openssl
            .again(&gateway, DEVICES, Some(&other), &session)
            .expect_alert("unknown ca");
        let session = of(version, "device");
        openssl
            .again(&gateway, DEVICES, Some(&device), &session)
            .expect_full();
    }
}

#[test]
fn a_session_with_one_host_is_nothing_to_another() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for version in VERSIONS {
        let openssl = OpenSsl::new(&site, version);
        for from in [DEVICES, LOGS, MIXED, PLAIN] {
            openssl
                .first(&gateway, from, Some(&device), &file(version))
                .expect_full();
            for to in [DEVICES, LOGS, MIXED, PLAIN]
                .into_iter()
                .filter(|to| *to != from)
            {
                let before = site.upstream.count();
                let again = openssl.again(&gateway, to, None, &file(version));
                assert!(
                    !again.was_resumed() && !again.was_served(),
                    "{from} {to} {again:?}"
                );
                assert_eq!(site.upstream.count(), before, "{from} {to}");
            }
        }
    }
}

#[test]
fn a_session_without_a_certificate_stays_without() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for version in VERSIONS {
        let (openssl, session) = (OpenSsl::new(&site, version), file(version));
        let first = openssl.first(&gateway, MIXED, None, &session);
        assert!(first.0.stdout.contains("HTTP/1.1 401"), "{first:?}");
        let again = openssl.again(&gateway, MIXED, Some(&device), &session);
        assert!(
            again.was_resumed() && again.0.stdout.contains("HTTP/1.1 401"),
            "{again:?}"
        );
        let elsewhere = openssl.again(&gateway, DEVICES, None, &session);
        elsewhere.expect_alert("certificate required");
    }
    assert_eq!(site.upstream.count(), 0);
}

/// One octet in the middle of the ticket of a session file is changed.
fn tamper(site: &Site, session: &str) {
    let der = [
        "sess_id",
        "-in",
        session,
        "-outform",
        "DER",
        "-out",
        "session.der",
    ];
    site.postern.tool("openssl", &der).expect_code(0);
    let mut der = fs::read(site.path("session.der")).unwrap();
    // SSL_SESSION's ticket: [10] EXPLICIT OCTET STRING, both longer than 255 octets.
    let is_ticket = |octets: &[u8]| octets.starts_with(&[0xaa, 0x82]) && octets[4..6] == [4, 0x82];
    let at = der.windows(8).position(is_ticket).expect("a ticket");
    der[at + 8 + 100] ^= 1;
    let text = STANDARD.encode(&der);
    let lines = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap());
    let lines = lines.collect::<Vec<_>>().join("\n");
    let label = "SSL SESSION PARAMETERS-----";
    let pem = format!("-----BEGIN {label}\n{lines}\n-----END {label}\n");
    fs::write(site.path(session), pem).unwrap();
}

#[test]
fn a_changed_ticket_is_no_ticket() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for version in VERSIONS {
        let (openssl, session) = (OpenSsl::new(&site, version), file(version));
        openssl
            .first(&gateway, DEVICES, Some(&device), &session)
            .expect_full();
        openssl
            .again(&gateway, DEVICES, None, &session)
            .expect_resumed();
        tamper(&site, &session);
        openssl
            .again(&gateway, DEVICES, Some(&device), &session)
            .expect_full();
        let without = openssl.again(&gateway, DEVICES, None, &session);
        without.expect_alert("certificate required");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rustls_client_resumes_too_with_one_ticket_a_connection() {
    let site = Site::new();
    let (device, gateway) = (site.client(DEVICE), TestGateway::run(&site));
    for version in [&TLS13, &TLS12] {
        let config = std::sync::Arc::new(tls(&site, Some(&device), b"http/1.1", &[version]));
        for expected in [
            HandshakeKind::Full,
            HandshakeKind::Resumed,
            HandshakeKind::Resumed,
        ] {
            let mut stream = connect(&gateway, config.clone(), DEVICES).await.unwrap();
            let request = format!("GET / HTTP/1.1\r\nHost: {DEVICES}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200"));
            let tls = stream.get_ref().1;
            assert_eq!(tls.handshake_kind(), Some(expected), "{version:?}");
            if version.version == rustls::ProtocolVersion::TLSv1_3 {
                assert_eq!(tls.tls13_tickets_received(), 1);
            }
        }
    }
}
