//! Whose connection, whose request it is, behind load balancers and proxies (A51).

use std::net::SocketAddr;

use postern_tests::{
    Answer, Client, DEVICE, DEVICES, Haproxy, MIXED, PLAIN, Protocol, Site, TestGateway,
    skip_without,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Where balancers and proxies connect from, in these tests.
const LISTED: &str = "127.0.0.3";
/// Where clients do.
const CLIENT: &str = "127.0.0.2";
/// Who gets in at [`PLAIN`] without a certificate.
const WELCOME: &str = "192.0.2.7";
const BALANCER: &str = "proxy_protocol = [\"127.0.0.3\"]";
const PROXY: &str = "forwarded_for = [\"127.0.0.3\"]";

/// A connection from one of this machine's addresses, with its first octets.
pub(crate) async fn dial_from(source: &str, gateway: &TestGateway, octets: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let source: SocketAddr = format!("{source}:0").parse().unwrap();
    socket.bind(source).unwrap();
    let mut stream = socket.connect(gateway.address).await.unwrap();
    stream.write_all(octets).await.unwrap();
    stream
}

pub(crate) fn version_1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 50000 443\r\n").into_bytes()
}

async fn get(site: &Site, socket: TcpStream, host: &str, headers: &[(&str, &str)]) -> Answer {
    let client = Client::over(socket, site, host, None, Protocol::Http2).await;
    client.unwrap().get_with("/", headers).await.unwrap()
}

/// `curl` from a client's address, by way of a port of this machine.
fn curl(site: &Site, port: u16, args: &str) -> String {
    let script = format!(
        "curl --silent --show-error --max-time 40 --interface {CLIENT} --cacert root/root.crt \
         --connect-to ::127.0.0.1:{port} {args}"
    );
    site.shell(&script).stdout
}

