//! WebSockets: opened where both sides agree, cut like every request, told of once.

use postern_fixtures::Issued;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::support::{DEVICES, PATIENCE, World, raw};

/// The example of RFC 6455 section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// An upstream that answers every head with this one, then sends back what comes.
async fn upstream(head: String) -> (String, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let (heads, received) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (head, heads) = (head.clone(), heads.clone());
            tokio::spawn(async move {
                heads.send(read_head(&mut socket).await).unwrap();
                socket.write_all(head.as_bytes()).await.unwrap();
                let (mut from, mut to) = socket.split();
                tokio::io::copy(&mut from, &mut to).await.ok();
            });
        }
    });
    (authority, received)
}

async fn read_head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    let reading = async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

/// Asks for a WebSocket; the answer's head.
async fn ask(world: &World, device: &Issued, more: &str) -> (TlsStream<TcpStream>, String) {
    let mut stream = raw(
        world.address,
        &world.pki,
        DEVICES,
        Some(device),
        b"http/1.1",
    )
    .await
    .unwrap();
    let head = format!(
        "GET /socket HTTP/1.1\r\nHost: {DEVICES}\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    (stream, head)
}

async fn open(world: &World, device: &Issued) -> TlsStream<TcpStream> {
    let (mut stream, head) = ask(world, device, "Connection: Upgrade\r\n").await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    echoes(&mut stream).await;
    stream
}

async fn echoes(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(b"octets").await.unwrap();
    let mut back = [0; 6];
    timeout(PATIENCE, stream.read_exact(&mut back))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&back, b"octets");
}

/// Waits until nothing comes any more.
async fn ends(mut stream: TlsStream<TcpStream>) {
    let mut rest = Vec::new();
    // A cut is a broken connection, an end an orderly one.
    timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .unwrap()
        .ok();
    assert_eq!(rest, b"");
}

fn sockets(world: &World) -> Vec<Value> {
    let mut events = world.events();
    events.retain(|event| event["event"] == "request");
    events
}

#[tokio::test]
async fn octets_go_both_ways_and_one_event_tells_of_it_at_the_end() {
    let (authority, mut heads) = upstream(format!("{AGREED}Client-Cert: forged\r\n\r\n")).await;
    let world = World::start_in_front_of(&authority, "").await;
    let device = world.pki.client("device-1.factory.corp");
    let (mut stream, answer) = ask(
        &world,
        &device,
        "Connection: keep-alive, Upgrade, X-Private, X-Forwarded-For\r\nX-Private: 1\r\n\
         Keep-Alive: 5\r\nTE: trailers\r\n",
    )
    .await;
    assert!(answer.starts_with("http/1.1 101"), "{answer}");
    assert!(answer.contains("\r\nconnection: upgrade\r\n"), "{answer}");
    assert!(!answer.contains("forged"), "{answer}");
    // What Connection nominates is between two neighbours; of ours there is only the upgrade.
    let head = heads.recv().await.unwrap();
    assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert!(
        head.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"),
        "{head}"
    );
    for hop_by_hop in ["x-private", "keep-alive", "\r\nte:"] {
        assert!(!head.contains(hop_by_hop), "{head}");
    }

    for _ in 0..3 {
        echoes(&mut stream).await;
    }
    assert_eq!(sockets(&world).len(), 0);
    stream.shutdown().await.unwrap();
    ends(stream).await;
    let event = world.event(|event| event["event"] == "request").await;
    assert_eq!(event["decision"], "permit");
    assert_eq!(event["status"], 101);
    assert_eq!(event["policy"], "factory-devices");
    assert_eq!(sockets(&world).len(), 1);
}

#[tokio::test]
async fn octets_sent_along_with_the_handshake_are_not_lost() {
    let (authority, _heads) = upstream(format!("{AGREED}\r\nhello")).await;
    let world = World::start_in_front_of(&authority, "").await;
    let device = world.pki.client("device-1.factory.corp");
    let (mut stream, answer) = ask(&world, &device, "Connection: Upgrade\r\n").await;
    assert!(answer.starts_with("http/1.1 101"), "{answer}");
    let mut early = [0; 5];
    timeout(PATIENCE, stream.read_exact(&mut early))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&early, b"hello");
}

