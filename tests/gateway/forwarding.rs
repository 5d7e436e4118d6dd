//! The upstream: streaming both ways, connections used again, and every way it can fail.

use std::time::Duration;

use http_body_util::BodyExt as _;
use postern_tests::{
    Client, DEVICE, DEVICES, Identity, Protocol, Sha256, Site, TestGateway, config, free_port,
    full, pattern, skip_without,
};

use crate::wire::{exchange, statuses};

const LARGE: usize = 50 * 1024 * 1024;
const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

async fn client(
    site: &Site,
    gateway: &TestGateway,
    device: &Identity,
    protocol: Protocol,
) -> Client {
    Client::connect(site, gateway, DEVICES, Some(device), protocol)
        .await
        .unwrap()
}

fn digest(octets: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(octets);
    digest.finish()
}

#[test]
fn fifty_megabytes_go_both_ways_unchanged() {
    if skip_without("curl") || skip_without("sha256sum") {
        return;
    }
    let site = Site::new();
    site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let large = pattern(0, LARGE);
    let expected = digest(&large);
    std::fs::write(site.path("large"), &large).unwrap();
    let (crt, key) = (
        format!("clients/{DEVICE}.crt"),
        format!("clients/{DEVICE}.key"),
    );
    for http in ["--http1.1", "--http2"] {
        let down = gateway.url(DEVICES, &format!("/octets/{LARGE}"));
        let args = [http, "--cert", &crt, "--key", &key, "-o", "got", &down];
        drop(gateway.curl(&site, &args).expect_code(0));
        let sum = site.postern.tool("sha256sum", &["got"]).stdout;
        assert!(sum.starts_with(&expected), "{http}");
        for encoding in ["Content-Length: ", "Transfer-Encoding: chunked"] {
            // curl sends chunks over HTTP/1.1; over HTTP/2 there is just no length.
            let known = encoding.starts_with("Content");
            let header = if known || http == "--http2" {
                "X-None: 1"
            } else {
                encoding
            };
            let path = format!("/up/{}/{known}", &http[6..]);
            let url = gateway.url(DEVICES, &path);
            let args = [
                http, "--cert", &crt, "--key", &key, "-H", "Expect:", "-H", header, "-T", "large",
                &url,
            ];
            drop(gateway.curl(&site, &args).expect_code(0));
            let received = site.upstream.only(&path);
            assert_eq!(
                received.sha256.as_deref(),
                Some(expected.as_str()),
                "{path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_flows_before_the_upstream_is_done() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for protocol in BOTH {
        let mut client = client(&site, &gateway, &device, protocol).await;
        let request = client.request("GET", "/endless", &[], full(""));
        let mut body = client.send(request).await.unwrap().into_body();
        for _ in 0..3 {
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(&frame.into_data().unwrap()[..5], b"tick\n");
        }
    }
    // Nobody reads any more: the upstream is told.
    while site.upstream.streams_cut() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let aborted = |event: &serde_json::Value| event["decision"] == "aborted";
    assert_eq!(gateway.event(aborted)["reason"], "client_gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_the_upstream_are_used_again() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for protocol in BOTH {
        for _ in 0..5 {
            let mut client = client(&site, &gateway, &device, protocol).await;
            for _ in 0..4 {
                assert_eq!(client.get("/again").await.unwrap().status, 200);
            }
        }
    }
    assert_eq!(site.upstream.count(), 40);
    assert!(
        site.upstream.connections() <= 3,
        "{}",
        site.upstream.connections()
    );
    let lines: Vec<_> = site
        .upstream
        .received()
        .into_iter()
        .map(|one| one.line)
        .collect();
    assert!(
        lines.iter().all(|line| line == "GET /again HTTP/1.1"),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_have_none() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for protocol in BOTH {
        let mut client = client(&site, &gateway, &device, protocol).await;
        for status in [204, 304] {
            let answer = client.get(&format!("/status/{status}")).await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (status, 0));
            assert!(!answer.headers.contains_key("transfer-encoding"));
        }
        let request = client.request("HEAD", "/octets/1000", &[], full(""));
        let response = client.send(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-length"], "1000");
        assert_eq!(
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .len(),
            0
        );
        // The connection is still good, and one event was written for each.
        assert_eq!(client.get("/after").await.unwrap().status, 200);
    }
    let requests = || {
        gateway
            .events()
            .iter()
            .filter(|event| event["event"] == "request")
            .count()
    };
    gateway.event(|_| requests() == 8);
    let all =
        |event: &serde_json::Value| event["event"] != "request" || event["decision"] == "permit";
    assert!(gateway.events().iter().all(all), "{:#?}", gateway.events());
}

#[tokio::test(flavor = "multi_thread")]
async fn expect_100_continue_is_answered_by_the_gateway() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let head = format!(
        "POST /expect HTTP/1.1\r\nHost: {DEVICES}\r\nContent-Length: 4\r\n\
         Expect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    let (answer, _) = exchange(
        &site,
        &gateway,
        DEVICES,
        Some(&device),
        format!("{head}body").as_bytes(),
    )
    .await;
    assert!(statuses(&answer).ends_with(&[200]), "{answer}");
    let received = site.upstream.only("/expect");
    assert_eq!(received.body_octets, 4);
    assert!(received.values("expect").is_empty());

    // Without the body the client is told to go on.
    let (answer, _) = exchange(&site, &gateway, DEVICES, Some(&device), head.as_bytes()).await;
    assert_eq!(statuses(&answer).first(), Some(&100), "{answer}");
    // Whoever is refused is not asked for the body.
    let refused = head.replace(DEVICES, "mixed.example.com");
    let (answer, _) = exchange(&site, &gateway, DEVICES, Some(&device), refused.as_bytes()).await;
    assert_eq!(statuses(&answer), [421], "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_down_is_502_and_a_slow_one_504() {
    let site = Site::with("[gateway.limits]\nupstream_timeout = \"1s\"");
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let mut clients = Vec::new();
    for protocol in BOTH {
        let mut client = client(&site, &gateway, &device, protocol).await;
        for (path, status, reason) in [
            ("/slow/4000", 504, "upstream_timeout"),
            ("/close", 502, "upstream_failed"),
            ("/garbage", 502, "upstream_failed"),
        ] {
            let answer = client.get(path).await.unwrap();
            assert_eq!(answer.status, status, "{path} {protocol:?}");
            assert_eq!(answer.json()["reason"], reason);
            let event = gateway.event_of(&answer.request_id());
            // It was allowed, and then something broke.
            assert_eq!(
                (&event["decision"], &event["reason"]),
                (&"permit".into(), &reason.into())
            );
        }
        assert_eq!(client.get("/fine").await.unwrap().status, 200);
        clients.push(client);
    }
    site.write_config(&config(&format!("127.0.0.1:{}", free_port()), ""));
    drop(site.postern.run(&["gateway", "reload"]).expect_code(0));
    for mut client in clients {
        let answer = client.get("/down").await.unwrap();
        assert_eq!(
            (answer.status, answer.json()["reason"].as_str()),
            (502, Some("upstream_unreachable"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for protocol in BOTH {
        let mut client = client(&site, &gateway, &device, protocol).await;
        assert!(client.get("/split").await.is_err(), "{protocol:?}");
        let count = || {
            gateway
                .events()
                .iter()
                .filter(|event| event["reason"] == "upstream_aborted")
                .count()
        };
        gateway.event(|_| count() > 0);
    }
    let mut fresh = client(&site, &gateway, &device, Protocol::Http1).await;
    assert_eq!(fresh.get("/fine").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_reaches_the_upstream_as_broken() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = postern_tests::dial(&site, &gateway, DEVICES, Some(&device), b"http/1.1")
            .await
            .unwrap();
        let head =
            format!("PUT /broken HTTP/1.1\r\nHost: {DEVICES}\r\nContent-Length: 100\r\n\r\nhalf");
        stream.write_all(head.as_bytes()).await.unwrap();
        while site.upstream.count() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    while !site.upstream.only("/broken").broken_off {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
