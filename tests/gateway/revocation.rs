//! Revoke means refused: new and live connections of that client, and nobody else's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use postern_tests::{
    AnyBody, Client, DEVICE, DEVICES, Identity, PATIENCE, Protocol, Received, Site, TestGateway,
    connect, tls, verdict,
};
use rustls::version::TLS13;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

type Live = TlsStream<TcpStream>;

/// Opens this many connections, 32 at a time.
async fn open_many(
    site: &Site,
    gateway: &TestGateway,
    names: &[String],
    count: usize,
) -> Vec<Live> {
    let configs: Vec<_> = names
        .iter()
        .map(|name| tls(site, Some(&site.client(name)), b"http/1.1", &[&TLS13]))
        .map(Arc::new)
        .collect();
    let mut open = Vec::with_capacity(count);
    while open.len() < count {
        let some: Vec<_> = (open.len()..count.min(open.len() + 32))
            .map(|at| connect(gateway, Arc::clone(&configs[at % configs.len()]), DEVICES))
            .collect();
        for one in some {
            open.push(one.await.unwrap());
        }
    }
    open
}

/// One GET by hand; true where it is answered with 200.
async fn serves(stream: &mut Live) -> bool {
    let request = format!("GET /other HTTP/1.1\r\nHost: {DEVICES}\r\n\r\n");
    let mut answer = vec![0; 4096];
    let asked = async {
        stream.write_all(request.as_bytes()).await?;
        let mut got = stream.read(&mut answer).await?;
        // The upstream's answer is small: its body follows its head at once.
        while got > 0 && !answer[..got].ends_with(b"}") {
            got += stream.read(&mut answer[got..]).await?;
        }
        std::io::Result::Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    timeout(PATIENCE, asked)
        .await
        .is_ok_and(|result| result.unwrap_or(false))
}

/// A body that sends a little now and then, for ever.
fn endless_body() -> AnyBody {
    let (sender, receiver) = tokio::sync::mpsc::channel::<bytes::Bytes>(1);
    tokio::spawn(async move {
        while sender
            .send(bytes::Bytes::from_static(b"more"))
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    Channel(receiver).boxed()
}

struct Channel(tokio::sync::mpsc::Receiver<bytes::Bytes>);

impl hyper::body::Body for Channel {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, std::io::Error>>> {
        self.0
            .poll_recv(cx)
            .map(|data| data.map(|data| Ok(hyper::body::Frame::data(data))))
    }
}

/// Everything that a client may be doing: it reads an endless answer, it sends an endless body.
struct Busy {
    reading: JoinHandle<Instant>,
    uploading: JoinHandle<bool>,
    idle: Client,
}

async fn busy(site: &Site, gateway: &TestGateway, victim: &Identity) -> Busy {
    let start = |protocol| Client::connect(site, gateway, DEVICES, Some(victim), protocol);
    let reading = read_endless(start(Protocol::Http2).await.unwrap()).await;
    let mut uploading = start(Protocol::Http2).await.unwrap();
    let request = uploading.request("POST", "/upload", &[], endless_body());
    let uploading = tokio::spawn(async move { uploading.send(request).await.is_err() });
    let mut idle = start(Protocol::Http1).await.unwrap();
    assert_eq!(idle.get("/idle").await.unwrap().status, 200);
    let is_upload = |one: &Received| one.line.starts_with("POST /upload");
    while !site.upstream.received().iter().any(is_upload) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Busy {
        reading,
        uploading,
        idle,
    }
}

/// Reads an endless answer; when it ended.
async fn read_endless(mut client: Client) -> JoinHandle<Instant> {
    let request = client.request("GET", "/endless", &[], postern_tests::full(""));
    let mut stream = client.send(request).await.unwrap().into_body();
    assert!(stream.frame().await.unwrap().is_ok());
    tokio::spawn(async move {
        while let Some(Ok(_)) = stream.frame().await {}
        drop(client);
        Instant::now()
    })
}

async fn end<T>(task: JoinHandle<T>) -> T {
    timeout(PATIENCE, task).await.expect("it is cut").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_client_is_cut_in_all_it_does_while_a_thousand_other_connections_stay() {
    let site = Site::with("[gateway.limits]\nmax_connections_per_address = 2000\n");
    let gateway = TestGateway::run(&site);
    let names: Vec<_> = (0..10)
        .map(|at| format!("device-other-{at}.factory.corp"))
        .collect();
    let mut others = open_many(&site, &gateway, &names, 1000).await;
    for one in &mut others {
        assert!(serves(one).await);
    }

    let victim = site.client(DEVICE);
    let mut busy = busy(&site, &gateway, &victim).await;
    let started = Instant::now();
    tokio::task::block_in_place(|| site.revoke(DEVICE));
    let returned = Instant::now();
    let cut = end(busy.reading).await;
    assert!(end(busy.uploading).await);
    assert!(busy.idle.get("/idle").await.is_err());
    println!(
        "revoke to cut with 1,000 other connections: {} ms after the start, {} ms after the return",
        cut.duration_since(started).as_millis(),
        cut.saturating_duration_since(returned).as_millis(),
    );

    let of_device = |event: &Value| (event["reason"] == "revoked", event["common_name"] == DEVICE);
    let event = gateway.event(|event| event["event"] == "revocation");
    assert_eq!(event["connections_cut"], 3, "{event}");
    assert_eq!(of_device(&event), (true, true), "{event}");
    let aborted = gateway.event(|event| event["decision"] == "aborted");
    assert_eq!(of_device(&aborted), (true, true), "{aborted}");
    // New handshakes are refused, and everybody else is served on the connection they have.
    let config = tls(&site, Some(&victim), b"http/1.1", &[&TLS13]);
    let refused = verdict(&gateway, config, DEVICES).await;
    assert_eq!(refused, Err("CertificateRevoked".to_owned()));
    let mut served = 0;
    for one in &mut others {
        served += usize::from(serves(one).await);
    }
    assert_eq!(served, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_revocations_each_cut_one_open_stream() {
    let site = Site::new();
    let gateway = TestGateway::run(&site);
    let (mut after_start, mut after_return) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let name = format!("device-{number}.factory.corp");
        let identity = site.client(&name);
        let client = Client::connect(&site, &gateway, DEVICES, Some(&identity), Protocol::Http2);
        let reading = read_endless(client.await.unwrap()).await;
        let started = Instant::now();
        tokio::task::block_in_place(|| site.revoke(&name));
        let returned = Instant::now();
        let cut = end(reading).await;
        after_start.push(cut.duration_since(started));
        after_return.push(cut.saturating_duration_since(returned));
    }
    for (since, mut delays) in [("start", after_start), ("return", after_return)] {
        delays.sort_unstable();
        let (median, last) = (delays[10].as_millis(), delays[19].as_millis());
        println!(
            "{since} of `cert revoke` to the cut, 20 runs: median {median} ms, maximum {last} ms"
        );
    }
    let cut = gateway
        .events()
        .iter()
        .filter(|event| event["event"] == "revocation")
        .count();
    assert_eq!(cut, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_certificate_of_the_name_is_revoked_and_a_serial_alone_is_one() {
    let site = Site::new();
    let gateway = TestGateway::run(&site);
    let (first, second) = (
        site.issue(DEVICE, "service", "first"),
        site.issue(DEVICE, "service", "second"),
    );
    let other = site.client("device-2.factory.corp");
    let ask = async |identity| {
        verdict(
            &gateway,
            tls(&site, Some(identity), b"http/1.1", &[&TLS13]),
            DEVICES,
        )
        .await
    };
    let revoked = Err("CertificateRevoked".to_owned());
    let becomes_revoked = async |identity| {
        let deadline = Instant::now() + PATIENCE;
        while ask(identity).await != revoked {
            assert!(Instant::now() < deadline, "it is never refused");
        }
    };
    drop(
        site.postern
            .run(&[
                "cert",
                "revoke",
                "--cert",
                "first/device-1.factory.corp.crt",
            ])
            .expect_code(0),
    );
    becomes_revoked(&first).await;
    assert_eq!(ask(&second).await, Ok(()));
    site.revoke(DEVICE);
    becomes_revoked(&second).await;
    assert_eq!(ask(&other).await, Ok(()));
    let event = gateway.event(|event| event["event"] == "handshake");
    assert_eq!(
        (&event["reason"], &event["common_name"]),
        (&"revoked".into(), &DEVICE.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_crl_is_taken_in_while_running() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let mut client = Client::connect(&site, &gateway, DEVICES, Some(&device), Protocol::Http1)
        .await
        .unwrap();
    assert_eq!(client.get("/before").await.unwrap().status, 200);
    for _ in 0..2 {
        drop(site.postern.run(&["ca", "crl", "publish"]).expect_code(0));
        tokio::time::sleep(Duration::from_millis(400)).await;
        // Nobody is cut by a list that does not name them.
        assert_eq!(client.get("/after").await.unwrap().status, 200);
    }
    site.client("device-2.factory.corp");
    site.revoke("device-2.factory.corp");
    drop(site.postern.run(&["ca", "crl", "publish"]).expect_code(0));
    gateway.event(|event| event["event"] == "revocation");
    assert_eq!(client.get("/end").await.unwrap().status, 200);
    let alarms = gateway
        .events()
        .iter()
        .filter(|event| event["event"] == "source_alarm")
        .count();
    assert_eq!(alarms, 0, "{:#?}", gateway.events());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_is_cut_on_the_connections_of_all_its_certificates() {
    let site = Site::new();
    let gateway = TestGateway::run(&site);
    let old = site.client(DEVICE);
    let renew = ["cert", "renew", DEVICE, "--out", "renewed"];
    drop(site.postern.run(&renew).expect_code(0));
    let new = Identity {
        certificate: site.path(&format!("renewed/{DEVICE}.crt")),
        key: site.path(&format!("renewed/{DEVICE}.key")),
    };
    let other = site.client("device-2.factory.corp");
    let connect =
        |identity| Client::connect(&site, &gateway, DEVICES, Some(identity), Protocol::Http2);
    let by_old = read_endless(connect(&old).await.unwrap()).await;
    let by_new = read_endless(connect(&new).await.unwrap()).await;
    let mut by_other = connect(&other).await.unwrap();
    let revoke = ["device", "revoke", DEVICE];
    drop(tokio::task::block_in_place(|| {
        site.postern.run(&revoke).expect_code(0)
    }));
    end(by_old).await;
    end(by_new).await;
    for identity in [&old, &new] {
        let config = tls(&site, Some(identity), b"http/1.1", &[&TLS13]);
        let refused = verdict(&gateway, config, DEVICES).await;
        assert_eq!(refused, Err("CertificateRevoked".to_owned()));
    }
    assert_eq!(by_other.get("/").await.unwrap().status, 200);
}