#[tokio::test]
async fn a_switch_that_does_not_answer_the_handshake_opens_nothing() {
    let elsewhere = AGREED.replace("s3pP", "AAAA");
    let other = AGREED.replace("websocket", "h2c");
    let unsaid = AGREED.replace("Connection: Upgrade", "Connection: close");
    for head in [elsewhere, other, unsaid] {
        let (authority, _heads) = upstream(format!("{head}\r\n")).await;
        let world = World::start_in_front_of(&authority, "").await;
        let device = world.pki.client("device-1.factory.corp");
        let (_stream, answer) = ask(&world, &device, "Connection: Upgrade\r\n").await;
        assert!(answer.starts_with("http/1.1 502"), "{answer}");
        let event = world.event(|event| event["status"] == 502).await;
        assert_eq!(event["reason"], "upstream_failed");
    }
}

#[tokio::test]
async fn a_handshake_that_is_none_is_a_bad_request_and_reaches_nobody() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    for fields in [
        "",
        "Connection: close\r\n",
        "Connection: Upgrade\r\nSec-WebSocket-Version: 1337\r\n",
        "Connection: Upgrade\r\nContent-Length: 4\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
    ] {
        let (_stream, answer) = ask(&world, &device, fields).await;
        assert!(answer.starts_with("http/1.1 400"), "{fields}: {answer}");
    }
    let event = world.event(|event| event["status"] == 400).await;
    assert_eq!(event["reason"], "websocket_handshake_invalid");
    assert_eq!(world.upstream.requests(), 0);
}

#[tokio::test]
async fn an_upstream_that_declines_is_heard() {
    let head = "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n";
    let (authority, _heads) = upstream(head.to_owned()).await;
    let world = World::start_in_front_of(&authority, "").await;
    let device = world.pki.client("device-1.factory.corp");
    let (_stream, answer) = ask(&world, &device, "Connection: Upgrade\r\n").await;
    assert!(answer.starts_with("http/1.1 426"), "{answer}");
    world.event(|event| event["status"] == 426).await;
}

#[tokio::test]
async fn a_revocation_cuts_it_and_nobody_elses() {
    let (authority, _heads) = upstream(format!("{AGREED}\r\n")).await;
    let world = World::start_in_front_of(&authority, "").await;
    let bad = world.pki.client("device-bad.factory.corp");
    let good = world.pki.client("device-good.factory.corp");
    let (cut, mut stays) = (open(&world, &bad).await, open(&world, &good).await);

    world.publisher.revoke(&bad, "device-bad.factory.corp");

    ends(cut).await;
    let event = world.event(|event| event["event"] == "revocation").await;
    assert_eq!(event["connections_cut"], 1);
    let event = world.event(|event| event["event"] == "request").await;
    assert_eq!(
        (&event["decision"], &event["reason"]),
        (&"aborted".into(), &"revoked".into())
    );
    assert_eq!(event["common_name"], "device-bad.factory.corp");
    echoes(&mut stays).await;
    assert_eq!(sockets(&world).len(), 1);
}

#[tokio::test]
async fn a_silent_one_is_closed_and_a_moving_one_is_not() {
    let (authority, _heads) = upstream(format!("{AGREED}\r\n")).await;
    let limits = "limits = { idle_timeout = \"2s\", header_timeout = \"1s\" }";
    let world = World::start_in_front_of(&authority, limits).await;
    let device = world.pki.client("device-1.factory.corp");
    let (silent, mut moving) = (open(&world, &device).await, open(&world, &device).await);
    let moves = async {
        loop {
            echoes(&mut moving).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = ends(silent) => {}
        () = moves => {}
    }
    let event = world.event(|event| event["event"] == "request").await;
    assert_eq!(event["reason"], "idle");
    echoes(&mut moving).await;
}

#[tokio::test]
async fn the_end_of_the_drain_ends_it() {
    let (authority, _heads) = upstream(format!("{AGREED}\r\n")).await;
    let mut world = World::start_in_front_of(&authority, "drain = \"1s\"").await;
    let device = world.pki.client("device-1.factory.corp");
    let stream = open(&world, &device).await;
    world.stop().await;
    ends(stream).await;
    let event = world.event(|event| event["event"] == "request").await;
    assert_eq!(
        (&event["decision"], &event["reason"]),
        (&"aborted".into(), &"drain_deadline".into())
    );
    assert_eq!(sockets(&world).len(), 1);
}
