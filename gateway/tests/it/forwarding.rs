//! What reaches the upstream, and what comes back.

use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{DEVICES, MIXED, PATIENCE, Protocol, World, full_body, raw};

fn header(told: &Value, name: &str) -> Vec<String> {
    let headers = told["headers"].as_array().unwrap().iter();
    let named = headers.filter(|pair| pair[0] == name);
    named
        .map(|pair| pair[1].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn spoofed_identity_never_reaches_the_upstream() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    let spoofed = [
        ("client-cert", ":ZXZpbA==:"),
        ("client_cert", "evil"),
        ("CF_ACCESS_CLIENT_ID", "evil"),
        ("cf-access-jwt-assertion", "evil"),
        ("x-forwarded-for", "evil"),
        ("x_forwarded_for", "evil"),
        ("forwarded", "for=evil"),
        ("x-request-id", "evil"),
        ("x-ssl-client-s-dn", "evil"),
        ("accept", "kept"),
    ];
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut client = world
            .connect(DEVICES, Some(&device), protocol)
            .await
            .unwrap();
        let (status, told) = client.get(DEVICES, "/", &spoofed).await.unwrap();
        assert_eq!(status, StatusCode::OK);
        assert!(!told.to_string().contains("evil"), "{told}");
        assert_eq!(header(&told, "accept"), ["kept"]);
        let certificate = header(&told, "client-cert");
        let expected =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, device.der());
        assert_eq!(certificate, [format!(":{expected}:")]);
        assert_eq!(header(&told, "x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(header(&told, "x-forwarded-proto"), ["https"]);
        assert_eq!(header(&told, "x-forwarded-host"), [DEVICES]);
        assert_eq!(header(&told, "host"), [DEVICES]);
        let id = header(&told, "x-request-id").remove(0);
        world
            .event(|event| event["request_id"] == id.as_str())
            .await;
    }
}

#[tokio::test]
async fn an_upstream_cannot_speak_with_our_voice() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    let mut client = world
        .connect(DEVICES, Some(&device), Protocol::Http1)
        .await
        .unwrap();
    let request = client.request("GET", DEVICES, "/", &[], full_body(""));
    let response = client.send(request).await.unwrap();
    assert!(!response.headers().contains_key("client-cert"));
    assert_eq!(response.headers()["x-request-id"].len(), 32);
    assert_eq!(response.headers()["x-application"], "kept");
}

#[tokio::test]
async fn bodies_arrive_whole_and_one_request_stays_one() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut client = world
            .connect(DEVICES, Some(&device), protocol)
            .await
            .unwrap();
        for method in ["POST", "PUT", "GET", "DELETE"] {
            let before = world.upstream.requests();
            let request = client.request(method, DEVICES, "/", &[], full_body("twelve octet"));
            let response = client.send(request).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let told: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(told["octets"], 12, "{method} {protocol:?}");
            assert_eq!(told["method"], method);
            assert_eq!(world.upstream.requests(), before + 1);
        }
    }
    // One upstream connection served them all, or a few where one was not free yet.
    assert!(world.upstream.connections() < 8);
}

/// Sends bytes over HTTP/1.1 and reads until the gateway closes.
async fn exchange(world: &World, sni: &str, request: &str) -> String {
    let device = world.pki.client("device-1.factory.corp");
    let mut stream = raw(world.address, &world.pki, sni, Some(&device), b"http/1.1")
        .await
        .unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn trailers_end_at_the_gateway() {
    let world = World::start().await;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {DEVICES}\r\nConnection: close, x-forwarded-for\r\nTrailer: Client-Cert\r\n\
         Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\nClient-Cert: :evil:\r\n\r\n"
    );
    let answer = exchange(&world, DEVICES, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"octets\":4"), "{answer}");
    assert!(answer.contains("\"trailers\":null"), "{answer}");
    assert!(
        answer.contains("[\"x-forwarded-for\",\"127.0.0.1\"]"),
        "{answer}"
    );
}

#[tokio::test]
async fn smuggling_forms_never_make_two_requests() {
    let world = World::start().await;
    let second = format!("GET /smuggled HTTP/1.1\r\nHost: {DEVICES}\r\n\r\n");
    for framing in [
        format!(
            "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{second}",
            second.len()
        ),
        format!(
            "Content-Length: 0\r\nContent-Length: {}\r\n\r\n{second}",
            second.len()
        ),
        format!("Content-Length: +{}\r\n\r\n{second}", second.len()),
        format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{second}"),
    ] {
        let before = world.upstream.requests();
        let request =
            format!("POST / HTTP/1.1\r\nHost: {DEVICES}\r\nConnection: close\r\n{framing}");
        let answer = exchange(&world, DEVICES, &request).await;
        assert!(!answer.contains("smuggled"), "{answer}");
        assert!(world.upstream.requests() <= before + 1, "{framing}");
    }
}

#[tokio::test]
async fn tunnels_are_refused_and_h2c_is_not_forwarded() {
    let world = World::start().await;
    let close = "Connection: close, Upgrade\r\n\r\n";
    let answer = exchange(
        &world,
        DEVICES,
        &format!("CONNECT {DEVICES}:443 HTTP/1.1\r\nHost: {DEVICES}:443\r\n{close}"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    assert_eq!(world.upstream.requests(), 0);
    let answer = exchange(&world, DEVICES, &format!("GET / HTTP/1.1\r\nHost: {DEVICES}\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n{close}")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        !answer.contains("h2c") && !answer.contains("http2-settings"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_client_that_expects_100_gets_it() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    let mut stream = raw(
        world.address,
        &world.pki,
        DEVICES,
        Some(&device),
        b"http/1.1",
    )
    .await
    .unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {DEVICES}\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut interim))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abcd").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\"octets\":4"), "{answer}");
}

#[tokio::test]
async fn a_dead_upstream_is_a_bad_gateway() {
    let world = World::start_in_front_of("127.0.0.1:1", "").await;
    let device = world.pki.client("device-1.factory.corp");
    let mut client = world
        .connect(DEVICES, Some(&device), Protocol::Http1)
        .await
        .unwrap();
    let (status, answer) = client.get(DEVICES, "/", &[]).await.unwrap();
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(answer["reason"], "upstream_unreachable");
    let event = world.event(|event| event["status"] == 502).await;
    assert_eq!(event["decision"], "permit");
}

#[tokio::test]
async fn a_silent_upstream_is_a_gateway_timeout() {
    let world = World::start_with("limits = { upstream_timeout = \"1s\" }").await;
    let device = world.pki.client("device-1.factory.corp");
    let mut client = world
        .connect(MIXED, Some(&device), Protocol::Http2)
        .await
        .unwrap();
    let (status, answer) = client.get(MIXED, "/hang", &[]).await.unwrap();
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(answer["reason"], "upstream_timeout");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let world = World::start_with("limits = { idle_timeout = \"1s\" }").await;
    let device = world.pki.client("device-1.factory.corp");
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut client = world.connect(MIXED, Some(&device), protocol).await.unwrap();
        assert_eq!(client.get(MIXED, "/", &[]).await.unwrap().0, StatusCode::OK);
        let closed = async {
            while client_is_open(&mut client) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.unwrap();
    }
}

fn client_is_open(client: &mut crate::support::Client) -> bool {
    match client {
        crate::support::Client::Http1(sender) => !sender.is_closed(),
        crate::support::Client::Http2(sender) => !sender.is_closed(),
    }
}
