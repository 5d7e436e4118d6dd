//! What a client may take of the gateway's time, memory and descriptors.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postern_tests::{
    Client, DEVICE, DEVICES, PATIENCE, Protocol, Site, TestGateway, connect, dial, tls,
};
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

const BRIEF: &str = "[gateway.limits]\nhandshake_timeout = \"1s\"\nheader_timeout = \"1s\"\n\
                     idle_timeout = \"2s\"";

#[test]
fn a_slow_client_hello_is_closed() {
    let site = Site::with(BRIEF);
    let gateway = TestGateway::run(&site);
    let mut silent = gateway.dial();
    let mut slow = gateway.dial();
    let writer = slow.try_clone().unwrap();
    std::thread::spawn(move || {
        // A handshake record of 512 octets, one octet now and then.
        let mut writer = writer;
        for octet in [22, 3, 1, 2, 0, 1]
            .into_iter()
            .chain(std::iter::repeat_n(0, 500))
        {
            if writer.write_all(&[octet]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    for socket in [&mut silent, &mut slow] {
        let mut rest = Vec::new();
        // Reset or closed, as long as it is over.
        socket.read_to_end(&mut rest).ok();
    }
    gateway.event(|event| event["reason"] == "handshake_timeout");
}

#[test]
fn what_is_not_tls_is_closed_and_logged() {
    let site = Site::new();
    let gateway = TestGateway::run(&site);
    let first_flights: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: devices.example.com\r\n\r\n",
        b"PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n\x16\x03\x01\x02\x00",
        b"\x16\x03\x01\xff\xff",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for octets in first_flights {
        let mut socket = gateway.dial();
        socket.write_all(octets).unwrap();
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).ok();
        assert!(!rest.starts_with(b"HTTP"), "{}", rest.escape_ascii());
    }
    let refused = || {
        gateway
            .events()
            .iter()
            .filter(|event| event["reason"] == "not_tls")
            .count()
    };
    gateway.event(|_| refused() == first_flights.len());
    assert_eq!(site.upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_and_slow_headers_are_closed() {
    let site = Site::with(BRIEF);
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let closes = async |alpn: &[u8], pieces: Vec<&'static [u8]>| {
        let mut stream = dial(&site, &gateway, DEVICES, Some(&device), alpn)
            .await
            .unwrap();
        let waiting = async {
            let (mut reader, mut writer) = tokio::io::split(&mut stream);
            let writing = async {
                for piece in pieces.into_iter().cycle().take(600) {
                    if writer.write_all(piece).await.is_err() || writer.flush().await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                std::future::pending::<()>().await;
            };
            let reading = async {
                let mut block = [0; 1024];
                while matches!(reader.read(&mut block).await, Ok(count) if count > 0) {}
            };
            tokio::select! { () = writing => {}, () = reading => {} }
        };
        timeout(PATIENCE, waiting).await.is_ok()
    };
    assert!(
        closes(b"http/1.1", vec![b""]).await,
        "an idle HTTP/1.1 connection"
    );
    assert!(
        closes(b"h2", vec![b""]).await,
        "an HTTP/2 connection without its preface"
    );
    assert!(
        closes(b"http/1.1", vec![b"X"]).await,
        "a request line without an end"
    );
    assert_eq!(site.upstream.count(), 0);
    // A keep-alive connection that is used stays, and is closed when it is not used any more.
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let client = Client::connect(&site, &gateway, DEVICES, Some(&device), protocol).await;
        let mut client = client.unwrap();
        for _ in 0..4 {
            assert_eq!(client.get("/").await.unwrap().status, 200);
            tokio::time::sleep(Duration::from_millis(800)).await;
        }
        let deadline = Instant::now() + PATIENCE;
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(
            client.get("/").await.is_err() || Instant::now() > deadline,
            "{protocol:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_is_408_and_headers_that_are_too_much_are_431() {
    let site = Site::with(BRIEF);
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let mut stream = dial(&site, &gateway, DEVICES, Some(&device), b"http/1.1")
        .await
        .unwrap();
    let head =
        format!("POST /stops HTTP/1.1\r\nHost: {DEVICES}\r\nContent-Length: 100\r\n\r\nsome");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    gateway.event(|event| event["reason"] == "request_timeout");

    let mut stream = dial(&site, &gateway, DEVICES, Some(&device), b"http/1.1")
        .await
        .unwrap();
    let head = format!(
        "GET /big HTTP/1.1\r\nHost: {DEVICES}\r\nX-Big: {}\r\n\r\n",
        "x".repeat(64 * 1024)
    );
    stream.write_all(head.as_bytes()).await.ok();
    let mut answer = [0; 12];
    if timeout(PATIENCE, stream.read_exact(&mut answer))
        .await
        .unwrap()
        .is_ok()
    {
        assert_eq!(&answer, b"HTTP/1.1 431");
    }
    assert!(
        !site
            .upstream
            .received()
            .iter()
            .any(|one| one.line.contains("/big"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_handshakes_at_once_are_all_served() {
    let site = Arc::new(Site::new());
    let device = site.client(DEVICE);
    let gateway = Arc::new(TestGateway::run(&site));
    let config = Arc::new(tls(&site, Some(&device), b"http/1.1", &[&TLS13]));
    let all: Vec<_> = (0..200)
        .map(|_| {
            let (gateway, config) = (Arc::clone(&gateway), Arc::clone(&config));
            tokio::spawn(async move {
                let mut stream = connect(&gateway, config, DEVICES).await.unwrap();
                let request =
                    format!("GET /many HTTP/1.1\r\nHost: {DEVICES}\r\nConnection: close\r\n\r\n");
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = [0; 12];
                timeout(PATIENCE, stream.read_exact(&mut answer))
                    .await
                    .unwrap()
                    .unwrap();
                assert_eq!(&answer, b"HTTP/1.1 200");
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
    assert_eq!(site.upstream.count(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_descriptors_it_waits_and_recovers_and_still_sees_revocations() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let second = site.client("device-2.factory.corp");
    let gateway = TestGateway::run_with_descriptors(&site, 256);
    let mut sockets = Vec::new();
    for _ in 0..300 {
        sockets.push(
            tokio::net::TcpStream::connect(gateway.address)
                .await
                .unwrap(),
        );
    }
    let deadline = Instant::now() + PATIENCE;
    while !gateway.log().contains("cannot accept") {
        assert!(Instant::now() < deadline, "{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = cpu_ticks(&gateway);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let busy = cpu_ticks(&gateway) - before;
    // 200 ticks would be one core all the time.
    assert!(busy < 60, "{busy} ticks of CPU in two seconds");
    drop(sockets);
    let mut client = Client::connect(&site, &gateway, DEVICES, Some(&device), Protocol::Http2)
        .await
        .unwrap();
    assert_eq!(client.get("/recovered").await.unwrap().status, 200);
    tokio::task::block_in_place(|| site.revoke("device-2.factory.corp"));
    gateway.event(|event| event["event"] == "revocation");
    let config = tls(&site, Some(&second), b"http/1.1", &[&TLS13]);
    let refused = postern_tests::verdict(&gateway, config, DEVICES).await;
    assert_eq!(refused, Err("CertificateRevoked".to_owned()));
}

/// User and system time of the process, in hundredths of a second.
fn cpu_ticks(gateway: &TestGateway) -> u64 {
    let path = format!("/proc/{}/stat", gateway.pid().as_raw_nonzero());
    let stat = std::fs::read_to_string(path).unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
