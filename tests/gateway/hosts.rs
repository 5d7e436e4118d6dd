//! SNI, Host and `:authority` name one host of one scope, or the request is refused.

use postern_tests::{
    Client, DEVICE, DEVICES, LOGS, MIXED, PLAIN, Protocol, Site, TestGateway, dial, skip_without,
    tls, verdict,
};
use rustls::version::{TLS12, TLS13};

use crate::frames::{END_STREAM, Frames, Outcome};
use crate::wire::{exchange, statuses};

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_sni_is_refused_by_an_alert_and_never_given_a_default() {
    let site = Site::with(&format!("default_host = \"{DEVICES}\""));
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for version in [&TLS12, &TLS13] {
        for sni in [
            "unknown.example.com",
            "example.com",
            "evil.devices.example.com",
        ] {
            let config = tls(&site, Some(&device), b"http/1.1", &[version]);
            let refused = verdict(&gateway, config, sni).await;
            assert_eq!(refused, Err("UnrecognisedName".to_owned()), "{sni}");
            let event = gateway.event(|event| event["host"] == sni);
            assert_eq!(
                (&event["event"], &event["reason"]),
                (&"handshake".into(), &"unknown_sni".into())
            );
        }
    }
    assert_eq!(site.upstream.count(), 0);
}

