//! Which certificates end the handshake, with which alert, and what the event says.

use postern_fixtures::{Authority, Issued, TestPki};
use postern_tests::{
    Client, DEVICE, DEVICES, Identity, MIXED, Protocol, Site, TestGateway, tls, verdict,
};
use rustls::version::{TLS12, TLS13};

/// A site that also trusts a test PKI, whose CRLs it is given.
fn site_with(pki: &TestPki) -> Site {
    let site = Site::new();
    // A CRL of somebody else's intermediate needs that intermediate in `trust`.
    let trust = format!("{}{}", pki.root().pem(), pki.intermediate().pem());
    std::fs::write(site.path("fixture-root.crt"), trust).unwrap();
    std::fs::write(site.path("fixture-1.crl"), pki.crl(1, &[]).pem()).unwrap();
    std::fs::write(site.path("fixture-2.crl"), pki.root_crl(1, &[]).pem()).unwrap();
    site.edit_config(
        r#""root/root.crt"]"#,
        r#""root/root.crt", "fixture-root.crt"]"#,
    );
    site.edit_config("when_stale ", "crl = [\"*.crl\"]\nwhen_stale ");
    site
}

/// Refused with this alert in TLS 1.2 and 1.3, where a certificate is required and where it is
/// only requested, and with one event of this reason each time.
async fn assert_refused(
    site: &Site,
    gateway: &TestGateway,
    identity: &Identity,
    alert: &str,
    reason: &str,
) {
    for (sni, version) in [(DEVICES, &TLS12), (DEVICES, &TLS13), (MIXED, &TLS13)] {
        let before = gateway.event_lines().len();
        let config = tls(site, Some(identity), b"http/1.1", &[version]);
        let refused = verdict(gateway, config, sni).await;
        assert_eq!(
            refused,
            Err(alert.to_owned()),
            "{reason} at {sni} in {version:?}"
        );
        let later = |event: &serde_json::Value| event["event"] == "handshake";
        let events: Vec<_> = loop {
            let new: Vec<_> = gateway.events().into_iter().skip(before).collect();
            if new.iter().any(later) {
                break new;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        };
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0]["reason"], reason, "{events:?}");
        assert_eq!(events[0]["decision"], "deny");
        assert_eq!(events[0]["host"], sni);
        assert_eq!(events[0]["request_id"].as_str().unwrap().len(), 32);
    }
    assert_eq!(site.upstream.count(), 0, "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_where_one_is_required_the_handshake_ends() {
    let site = Site::new();
    let gateway = TestGateway::run(&site);
    for (version, alert) in [
        (&TLS13, "CertificateRequired"),
        (&TLS12, "CertificateRequired"),
    ] {
        let config = tls(&site, None, b"http/1.1", &[version]);
        assert_eq!(
            verdict(&gateway, config, DEVICES).await,
            Err(alert.to_owned())
        );
    }
    let event = gateway.event(|event| event["reason"] == "certificate_required");
    assert_eq!(event["event"], "handshake");
    assert_eq!(site.upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_and_trust_are_checked_in_the_handshake() {
    let pki = TestPki::new();
    let site = site_with(&pki);
    let gateway = TestGateway::run(&site);
    let later = pki.date_time() + std::time::Duration::from_secs(3600);
    let early = pki.client_with(DEVICE, |params| params.not_before = later);
    for (name, issued, alert, reason) in [
        (
            "expired",
            pki.expired(DEVICE),
            "CertificateExpired",
            "expired",
        ),
        // RFC 8446 section 6.2: "expired or is not currently valid".
        ("early", early, "CertificateExpired", "not_yet_valid"),
        (
            "stranger",
            pki.by_unknown_ca(DEVICE),
            "UnknownCA",
            "unknown_issuer",
        ),
        (
            "forged",
            pki.forged(DEVICE),
            "BadCertificate",
            "bad_signature",
        ),
    ] {
        let identity = site.keep(&issued, name);
        assert_refused(&site, &gateway, &identity, alert, reason).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_purpose_is_no_client() {
    let pki = TestPki::new();
    let site = site_with(&pki);
    let server = Identity {
        certificate: site.path("gateway.example.com.crt"),
        key: site.path("gateway.example.com.key"),
    };
    let gateway = TestGateway::run(&site);
    assert_refused(
        &site,
        &gateway,
        &server,
        "UnsupportedCertificate",
        "eku_missing",
    )
    .await;
    for (name, issued, alert, reason) in [
        (
            "server-auth",
            pki.server_auth_only(DEVICE),
            "UnsupportedCertificate",
            "eku_missing",
        ),
        (
            "no-eku",
            pki.without_eku(DEVICE),
            "UnsupportedCertificate",
            "eku_missing",
        ),
        (
            "any-eku",
            pki.any_purpose(DEVICE),
            "UnsupportedCertificate",
            "eku_missing",
        ),
        ("ca", pki.ca_as_leaf(DEVICE), "AccessDenied", "ca_as_leaf"),
        (
            "cert-sign",
            pki.key_cert_sign(DEVICE),
            "AccessDenied",
            "key_usage",
        ),
        (
            "no-ds",
            pki.no_digital_signature(DEVICE),
            "AccessDenied",
            "key_usage",
        ),
        (
            "two-names",
            pki.two_common_names(DEVICE, "admin"),
            "AccessDenied",
            "multiple_common_names",
        ),
    ] {
        let identity = site.keep(&issued, name);
        assert_refused(&site, &gateway, &identity, alert, reason).await;
    }
}

#[test]
fn a_self_signed_certificate_is_refused_by_openssl_and_curl_alike() {
    if postern_tests::skip_without("openssl") || postern_tests::skip_without("curl") {
        return;
    }
    let site = Site::new();
    let made = site.shell(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
         -subj /CN=device-1.factory.corp -addext extendedKeyUsage=clientAuth \
         -addext basicConstraints=critical,CA:FALSE -keyout self.key -out self.crt",
    );
    drop(made.expect_code(0));
    let gateway = TestGateway::run(&site);
    let url = gateway.url(DEVICES, "/");
    for http in ["--http1.1", "--http2"] {
        let args = [
            http,
            "--cert",
            "self.crt",
            "--key",
            "self.key",
            url.as_str(),
        ];
        let refused = gateway.curl(&site, &args);
        assert_ne!(refused.code, Some(0));
        assert!(refused.stderr.contains("unknown ca"), "{}", refused.stderr);
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let script = format!(
            "(printf 'GET / HTTP/1.1\\r\\nHost: {DEVICES}\\r\\n\\r\\n'; sleep 1) | timeout 30 \
             openssl s_client {version} -connect 127.0.0.1:{} -servername {DEVICES} -ign_eof \
             -cert self.crt -key self.key 2>&1",
            gateway.port()
        );
        let output = site.shell(&script).stdout;
        assert!(output.contains("unknown ca"), "{output}");
    }
    let refused = || {
        gateway
            .events()
            .iter()
            .filter(|event| event["reason"] == "unknown_issuer")
            .count()
    };
    gateway.event(|_| refused() == 4);
    assert_eq!(site.upstream.count(), 0);
}

#[test]
fn tls_below_1_2_is_refused() {
    if postern_tests::skip_without("openssl") {
        return;
    }
    let site = Site::new();
    site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for version in ["-tls1", "-tls1_1"] {
        let script = format!(
            "timeout 30 openssl s_client {version} -cipher 'ALL:@SECLEVEL=0' -connect 127.0.0.1:{} \
             -servername {DEVICES} </dev/null 2>&1",
            gateway.port()
        );
        let output = site.shell(&script).stdout;
        assert!(
            output.contains(" alert ") && output.contains("Cipher is (NONE)"),
            "{output}"
        );
    }
    let events = || {
        gateway
            .events()
            .iter()
            .filter(|event| event["event"] == "handshake")
            .count()
    };
    gateway.event(|_| events() == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_ten_certificates_is_refused_before_anything_is_built_of_it() {
    let pki = TestPki::new();
    let site = site_with(&pki);
    let gateway = TestGateway::run(&site);
    let filler: Vec<_> = (0..9)
        .map(|number| Authority::root(&format!("Filler {number}"), pki.date_time(), |_| {}))
        .map(|authority| authority.der().clone())
        .collect();
    let long = site.keep(&pki.client(DEVICE).presenting(filler), "ten");
    assert_refused(&site, &gateway, &long, "AccessDenied", "chain_too_long").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_sent_without_its_intermediate_is_completed_from_what_the_ca_publishes() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let pem = std::fs::read_to_string(&device.certificate).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    let leaf = &pem[..pem.find(end).unwrap() + end.len()];
    std::fs::write(&device.certificate, leaf).unwrap();
    assert_eq!(device.chain().len(), 1);
    let gateway = TestGateway::run(&site);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let client = Client::connect(&site, &gateway, DEVICES, Some(&device), protocol).await;
        assert_eq!(client.unwrap().get("/").await.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_is_the_leafs_whatever_else_is_in_the_chain() {
    let pki = TestPki::new();
    let site = site_with(&pki);
    let gateway = TestGateway::run(&site);
    let victim = pki.client(DEVICE).der().clone();
    let issuer = pki.intermediate().der().clone();
    let nobody = || pki.client("nobody");
    let chains: [Issued; 2] = [
        nobody().presenting(vec![victim.clone(), issuer.clone()]),
        nobody().presenting(vec![issuer, victim]),
    ];
    for (number, issued) in chains.iter().enumerate() {
        let identity = site.keep(issued, &format!("mixed-{number}"));
        let client =
            Client::connect(&site, &gateway, DEVICES, Some(&identity), Protocol::Http1).await;
        let answer = client.unwrap().get("/").await.unwrap();
        assert_eq!(answer.status, 403);
        assert_eq!(
            gateway.event_of(&answer.request_id())["common_name"],
            "nobody"
        );
    }
    assert_eq!(site.upstream.count(), 0);
}
