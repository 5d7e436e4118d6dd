//! What an application says of its handshake: `client_auth`.

use postern_fixtures::TestPki;
use postern_tests::{Client, DEVICE, DEVICES, PLAIN, Protocol, Site, TestGateway, tls, verdict};
use rustls::version::{TLS12, TLS13};

/// A site where an application says this.
fn saying(application: &str, client_auth: &str) -> Site {
    let site = Site::new();
    let name = format!("name = \"{application}\"\n");
    site.edit_config(&name, &format!("{name}client_auth = \"{client_auth}\"\n"));
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_and_a_certificate_is_nobodys() {
    let site = saying("plain", "none");
    site.edit_config("192.0.2.0/24", "127.0.0.1");
    let device = site.client(DEVICE);
    let stranger = site.keep(&TestPki::new().client(DEVICE), "stranger");
    let gateway = TestGateway::run(&site);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        // One that would be refused elsewhere is not looked at here, as it is never sent.
        for identity in [None, Some(&device), Some(&stranger)] {
            let client = Client::connect(&site, &gateway, PLAIN, identity, protocol).await;
            let mut client = client.unwrap();
            let answer = client.get("/").await.unwrap();
            assert_eq!(answer.status, 200);
            let event = gateway.event_of(&answer.request_id());
            assert!(event.get("common_name").is_none(), "{event}");
            // A host that needs a certificate needs another connection.
            let elsewhere = client.asking(DEVICES).get("/").await.unwrap();
            assert_eq!(elsewhere.status, 421);
        }
        let client = Client::connect(&site, &gateway, DEVICES, Some(&device), protocol).await;
        let elsewhere = client.unwrap().asking(PLAIN).get("/").await.unwrap();
        assert_eq!(elsewhere.status, 421);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn required_ends_the_handshake_where_policies_would_have_asked() {
    let site = saying("plain", "required");
    site.edit_config("192.0.2.0/24", "127.0.0.1");
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for version in [&TLS13, &TLS12] {
        let without = verdict(&gateway, tls(&site, None, b"http/1.1", &[version]), PLAIN).await;
        assert_eq!(without, Err("CertificateRequired".to_owned()));
        let with = tls(&site, Some(&device), b"http/1.1", &[version]);
        assert_eq!(verdict(&gateway, with, PLAIN).await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requested_answers_401_where_policies_would_have_ended_the_handshake() {
    let site = saying("devices", "requested");
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for (identity, status) in [(None, 401), (Some(&device), 200)] {
        let client = Client::connect(&site, &gateway, DEVICES, identity, Protocol::Http2).await;
        let answer = client.unwrap().get("/").await.unwrap();
        assert_eq!(answer.status, status);
    }
}

#[test]
fn check_tells_it_and_refuses_to_ask_nobody_where_a_certificate_is_needed() {
    let site = saying("plain", "none");
    let good = site.postern.run(&["gateway", "check"]).expect_code(0);
    assert!(
        good.stdout.contains("(client certificate none,"),
        "{}",
        good.stdout
    );
    let site = saying("devices", "none");
    let bad = site
        .postern
        .run(&["gateway", "check"])
        .expect_code(6)
        .stderr;
    assert!(bad.contains("nobody is asked for one"), "{bad}");
}
