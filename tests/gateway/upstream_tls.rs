//! TLS with the upstream: who it is gets checked, and who we are gets shown.

use postern_fixtures::TestPki;
use postern_tests::{
    Answer, Client, DEVICE, DEVICES, Nginx, Protocol, Site, TestGateway, config, skip_without,
};

const TRUST: &str = "upstream_trust = \"root/root.crt\"";
const NAME: &str = "upstream_name = \"backend.internal\"";
const IDENTITY: &str = "upstream_certificate = \"upstream/gateway-1.crt\"\n\
                        upstream_key = \"upstream/gateway-1.key\"";

/// A site in front of an nginx that needs a certificate, with more keys beside `upstream`.
fn site(protocol: Protocol, keys: &[&str]) -> (Site, Nginx) {
    let site = Site::new();
    site.issue("gateway-1", "service", "upstream");
    let nginx = Nginx::start_tls(&site, protocol);
    site.write_config(&config(&nginx.authority(), ""));
    let https = format!(
        "upstream = \"https://{}\"\n{}",
        nginx.authority(),
        keys.join("\n")
    );
    let http = format!("upstream = \"http://{}\"", nginx.authority());
    site.edit_config(&http, &https);
    (site, nginx)
}

async fn client(site: &Site, gateway: &TestGateway) -> Client {
    let device = site.client(DEVICE);
    Client::connect(site, gateway, DEVICES, Some(&device), Protocol::Http1)
        .await
        .unwrap()
}

async fn ask(site: &Site, gateway: &TestGateway) -> Answer {
    client(site, gateway).await.get("/who").await.unwrap()
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_who_it_should_be_sees_our_certificate() {
    if skip_without("nginx") {
        return;
    }
    let (site, _nginx) = site(Protocol::Http1, &[TRUST, NAME, IDENTITY]);
    let gateway = TestGateway::run(&site);
    let answer = ask(&site, &gateway).await;
    assert_eq!(
        text(&answer),
        format!("client=CN=gateway-1\nsni=backend.internal\nprotocol=HTTP/1.1\nhost={DEVICES}\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_where_the_upstream_prefers_it_and_nothing_else_is_asked_for() {
    if skip_without("nginx") {
        return;
    }
    let http1 = "upstream_protocol = \"http1\"";
    for (keys, spoken) in [(&[][..], "HTTP/2.0"), (&[http1], "HTTP/1.1")] {
        let (site, _nginx) = site(Protocol::Http2, &[keys, &[TRUST, NAME, IDENTITY]].concat());
        let gateway = TestGateway::run(&site);
        let mut client = client(&site, &gateway).await;
        for _ in 0..2 {
            let answer = client.get("/who").await.unwrap();
            assert_eq!(
                text(&answer),
                format!(
                    "client=CN=gateway-1\nsni=backend.internal\nprotocol={spoken}\nhost={DEVICES}\n"
                )
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_does_not_speak_the_http2_that_is_asked_for_gets_no_request() {
    if skip_without("nginx") {
        return;
    }
    let h2 = "upstream_protocol = \"h2\"";
    let (site, _nginx) = site(Protocol::Http1, &[TRUST, NAME, IDENTITY, h2]);
    let gateway = TestGateway::run(&site);
    let answer = ask(&site, &gateway).await;
    assert_eq!(answer.status, 502);
    let event = gateway.event_of(&answer.request_id());
    let detail = event["detail"].as_str().unwrap();
    assert!(detail.contains("NoApplicationProtocol"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_without_our_certificate_says_so_itself() {
    if skip_without("nginx") {
        return;
    }
    let (site, _nginx) = site(Protocol::Http1, &[TRUST, NAME]);
    let gateway = TestGateway::run(&site);
    let answer = ask(&site, &gateway).await;
    assert_eq!(answer.status, 400);
    assert!(text(&answer).contains("No required SSL certificate was sent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_somebody_else_gets_no_request() {
    if skip_without("nginx") {
        return;
    }
    for (keys, why) in [
        // Another CA, the machine's CAs, another name than in the certificate.
        (
            &["upstream_trust = \"other.crt\"", NAME][..],
            "UnknownIssuer",
        ),
        (&[NAME], "UnknownIssuer"),
        (&[TRUST], "not valid for name"),
        (
            &[TRUST, "upstream_name = \"other.internal\""],
            "not valid for name",
        ),
    ] {
        let (site, _nginx) = site(Protocol::Http1, &[keys, &[IDENTITY]].concat());
        std::fs::write(site.path("other.crt"), TestPki::new().root().pem()).unwrap();
        let gateway = TestGateway::run(&site);
        let answer = ask(&site, &gateway).await;
        assert_eq!(answer.status, 502, "{keys:?}");
        assert_eq!(answer.json()["reason"], "upstream_tls_failed");
        let event = gateway.event_of(&answer.request_id());
        assert_eq!(event["decision"], "permit");
        let detail = event["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{keys:?}: {detail}");
        let log = std::fs::read_to_string(site.path("nginx/access.log")).unwrap();
        assert!(!log.contains("/who"), "{log}");
    }
}

#[test]
fn files_that_cannot_be_used_are_errors_with_their_place() {
    let site = Site::new();
    let upstream = format!("upstream = \"http://{}\"", site.upstream.authority());
    let with = |keys: &str| {
        site.write_config(&config(&site.upstream.authority(), ""));
        site.edit_config(
            &upstream,
            &format!("upstream = \"https://backend\"\n{keys}"),
        );
        site.postern.run(&["gateway", "check"])
    };
    let good = with(TRUST).expect_code(0);
    assert!(
        good.stdout.contains("https://backend:443"),
        "{}",
        good.stdout
    );
    site.issue("gateway-1", "service", "upstream");
    drop(
        site.shell("chmod 644 upstream/gateway-1.key")
            .expect_code(0),
    );
    for (keys, line, message) in [
        (
            "upstream_trust = \"missing.crt\"",
            17,
            "cannot read the trust file",
        ),
        (
            IDENTITY,
            18,
            "can be read by others than its owner (mode 0644)",
        ),
        (
            "upstream_certificate = \"missing.crt\"\nupstream_key = \"upstream/gateway-1.key\"",
            17,
            "cannot read the client certificate",
        ),
    ] {
        let refused = with(keys).expect_code(6);
        assert!(refused.stderr.contains(message), "{}", refused.stderr);
        assert!(
            refused.stderr.contains(&format!("postern.toml:{line}:")),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains("application `devices`"));
    }
}