#[test]
fn a_client_without_sni_is_refused_unless_there_is_a_default_host() {
    if skip_without("openssl") {
        return;
    }
    let site = Site::new();
    site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let ask = |gateway: &TestGateway| {
        let connect = format!("127.0.0.1:{}", gateway.port());
        let script = format!(
            "printf 'GET /nosni HTTP/1.1\\r\\nHost: {DEVICES}\\r\\nConnection: close\\r\\n\\r\\n' | \
             timeout 30 openssl s_client -connect {connect} -noservername -ign_eof \
             -cert clients/{DEVICE}.crt -cert_chain clients/{DEVICE}.crt -key clients/{DEVICE}.key 2>&1"
        );
        site.shell(&script).stdout
    };
    let output = ask(&gateway);
    assert!(
        output.contains("alert number 112") || output.contains("unrecognized name"),
        "{output}"
    );
    gateway.event(|event| event["reason"] == "missing_sni");
    gateway.stop();
    assert_eq!(site.upstream.count(), 0);

    site.edit_config(
        "[gateway]\n",
        &format!("[gateway]\ndefault_host = \"{DEVICES}\"\n"),
    );
    let gateway = TestGateway::run(&site);
    let output = ask(&gateway);
    assert!(output.contains("HTTP/1.1 200"), "{output}");
    assert_eq!(site.upstream.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_of_another_scope_than_the_sni_is_always_421() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        // Asked for is less than required; required is more than asked for: both are other scopes.
        for (sni, host) in [
            (MIXED, DEVICES),
            (DEVICES, MIXED),
            (PLAIN, LOGS),
            (LOGS, PLAIN),
        ] {
            for identity in [Some(&device), None]
                .into_iter()
                .filter(|identity| identity.is_some() || sni == MIXED || sni == PLAIN)
            {
                let client = Client::connect(&site, &gateway, sni, identity, protocol).await;
                let answer = client.unwrap().asking(host).get("/").await.unwrap();
                assert_eq!(answer.status, 421, "{sni} {host} {protocol:?}");
                assert_eq!(answer.json()["reason"], "misdirected");
            }
        }
        let client = Client::connect(&site, &gateway, DEVICES, Some(&device), protocol).await;
        let answer = client
            .unwrap()
            .asking("unknown.example.com")
            .get("/")
            .await
            .unwrap();
        assert_eq!(answer.status, 421);
        assert_eq!(answer.json()["reason"], "unknown_host");
        assert_eq!(site.upstream.count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_of_the_same_scope_is_served_by_its_own_policies() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let stranger = site.client("stranger");
    let gateway = TestGateway::run(&site);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let client = Client::connect(&site, &gateway, DEVICES, Some(&device), protocol).await;
        assert_eq!(
            client.unwrap().asking(LOGS).get("/").await.unwrap().status,
            200
        );
        // LOGS takes any certificate, DEVICES does not: what counts is the host asked for.
        let client = Client::connect(&site, &gateway, LOGS, Some(&stranger), protocol).await;
        let mut client = client.unwrap();
        assert_eq!(client.get("/").await.unwrap().status, 200);
        assert_eq!(client.asking(DEVICES).get("/").await.unwrap().status, 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn port_case_and_trailing_dot_do_not_make_another_host() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let large = DEVICES.to_uppercase();
    for host in [
        DEVICES.to_owned(),
        large.clone(),
        format!("{DEVICES}:8443"),
        format!("{DEVICES}."),
    ] {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let client = Client::connect(&site, &gateway, DEVICES, Some(&device), protocol).await;
            let answer = client.unwrap().asking(&host).get("/").await.unwrap();
            assert_eq!(answer.status, 200, "{host} {protocol:?}");
        }
    }
    let sni = tls(&site, Some(&device), b"http/1.1", &[&TLS13]);
    assert_eq!(verdict(&gateway, sni, &large).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_names_two_hosts_or_none_is_400() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let bad = [
        ("GET / HTTP/1.1", vec![DEVICES, DEVICES], "host_duplicate"),
        ("GET / HTTP/1.1", vec![DEVICES, MIXED], "host_duplicate"),
        ("GET / HTTP/1.1", vec![], "host_missing"),
        (
            "GET https://mixed.example.com/ HTTP/1.1",
            vec![DEVICES],
            "hosts_differ",
        ),
        (
            "GET https://devices.example.com/ HTTP/1.1",
            vec![MIXED],
            "hosts_differ",
        ),
        (
            "GET / HTTP/1.1",
            vec!["user@devices.example.com"],
            "host_invalid",
        ),
        (
            "GET / HTTP/1.1",
            vec!["devices.example.com, mixed.example.com"],
            "host_invalid",
        ),
        ("GET / HTTP/1.1", vec![""], "host_invalid"),
        ("OPTIONS * HTTP/1.1", vec![DEVICES], "not_a_path"),
    ];
    for (line, hosts, reason) in bad {
        let hosts: String = hosts
            .iter()
            .map(|host| format!("Host: {host}\r\n"))
            .collect();
        let request = format!("{line}\r\n{hosts}Connection: close\r\n\r\n");
        let (answer, _) =
            exchange(&site, &gateway, DEVICES, Some(&device), request.as_bytes()).await;
        assert_eq!(statuses(&answer), [400], "{request} {answer}");
        assert!(
            answer.contains(&format!("\"reason\":\"{reason}\"")),
            "{request} {answer}"
        );
    }
    assert_eq!(site.upstream.count(), 0);
    let good = "GET https://devices.example.com/absolute HTTP/1.1\r\nHost: devices.example.com\r\nConnection: close\r\n\r\n";
    let (answer, _) = exchange(&site, &gateway, DEVICES, Some(&device), good.as_bytes()).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    // What is forwarded has the origin form.
    assert_eq!(
        site.upstream.only("/absolute").line,
        "GET /absolute HTTP/1.1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn in_http2_authority_and_host_must_agree() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for (authority, host, status) in [
        (Some(DEVICES), Some(DEVICES), 200),
        (Some(DEVICES), Some(MIXED), 400),
        (Some(DEVICES), Some("devices.example.com.evil"), 400),
        (None, Some(DEVICES), 200),
        (None, None, 400),
    ] {
        let mut frames = Frames::open(&site, &gateway, DEVICES, &device)
            .await
            .unwrap();
        let mut head: Vec<(&[u8], &[u8])> = vec![
            (b":method", b"GET"),
            (b":scheme", b"https"),
            (b":path", b"/"),
        ];
        head.extend(authority.map(|name| (b":authority".as_slice(), name.as_bytes())));
        head.extend(host.map(|name| (b"host".as_slice(), name.as_bytes())));
        frames.headers(&head, END_STREAM).await.unwrap();
        assert_eq!(
            frames.outcome().await,
            Outcome::Status(status),
            "{authority:?} {host:?}"
        );
    }
    assert_eq!(site.upstream.count(), 2);
}

/// Beside the application for all of [`LOGS`], one for a part of it.
const ADMIN: &str = r#"
[[application]]
name = "admin"
hosts = ["logs.example.com"]
paths = ["/admin"]
upstream = "http://UPSTREAM"
[[application.policy]]
name = "admins"
decision = "non_identity"
include = [{ common_name = "admin.factory.corp" }]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn where_paths_decide_one_that_can_be_read_in_two_ways_is_400() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let base = std::fs::read_to_string(site.path("postern.toml")).unwrap();
    site.write_config(&(base + &ADMIN.replace("UPSTREAM", &site.upstream.authority())));
    let gateway = TestGateway::run(&site);
    let ask = async |host: &str, path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let (answer, _) = exchange(&site, &gateway, host, Some(&device), request.as_bytes()).await;
        (statuses(&answer), answer)
    };
    for path in [
        "/a/../admin",
        "/a/%2e%2e/admin",
        "/a%2fb",
        "/a\\b",
        "/a%00b",
        "/./admin",
        "/%61dmin",
        "//admin",
        "/ADMIN",
        "/admin;x",
        "/x%5cadmin",
        "/%c0%ae/admin",
        "/a%2",
        "/Admin/x",
    ] {
        let (statuses, answer) = ask(LOGS, path).await;
        assert_eq!(statuses, [400], "{path} {answer}");
    }
    for path in ["/admin", "/admin/", "/admin/x?y=1"] {
        assert_eq!(ask(LOGS, path).await.0, [403], "{path}");
    }
    assert_eq!(site.upstream.count(), 0);
    assert_eq!(ask(LOGS, "/administration").await.0, [200]);
    // Where no path decides, the upstream gets the octets that policy saw.
    assert_eq!(ask(DEVICES, "/a/../b%2fc?x=%2e").await.0, [200]);
    assert_eq!(
        site.upstream.only("/a/../b%2fc?x=%2e").line,
        "GET /a/../b%2fc?x=%2e HTTP/1.1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tunnels_and_upgrades_are_not_forwarded() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for (head, status) in [
        (
            format!("CONNECT {DEVICES}:443 HTTP/1.1\r\nHost: {DEVICES}:443\r\n\r\n"),
            405,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: {DEVICES}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            ),
            400,
        ),
    ] {
        let (answer, _) = exchange(&site, &gateway, DEVICES, Some(&device), head.as_bytes()).await;
        assert_eq!(statuses(&answer), [status], "{answer}");
    }
    assert_eq!(site.upstream.count(), 0);
    let h2c = format!(
        "GET /h2c HTTP/1.1\r\nHost: {DEVICES}\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    );
    let (answer, _) = exchange(&site, &gateway, DEVICES, Some(&device), h2c.as_bytes()).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    let received = site.upstream.only("/h2c");
    for name in ["upgrade", "http2-settings", "connection"] {
        assert!(received.values(name).is_empty(), "{name}");
    }
    // Nothing else is spoken than what was agreed on.
    assert!(
        dial(&site, &gateway, DEVICES, Some(&device), b"spdy/1")
            .await
            .is_err()
    );
}
