//! Headers alone never suffice: who connects is Cloudflare, or nobody listens.

use std::os::unix::fs::PermissionsExt as _;

use postern_fixtures::TestPki;
use postern_tests::{Client, DEVICE, DEVICES, Identity, Protocol, TestGateway, skip_without};

use super::{ASSERTION, Behind, CLIENT, TUNNEL};

/// Status of one request with a good assertion, or what became of the connection.
async fn ask(behind: &Behind, gateway: &TestGateway, shown: Option<&Identity>) -> Option<u16> {
    let assertion = behind.assertion_of(DEVICE);
    let headers = [(ASSERTION, &*assertion), ("Cf-Connecting-IP", CLIENT)];
    let client = Client::connect(&behind.site, gateway, DEVICES, shown, Protocol::Http1).await;
    let answer = client.ok()?.get_with("/asked", &headers).await;
    answer.ok().map(|answer| answer.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_connection_with_forged_headers_reaches_nobody() {
    // Documentation's network: nobody connects from there.
    let behind = Behind::new(r#"["192.0.2.0/24"]"#, "");
    let device = behind.site.client(DEVICE);
    let gateway = TestGateway::run(&behind.site);
    for shown in [None, Some(&device)] {
        assert_eq!(ask(&behind, &gateway, shown).await, None);
    }
    let event = gateway.event(|event| event["event"] == "handshake");
    assert_eq!(event["reason"], "peer_not_cloudflare");
    assert_eq!(event["peer"], "127.0.0.1");
    assert_eq!(behind.site.upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_pull_certificate_is_cloudflares_and_nobodys_identity() {
    let behind = Behind::new(r#"{ origin_pull_ca = "origin-pull.crt" }"#, "");
    let cloudflare = TestPki::new();
    std::fs::write(behind.site.path("origin-pull.crt"), cloudflare.root().pem()).unwrap();
    // The shared CA signs for every zone: a name that would be let in proves nothing.
    let pull = behind.site.keep(&cloudflare.client(DEVICE), "pull");
    let stranger = behind.site.keep(&TestPki::new().client(DEVICE), "stranger");
    let device = behind.site.client(DEVICE);
    let gateway = TestGateway::run(&behind.site);

    for shown in [None, Some(&stranger), Some(&device)] {
        assert_eq!(ask(&behind, &gateway, shown).await, None);
    }
    let refused = gateway.event(|event| event["event"] == "handshake");
    assert_eq!(refused["reason"], "peer_not_cloudflare");
    assert_eq!(behind.site.upstream.count(), 0);

    assert_eq!(ask(&behind, &gateway, Some(&pull)).await, Some(200));
    let client = Client::connect(
        &behind.site,
        &gateway,
        DEVICES,
        Some(&pull),
        Protocol::Http2,
    );
    let headers = [("Cf-Connecting-IP", CLIENT)];
    let bare = client.await.unwrap().get_with("/bare", &headers).await;
    let bare = bare.unwrap();
    assert_eq!((bare.status, &*super::reason(&bare)), (401, "jwt_missing"));
    let received = behind.site.upstream.only("/asked");
    assert!(received.values("client-cert").is_empty(), "{received:?}");
}

#[test]
fn a_unix_socket_is_for_its_owner_and_group_and_goes_with_the_gateway() {
    if skip_without("curl") {
        return;
    }
    let behind = Behind::new(TUNNEL, "");
    behind
        .site
        .edit_config("\"127.0.0.1:0\"", "\"unix:gateway.sock\"");
    let socket = behind.site.path("gateway.sock");
    let assertion = format!("{ASSERTION}: {}", behind.assertion_of(DEVICE));
    // The second one finds what a killed one left behind.
    for _ in 0..2 {
        let gateway = TestGateway::run(&behind.site);
        let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let url = format!("http://{DEVICES}/asked");
        let address = format!("Cf-Connecting-IP: {CLIENT}");
        let ask = [
            "--unix-socket",
            "gateway.sock",
            "-o",
            "answer",
            "-w",
            "%{http_code}",
        ];
        let with = ["-H", &address, "-H", &assertion, &url];
        let output = gateway.curl(&behind.site, &[&ask[..], &with].concat());
        assert_eq!(output.stdout, "200", "{output:?}");
        drop(gateway);
        assert!(socket.exists());
    }
    let gateway = TestGateway::run(&behind.site);
    gateway.stop();
    assert!(!socket.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_trusts_others_ends_what_was_trusted_before() {
    let behind = Behind::new(super::LOOPBACK, "");
    let gateway = TestGateway::run(&behind.site);
    let client = Client::connect(&behind.site, &gateway, DEVICES, None, Protocol::Http2).await;
    let mut client = client.unwrap();
    let assertion = behind.assertion_of(DEVICE);
    let headers = [(ASSERTION, &*assertion), ("Cf-Connecting-IP", CLIENT)];
    assert_eq!(
        client.get_with("/before", &headers).await.unwrap().status,
        200
    );
    behind.site.edit_config("127.0.0.0/8", "192.0.2.0/24");
    drop(
        behind
            .site
            .postern
            .run(&["gateway", "reload"])
            .expect_code(0),
    );
    let after = client.get_with("/after", &headers).await.unwrap();
    assert_eq!(
        (after.status, &*super::reason(&after)),
        (421, "misdirected")
    );
}
