//! Whoever stalls, a client or the reader of the events, stops nobody else.

use std::fs::OpenOptions;

use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{AnyBody, Client, DEVICES, MIXED, PATIENCE, Protocol, World, empty_body, raw};

#[tokio::test]
async fn a_stalled_reader_of_events_delays_neither_a_revocation_nor_the_end() {
    let mut reader = None;
    let mut world = World::start_after(|folder| {
        let path = folder.join("events.jsonl");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).unwrap();
        let open = OpenOptions::new().read(true).write(true).open(path);
        reader = Some(open.unwrap());
    })
    .await;
    let device = world.pki.client("device-1.factory.corp");
    let mut client = world
        .connect(DEVICES, Some(&device), Protocol::Http2)
        .await
        .unwrap();
    // More lines than a pipe holds.
    for _ in 0..400 {
        let answer = client.get(DEVICES, "/", &[]).await.unwrap();
        assert_eq!(answer.0, StatusCode::OK);
    }
    let request = client.request("GET", DEVICES, "/drip", &[], empty_body());
    let mut body = client.send(request).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();

    world.publisher.revoke(&device, "device-1.factory.corp");
    let cut = async { while let Some(Ok(_)) = body.frame().await {} };
    timeout(PATIENCE, cut).await.unwrap();
    world.stop().await;
    drop(reader);
}

#[tokio::test]
async fn a_client_that_never_takes_its_answer_is_cut() {
    let world = World::start_with("limits = { idle_timeout = \"1s\" }").await;
    let stream = raw(world.address, &world.pki, MIXED, None, b"h2")
        .await
        .unwrap();
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake::<_, AnyBody>(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let mut client = Client::Http2(sender);
    let request = client.request("GET", MIXED, "/", &[], empty_body());
    let response = client.send(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    // The client is there and answers pings; only the body has nowhere to go.
    timeout(PATIENCE, connection).await.unwrap().unwrap().ok();
    let event = world.event(|event| event["decision"] == "aborted").await;
    assert_eq!(event["reason"], "idle");
}

#[tokio::test]
async fn a_broken_http2_connection_and_a_handshake_that_stopping_ends_are_recorded() {
    let mut world = World::start().await;
    let mut stream = raw(world.address, &world.pki, MIXED, None, b"h2")
        .await
        .unwrap();
    // The preface, then DATA on stream 0, which is a connection error.
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0")
        .await
        .unwrap();
    stream.read_to_end(&mut Vec::new()).await.ok();
    let event = world.event(|event| event["event"] == "request").await;
    assert_eq!(event["reason"], "malformed_request");

    let _silent = TcpStream::connect(world.address).await.unwrap();
    // Accepted before anything that comes after it.
    drop(
        raw(world.address, &world.pki, MIXED, None, b"h2")
            .await
            .unwrap(),
    );
    world.stop().await;
    let event = world.event(|event| event["event"] == "handshake").await;
    assert_eq!(event["reason"], "draining");
}