#[test]
fn the_client_behind_haproxy_is_the_one_that_rules_and_events_see() {
    if skip_without("haproxy") {
        return;
    }
    let site = Site::with(BALANCER);
    site.edit_config("192.0.2.0/24", CLIENT);
    let gateway = TestGateway::run(&site);
    // Its health checks announce nobody (`PROXY UNKNOWN`, LOCAL), and are nobody's.
    for header in ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"] {
        let haproxy = Haproxy::start(
            &site,
            &format!(
                "listen front\n  mode tcp\n  bind 127.0.0.1:{{port}}\n  \
                 server gateway {} {header} check inter 50ms source {LISTED}\n",
                gateway.address
            ),
        );
        let path = format!("/by-{header}");
        let url = format!("https://{PLAIN}{path}");
        let status = curl(
            &site,
            haproxy.port(),
            &format!("-o /dev/null -w '%{{http_code}}' {url}"),
        );
        assert_eq!(status, "200", "{header}");
        let received = site.upstream.only(&path);
        assert_eq!(received.values("x-forwarded-for"), [CLIENT]);
        let event = gateway.event_of(received.values("x-request-id")[0]);
        assert_eq!(event["peer"], CLIENT, "{event}");
    }
    // Without HAProxy this machine's other addresses are nobody special.
    let direct = gateway.curl(
        &site,
        &["-w", "%{http_code}", &gateway.url(PLAIN, "/direct")],
    );
    assert!(direct.stdout.ends_with("401"), "{}", direct.stdout);
    let refused = |event: &serde_json::Value| event["event"] == "handshake";
    let events = gateway.events();
    assert!(!events.iter().any(refused), "{events:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_balancer_must_announce_and_is_believed() {
    let site = Site::with(&format!(
        "{BALANCER}\n[gateway.limits]\nhandshake_timeout = \"2s\""
    ));
    let gateway = TestGateway::run(&site);
    for (client, status) in [(WELCOME, 200), ("203.0.113.9", 401)] {
        let socket = dial_from(LISTED, &gateway, &version_1(client)).await;
        let answer = get(&site, socket, PLAIN, &[("x-forwarded-for", WELCOME)]).await;
        assert_eq!(answer.status, status);
        assert_eq!(gateway.event_of(&answer.request_id())["peer"], client);
    }
    let received = site.upstream.only("/");
    assert_eq!(received.values("x-forwarded-for"), [WELCOME]);

    // Speaking for itself, it has its own address.
    let socket = dial_from(LISTED, &gateway, b"PROXY UNKNOWN\r\n").await;
    let answer = get(&site, socket, PLAIN, &[]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(gateway.event_of(&answer.request_id())["peer"], LISTED);

    let endless = [b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat();
    for (octets, reason) in [
        (
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0"[..],
            "proxy_header_missing",
        ),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "proxy_header_missing"),
        (
            b"PROXY TCP4 192.0.2.7 127.0.0.1 1 65536\r\n",
            "proxy_header_invalid",
        ),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
            "proxy_header_invalid",
        ),
        (&endless, "proxy_header_invalid"),
        (b"PROXY TCP4 192.0.2.7 127.0", "handshake_timeout"),
    ] {
        let before = gateway.events().len();
        let mut socket = dial_from(LISTED, &gateway, octets).await;
        let mut rest = Vec::new();
        // Reset or closed, as long as it is over.
        socket.read_to_end(&mut rest).await.ok();
        assert!(rest.is_empty(), "{}", rest.escape_ascii());
        gateway.event(|_| gateway.events().len() > before);
        let event = gateway.events().pop().unwrap();
        assert_eq!(event["reason"], reason, "{}", octets.escape_ascii());
        assert_eq!(event["peer"], LISTED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_from_anybody_else_is_no_tls_and_no_address() {
    let site = Site::with(BALANCER);
    let gateway = TestGateway::run(&site);
    let version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x7f\0\0\x01\0\x01\x01\xbb";
    for header in [&version_1(WELCOME)[..], version_2] {
        let before = gateway.events().len();
        let socket = dial_from(CLIENT, &gateway, header).await;
        let client = Client::over(socket, &site, PLAIN, None, Protocol::Http1).await;
        assert!(client.is_err(), "{}", header.escape_ascii());
        gateway.event(|_| gateway.events().len() > before);
        let event = gateway.events().pop().unwrap();
        assert_eq!(event["reason"], "not_tls");
        assert_eq!(event["peer"], CLIENT);
    }
    let socket = dial_from(CLIENT, &gateway, b"").await;
    assert_eq!(get(&site, socket, PLAIN, &[]).await.status, 401);
    assert_eq!(site.upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_are_counted_by_whoever_is_announced() {
    let site = Site::with(BALANCER);
    drop(site.token("ci-deploy-prod"));
    let gateway = TestGateway::run(&site);
    let guess = [
        ("cf-access-client-id", "nobody.access"),
        ("cf-access-client-secret", "guess"),
    ];
    let status_of = async |client: &str, times| {
        let socket = dial_from(LISTED, &gateway, &version_1(client)).await;
        let client = Client::over(socket, &site, MIXED, None, Protocol::Http2).await;
        let mut client = client.unwrap();
        let mut status = 0;
        for _ in 0..times {
            status = client.get_with("/", &guess).await.unwrap().status;
        }
        status
    };
    assert_eq!(status_of("198.51.100.1", 1_000).await, 429);
    assert_eq!(status_of("198.51.100.2", 1).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded_for_of_a_listed_proxy_tells_whose_request_it_is() {
    let site = Site::with(PROXY);
    let gateway = TestGateway::run(&site);
    let device = site.client(DEVICE);
    let asked = async |source: &str, forwarded: &[&str]| {
        let socket = dial_from(source, &gateway, b"").await;
        let headers: Vec<_> = forwarded
            .iter()
            .map(|value| ("x-forwarded-for", *value))
            .collect();
        let answer = get(&site, socket, PLAIN, &headers).await;
        let event = gateway.event_of(&answer.request_id());
        (answer.status, event["peer"].as_str().unwrap().to_owned())
    };
    for (source, forwarded, status, peer) in [
        (LISTED, &[WELCOME][..], 200, WELCOME),
        (LISTED, &["203.0.113.9, 192.0.2.7, 127.0.0.3"], 200, WELCOME),
        (LISTED, &[WELCOME, "203.0.113.9"], 401, "203.0.113.9"),
        (LISTED, &["192.0.2.7, 203.0.113.9"], 401, "203.0.113.9"),
        (LISTED, &["192.0.2.7, unknown"], 400, LISTED),
        (LISTED, &[], 401, LISTED),
        (CLIENT, &[WELCOME], 401, CLIENT),
        (CLIENT, &["192.0.2.7, 127.0.0.3"], 401, CLIENT),
        (CLIENT, &["unknown"], 401, CLIENT),
    ] {
        let expected = (status, peer.to_owned());
        assert_eq!(
            asked(source, forwarded).await,
            expected,
            "{source} {forwarded:?}"
        );
    }
    for received in site.upstream.received() {
        assert_eq!(received.values("x-forwarded-for"), [WELCOME]);
    }
    // The certificate is the connection's, so it is the proxy's, and each request has its client.
    let socket = dial_from(LISTED, &gateway, b"").await;
    let proxy = Client::over(socket, &site, DEVICES, Some(&device), Protocol::Http2).await;
    let mut proxy = proxy.unwrap();
    for client in [WELCOME, "203.0.113.9"] {
        let forwarded = [("x-forwarded-for", client)];
        let answer = proxy.get_with("/shared", &forwarded).await.unwrap();
        assert_eq!(answer.status, 200);
        let event = gateway.event_of(&answer.request_id());
        assert_eq!(event["peer"], client);
        assert_eq!(event["common_name"], DEVICE);
    }
}

#[test]
fn a_proxy_of_its_own_certificate_forwards_its_clients_addresses() {
    if skip_without("haproxy") {
        return;
    }
    let site = Site::with(PROXY);
    let device = site.client(DEVICE);
    let (certificate, key) = (device.certificate.display(), device.key.display());
    site.shell(&format!("cat {certificate} {key} > proxy.pem"));
    let gateway = TestGateway::run(&site);
    let haproxy = Haproxy::start(
        &site,
        &format!(
            "listen front\n  mode http\n  option forwardfor\n  bind 127.0.0.1:{{port}}\n  \
             server gateway {} source {LISTED} ssl crt proxy.pem ca-file root/root.crt \
             sni str({DEVICES}) verifyhost {DEVICES}\n",
            gateway.address
        ),
    );
    let spoofed = format!("-H 'X-Forwarded-For: {WELCOME}' http://{DEVICES}/by-proxy");
    curl(&site, haproxy.port(), &spoofed);
    let received = site.upstream.only("/by-proxy");
    assert_eq!(received.values("x-forwarded-for"), [CLIENT]);
    let event = gateway.event_of(received.values("x-request-id")[0]);
    assert_eq!(event["peer"], CLIENT);
    assert_eq!(event["common_name"], DEVICE);
}

#[test]
fn check_tells_who_is_believed_and_refuses_to_believe_everybody() {
    let site = Site::with(&format!("{BALANCER}\n{PROXY}"));
    let good = site.postern.run(&["gateway", "check"]).expect_code(0);
    for line in [
        "PROXY header from",
        "X-Forwarded-For from",
        "127.0.0.3/32",
        "1000",
    ] {
        assert!(good.stdout.contains(line), "{line} in {}", good.stdout);
    }
    site.edit_config(
        "proxy_protocol = [\"127.0.0.3\"]",
        "proxy_protocol = [\"0.0.0.0/0\"]",
    );
    site.edit_config(
        "forwarded_for = [\"127.0.0.3\"]",
        "forwarded_for = [\"lb.internal\"]",
    );
    let bad = site
        .postern
        .run(&["gateway", "check"])
        .expect_code(6)
        .stderr;
    assert!(
        bad.contains("\"0.0.0.0/0\" is everybody, and not a load balancer"),
        "{bad}"
    );
    assert!(
        bad.contains("\"lb.internal\" is not an address or network"),
        "{bad}"
    );
}
