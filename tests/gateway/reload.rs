//! A new configuration is in force whole, or refused whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use postern_tests::{
    Client, DEVICE, DEVICES, Identity, PATIENCE, Postern, Protocol, Site, TestGateway,
    certificates, connect, tls, verdict,
};
use rustix::process::Signal;
use rustls::version::TLS13;
use rustls_pki_types::CertificateDer;
use tokio::time::timeout;

const PATTERN: &str = r"^device-[a-z0-9-]+\.factory\.corp$";

/// Requests on new connections until `done`; how many were answered.
async fn load(
    site: Arc<Site>,
    gateway: Arc<TestGateway>,
    device: Identity,
    protocol: Protocol,
    done: Arc<AtomicBool>,
) -> usize {
    let mut answered = 0;
    while !done.load(Ordering::SeqCst) {
        // A new connection for every three requests: handshakes cross reloads too.
        let client = Client::connect(&site, &gateway, DEVICES, Some(&device), protocol);
        let mut client = client.await.unwrap();
        for _ in 0..3 {
            assert_eq!(client.get("/slow/20").await.unwrap().status, 200);
            answered += 1;
        }
    }
    answered
}

/// The server's leaf, and what a client that only one of two policies admits is answered.
async fn in_force(
    site: &Site,
    gateway: &TestGateway,
    client: &Identity,
) -> (CertificateDer<'static>, u16) {
    let config = tls(site, Some(client), b"http/1.1", &[&TLS13]);
    let stream = connect(gateway, Arc::new(config), DEVICES).await.unwrap();
    let served = stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned();
    let client = Client::connect(site, gateway, DEVICES, Some(client), Protocol::Http1);
    (served, client.await.unwrap().get("/").await.unwrap().status)
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_reloads_swap_policy_and_server_certificate_while_no_request_fails() {
    let site = Arc::new(Site::new());
    let device = site.client(DEVICE);
    let stranger = site.client("stranger");
    let (first, second) = ("gateway.example.com", "second.example.com");
    let issue = [
        "cert",
        "issue",
        second,
        "--profile",
        "server",
        "--san",
        DEVICES,
        "--out",
        ".",
    ];
    drop(site.postern.run(&issue).expect_code(0));
    let gateway = Arc::new(TestGateway::run(&site));
    let done = Arc::new(AtomicBool::new(false));
    let running = [Protocol::Http1, Protocol::Http2].map(|protocol| {
        let (site, gateway) = (Arc::clone(&site), Arc::clone(&gateway));
        tokio::spawn(load(
            site,
            gateway,
            device.clone(),
            protocol,
            Arc::clone(&done),
        ))
    });
    let with_strangers = format!("({PATTERN})|stranger");
    for round in 0..20 {
        let (from, to, pattern, policy) = if round % 2 == 0 {
            (first, second, PATTERN, with_strangers.as_str())
        } else {
            (second, first, with_strangers.as_str(), PATTERN)
        };
        site.edit_config(&format!("\"{from}."), &format!("\"{to}."));
        site.edit_config(&format!("'{pattern}'"), &format!("'{policy}'"));
        tokio::task::block_in_place(|| {
            drop(site.postern.run(&["gateway", "reload"]).expect_code(0));
        });
        // Both are in force together, at once.
        let (served, status) = in_force(&site, &gateway, &stranger).await;
        assert_eq!(served, certificates(&site.path(&format!("{to}.crt")))[0]);
        assert_eq!(status, if round % 2 == 0 { 200 } else { 403 });
    }
    done.store(true, Ordering::SeqCst);
    let mut answered = 0;
    for one in running {
        answered += one.await.unwrap();
    }
    assert!(answered > 20, "{answered}");
    let last = gateway.event(|event| event["event"] == "reloaded" && event["generation"] == 21);
    assert_eq!(last["needs_restart"].as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_refused_and_the_old_one_stays() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let good = std::fs::read_to_string(site.path("postern.toml")).unwrap();
    let refusals = || {
        gateway
            .events()
            .iter()
            .filter(|event| event["event"] == "reload_refused")
            .count()
    };
    let bad = [
        good.replace("when_stale  = \"refuse\"", ""),
        good.replace("root/root.crt", "missing.crt"),
        good.replace(PATTERN, "device-("),
        good.replace("non_identity", "allow"),
        "[gateway".to_owned(),
        String::new(),
    ];
    for (number, text) in bad.iter().enumerate() {
        site.write_config(text);
        gateway.signal(Signal::HUP);
        gateway.event(|_| refusals() == number + 1);
        let client = Client::connect(&site, &gateway, DEVICES, Some(&device), Protocol::Http2);
        assert_eq!(client.await.unwrap().get("/").await.unwrap().status, 200);
    }
    let event = gateway.event(|event| event["event"] == "reload_refused");
    assert_eq!(event["generation"], 1);
    assert!(
        event["reason"].as_str().unwrap().contains("when_stale"),
        "{event}"
    );
    site.write_config(&good);
    drop(site.postern.run(&["gateway", "reload"]).expect_code(0));
    gateway.event(|event| event["event"] == "reloaded" && event["generation"] == 2);
}

#[test]
fn gateway_reload_exits_with_1_where_the_configuration_is_refused() {
    let site = Site::new();
    let gateway = TestGateway::run(&site);
    site.edit_config("root/root.crt", "missing.crt");
    let refused = site.postern.run(&["gateway", "reload"]).expect_code(1);
    assert!(refused.stderr.contains("missing.crt"), "{}", refused.stderr);
    gateway.event(|event| event["event"] == "reload_refused");
}

#[test]
fn gateway_reload_without_a_running_gateway_says_so() {
    let site = Site::new();
    let refused = site.postern.run(&["gateway", "reload"]).expect_code(3);
    assert!(
        refused.stderr.contains("no gateway is running"),
        "{}",
        refused.stderr
    );
}

/// A second CA in the site's folder `other`, trusted and followed; its client of the same name.
fn trust_another_ca(site: &Site) -> Identity {
    let other = Postern::new();
    let init = [
        "ca",
        "init",
        "--name",
        "Other Corp",
        "--root-dir",
        "root",
        "--no-passphrase",
    ];
    drop(other.run(&init).expect_code(0));
    drop(
        other
            .run(&["cert", "issue", DEVICE, "--out", "clients"])
            .expect_code(0),
    );
    let copy = format!("mkdir other && cp -a {}/. other", other.folder().display());
    drop(site.shell(&copy).expect_code(0));
    site.edit_config(
        "\"root/root.crt\"]",
        "\"root/root.crt\", \"other/root/root.crt\"]",
    );
    let follow = "\"postern-home/public\"";
    site.edit_config(follow, &format!("{follow}, \"other/postern-home/public\""));
    Identity {
        certificate: site.path(&format!("other/clients/{DEVICE}.crt")),
        key: site.path(&format!("other/clients/{DEVICE}.key")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_connections_are_cut_when_a_reload_takes_their_trust_away() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let theirs = trust_another_ca(&site);
    let gateway = TestGateway::run(&site);
    let start = async |identity| {
        let client = Client::connect(&site, &gateway, DEVICES, Some(identity), Protocol::Http2);
        let mut client = client.await.unwrap();
        let request = client.request("GET", "/endless", &[], postern_tests::full(""));
        let mut stream = client.send(request).await.unwrap().into_body();
        assert!(stream.frame().await.unwrap().is_ok());
        (client, stream)
    };
    let (_client, mut stream) = start(&device).await;
    let (_other, mut stays) = start(&theirs).await;
    site.edit_config(
        "\"root/root.crt\", \"other/root/root.crt\"]",
        "\"other/root/root.crt\"]",
    );
    site.edit_config("\"postern-home/public\", ", "");
    drop(site.postern.run(&["gateway", "reload"]).expect_code(0));
    let ended = async { while let Some(Ok(_)) = stream.frame().await {} };
    timeout(PATIENCE, ended).await.expect("the stream is cut");
    let event = gateway.event(|event| event["decision"] == "aborted");
    assert_eq!(event["reason"], "no_longer_accepted");
    let refused = verdict(
        &gateway,
        tls(&site, Some(&device), b"http/1.1", &[&TLS13]),
        DEVICES,
    )
    .await;
    assert_eq!(refused, Err("UnknownCA".to_owned()));
    for _ in 0..5 {
        assert!(stays.frame().await.unwrap().is_ok());
    }
}

#[test]
fn gateway_check_tells_every_mistake_with_line_and_column() {
    let site = Site::new();
    let good = site.postern.run(&["gateway", "check"]).expect_code(0);
    assert!(good.stdout.contains(DEVICES), "{}", good.stdout);
    let json = site
        .postern
        .run(&["gateway", "check", "-o", "json"])
        .expect_code(0)
        .json();
    assert_eq!(json["schema"], "postern.gateway-check/1");

    site.edit_config("\"gateway.example.com.key\"", "\"missing.key\"");
    site.edit_config("\"postern-home/public\"", "\"nowhere\"");
    site.edit_config("\"root/root.crt\"", "\"missing.crt\"");
    let text = std::fs::read_to_string(site.path("postern.toml")).unwrap();
    let bad = site.postern.run(&["gateway", "check"]).expect_code(6);
    for mistake in ["\"missing.key\"", "\"missing.crt\""] {
        let at = text.find(mistake).unwrap();
        let line = text[..at].matches('\n').count() + 1;
        let column = at - text[..at].rfind('\n').unwrap();
        let place = format!("postern.toml:{line}:{column}");
        assert!(bad.stderr.contains(&place), "{place} in {}", bad.stderr);
    }
    site.write_config("[gateway]\nlisten = \"127.0.0.1:0\"\nlissten = \"x\"\n");
    let unknown = site.postern.run(&["gateway", "check"]).expect_code(6);
    assert!(
        unknown.stderr.contains("postern.toml:3:1"),
        "{}",
        unknown.stderr
    );
    assert!(
        site.postern
            .run(&["gateway", "run"])
            .expect_code(6)
            .stderr
            .contains("lissten")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_a_running_request_finish_and_takes_no_new_one() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let mut gateway = TestGateway::run(&site);
    let start = |protocol| Client::connect(&site, &gateway, DEVICES, Some(&device), protocol);
    let mut running = Vec::new();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut client = start(protocol).await.unwrap();
        running.push(tokio::spawn(async move { client.get("/slow/1500").await }));
    }
    while site.upstream.count() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gateway.signal(Signal::TERM);
    let stopping = gateway.event(|event| event["event"] == "stopping");
    assert_eq!(stopping["drain_s"], 30);
    let deadline = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(gateway.address)
        .await
        .is_ok()
    {
        assert!(Instant::now() < deadline, "it still listens");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for one in running {
        let answer = one.await.unwrap().unwrap();
        assert_eq!(
            (answer.status, &answer.body[..]),
            (200, &b"late but here"[..])
        );
    }
    assert_eq!(gateway.wait(), Some(0), "{}", gateway.log());
    assert_eq!(gateway.events().last().unwrap()["event"], "stopped");
    assert_eq!(gateway.events().last().unwrap()["cut"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_done_by_the_end_of_the_drain_is_cut() {
    let site = Site::with("drain = \"1s\"");
    let device = site.client(DEVICE);
    let mut gateway = TestGateway::run(&site);
    let mut client = Client::connect(&site, &gateway, DEVICES, Some(&device), Protocol::Http2)
        .await
        .unwrap();
    let request = client.request("GET", "/endless", &[], postern_tests::full(""));
    let mut stream = client.send(request).await.unwrap().into_body();
    assert!(stream.frame().await.unwrap().is_ok());
    gateway.signal(Signal::TERM);
    let ended = async { while let Some(Ok(_)) = stream.frame().await {} };
    timeout(PATIENCE, ended).await.expect("the stream is cut");
    assert_eq!(gateway.wait(), Some(0), "{}", gateway.log());
    let event = gateway.event(|event| event["decision"] == "aborted");
    assert_eq!(event["reason"], "drain_deadline");
}
