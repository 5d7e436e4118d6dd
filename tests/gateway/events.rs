//! One line per request and per refused handshake; no secret in any; `explain` reads them.

use std::collections::BTreeSet;

use postern_tests::{
    Client, DEVICE, DEVICES, MIXED, PLAIN, Protocol, Site, TestGateway, tls, verdict,
};
use rustls::version::TLS13;
use serde_json::Value;

use crate::wire::exchange;

#[tokio::test(flavor = "multi_thread")]
async fn every_request_and_every_refused_handshake_is_exactly_one_line() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let stranger = site.client("stranger");
    let gateway = TestGateway::run(&site);
    let mut ids = BTreeSet::new();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for (host, identity, path) in [
            (DEVICES, Some(&device), "/ok"),
            (DEVICES, Some(&stranger), "/forbidden"),
            (PLAIN, None, "/unauthenticated"),
            (DEVICES, Some(&device), "/close"),
            (DEVICES, Some(&device), "/status/404"),
        ] {
            let client = Client::connect(&site, &gateway, host, identity, protocol).await;
            let answer = client.unwrap().get(path).await.unwrap();
            assert!(ids.insert(answer.request_id()));
        }
    }
    for _ in 0..3 {
        let config = tls(&site, None, b"http/1.1", &[&TLS13]);
        assert!(verdict(&gateway, config, DEVICES).await.is_err());
    }
    // The last line is there: so are all before it.
    let marker = Client::connect(&site, &gateway, DEVICES, Some(&device), Protocol::Http1).await;
    let marker = marker.unwrap().get("/marker").await.unwrap().request_id();
    gateway.event_of(&marker);
    ids.insert(marker);
    let events = gateway.events();
    let of = |kind: &str| {
        events
            .iter()
            .filter(move |event| event["event"] == kind)
            .collect::<Vec<_>>()
    };
    let logged: Vec<_> = of("request")
        .iter()
        .map(|event| event["request_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(logged.len(), ids.len());
    assert_eq!(logged.into_iter().collect::<BTreeSet<_>>(), ids);
    assert_eq!(of("handshake").len(), 3);
    assert_eq!(events.len(), 1 + ids.len() + 3, "{events:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_has_the_keys_that_the_design_names() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let client = Client::connect(&site, &gateway, DEVICES, Some(&device), Protocol::Http2).await;
    let headers = [("user-agent", "probe/1.0")];
    let answer = client.unwrap().get_with("/", &headers).await.unwrap();
    let event = gateway.event_of(&answer.request_id());
    let keys: Vec<_> = event
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    // In the order of the alphabet.
    let wanted = "application common_name decision duration_ms event fingerprint host method \
                  not_after peer policy reason request_id rule serial status time user_agent";
    assert_eq!(keys.join(" "), wanted);
    let expected: [(&str, Value); 11] = [
        ("event", "request".into()),
        ("application", "devices".into()),
        ("decision", "permit".into()),
        ("reason", "permitted".into()),
        ("policy", "devices-in".into()),
        ("method", "mtls".into()),
        ("common_name", DEVICE.into()),
        ("peer", "127.0.0.1".into()),
        ("host", DEVICES.into()),
        ("user_agent", "probe/1.0".into()),
        ("status", 200.into()),
    ];
    for (key, value) in expected {
        assert_eq!(event[key], value, "{key}");
    }
    let shown = site.shell(&format!(
        "openssl x509 -in clients/{DEVICE}.crt -noout -serial"
    ));
    let serial = event["serial"].as_str().unwrap().to_uppercase();
    assert_eq!(
        shown
            .stdout
            .trim()
            .trim_start_matches("serial=")
            .trim_start_matches('0'),
        serial.trim_start_matches('0')
    );
    assert!(event["time"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_a_token_names_its_client_id_and_no_certificate() {
    let site = Site::new();
    let (id, secret) = site.token("ci-deploy-prod");
    let gateway = TestGateway::run(&site);
    let client = Client::connect(&site, &gateway, MIXED, None, Protocol::Http1).await;
    let headers = [
        ("cf-access-client-id", id.as_str()),
        ("cf-access-client-secret", &secret),
    ];
    let answer = client.unwrap().get_with("/", &headers).await.unwrap();
    let event = gateway.event_of(&answer.request_id());
    assert_eq!(
        (&event["method"], &event["client_id"]),
        (&"service_token".into(), &id.into())
    );
    assert!(event["common_name"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_an_event_or_in_the_log_even_at_its_loudest() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let (id, secret) = site.token("ci-deploy-prod");
    let mut command = site.postern.command(&["gateway", "run"]);
    command.env("POSTERN_LOG", "trace");
    let gateway = TestGateway::spawn(&site, command);
    let canary = "pst_canarycanarycanary";
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for (name, value) in [
            (id.as_str(), secret.as_str()),
            (id.as_str(), canary),
            (canary, secret.as_str()),
            (secret.as_str(), id.as_str()),
        ] {
            for host in [MIXED, PLAIN] {
                let client = Client::connect(&site, &gateway, host, Some(&device), protocol).await;
                let headers = [
                    ("cf-access-client-id", name),
                    ("cf-access-client-secret", value),
                    ("authorization", canary),
                ];
                drop(client.unwrap().get_with("/", &headers).await.unwrap());
            }
        }
    }
    let broken = format!("GET / HTTP/1.1\r\nCF-Access-Client-Secret: {secret}\r\nbroken\r\n\r\n");
    drop(exchange(&site, &gateway, DEVICES, Some(&device), broken.as_bytes()).await);
    gateway.event(|event| event["reason"] == "malformed_request");
    let key = std::fs::read_to_string(site.path("gateway.example.com.key")).unwrap();
    let key = key.lines().nth(1).unwrap().to_owned();
    let log = gateway.log();
    assert!(
        log.contains("TRACE"),
        "the log is not at its loudest: {log}"
    );
    for (what, text) in [("events", gateway.event_lines().join("\n")), ("log", log)] {
        for needle in [secret.as_str(), canary, key.as_str()] {
            let line = text.lines().find(|line| line.contains(needle));
            assert!(line.is_none(), "{what}: {line:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_writes_cannot_make_a_line_of_its_own() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let agent = "evil\t\u{1b}[2J\u{85}\u{202e}\"}{\"event\":\"request\"";
    let mut request =
        format!("GET / HTTP/1.1\r\nHost: {DEVICES}\r\nConnection: close\r\nUser-Agent: ")
            .into_bytes();
    // Control characters are no header values; what is none is refused, the rest is escaped.
    request.extend(agent.bytes().filter(|octet| *octet != 0x1b));
    request.extend(b"\r\n\r\n");
    drop(exchange(&site, &gateway, DEVICES, Some(&device), &request).await);
    let long = "x".repeat(20_000);
    let text = format!(
        "GET /long HTTP/1.1\r\nHost: {DEVICES}\r\nConnection: close\r\nUser-Agent: {long}\r\n\r\n"
    );
    drop(exchange(&site, &gateway, DEVICES, Some(&device), text.as_bytes()).await);
    let event = gateway.event(|event| {
        event["user_agent"]
            .as_str()
            .is_some_and(|agent| agent.starts_with("xxx"))
    });
    assert!(event["user_agent"].as_str().unwrap().chars().count() < 300);
    let event = gateway.event(|event| {
        event["user_agent"]
            .as_str()
            .is_some_and(|agent| agent.starts_with("evil"))
    });
    assert!(
        event["user_agent"]
            .as_str()
            .unwrap()
            .contains("\"}{\"event\"")
    );
    let lines = gateway.event_lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in lines {
        assert!(
            line.bytes().all(|octet| (b' '..=b'~').contains(&octet)),
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_why_a_request_was_answered_as_it_was() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let stranger = site.client("stranger");
    let gateway = TestGateway::run(&site);
    for (identity, code, decision) in [(&device, 0, "permit"), (&stranger, 4, "deny")] {
        let client =
            Client::connect(&site, &gateway, DEVICES, Some(identity), Protocol::Http1).await;
        let answer = client.unwrap().get("/why").await.unwrap();
        gateway.event_of(&answer.request_id());
        let explained = site
            .postern
            .run(&["explain", &answer.request_id(), "-o", "json"]);
        let explained = explained.expect_code(code).json();
        assert_eq!(explained["decision"], decision);
        let table = site
            .postern
            .run(&["explain", &answer.request_id()])
            .expect_code(code);
        assert!(table.stdout.contains(decision), "{}", table.stdout);
    }
    let config = tls(&site, None, b"http/1.1", &[&TLS13]);
    assert!(verdict(&gateway, config, DEVICES).await.is_err());
    let refused = gateway.event(|event| event["event"] == "handshake");
    drop(
        site.postern
            .run(&["explain", refused["request_id"].as_str().unwrap()])
            .expect_code(4),
    );
    drop(
        site.postern
            .run(&["explain", "00000000000000000000000000000000"])
            .expect_code(3),
    );
}

#[test]
fn explain_says_who_would_get_in_by_which_policy_and_rule() {
    let site = Site::new();
    site.client(DEVICE);
    site.client("device-2.factory.corp");
    site.revoke("device-2.factory.corp");
    let ask = |code: i32, args: &[&str]| {
        let all: Vec<_> = ["explain", "-o", "json", "--host"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let told = site.postern.run(&all).expect_code(code).json();
        assert_eq!(
            told["verdict"],
            if code == 0 { "admitted" } else { "denied" }
        );
        told
    };
    assert_eq!(
        ask(4, &[MIXED, "--token", "ci-deploy-prod"])["reason"],
        "token_unknown"
    );
    site.token("ci-deploy-prod");
    let told = ask(0, &[DEVICES, "--cn", DEVICE]);
    assert_eq!(
        (&told["application"], &told["policy"]),
        (&"devices".into(), &"devices-in".into())
    );
    assert!(
        told["rule"]
            .as_str()
            .unwrap()
            .contains("common_name_pattern"),
        "{told}"
    );
    let crt = format!("clients/{DEVICE}.crt");
    assert_eq!(
        ask(0, &[DEVICES, "--path", "/v1", "--cert", &crt])["policy"],
        "devices-in"
    );
    assert_eq!(
        ask(0, &[MIXED, "--token", "ci-deploy-prod"])["policy"],
        "ci"
    );
    for (asked, reason) in [
        (&[DEVICES, "--cn", "stranger"][..], "no_policy_matched"),
        (&[DEVICES, "--cn", "device-stolen.factory.corp"], "excluded"),
        (
            &[DEVICES, "--cert", "clients/device-2.factory.corp.crt"],
            "revoked",
        ),
        (
            &[DEVICES, "--cert", "gateway.example.com.crt"],
            "eku_missing",
        ),
        (&[PLAIN, "--token", "ci-deploy-prod"], "no_credentials"),
    ] {
        assert_eq!(ask(4, asked)["reason"], reason, "{asked:?}");
    }
    ask(4, &["unknown.example.com", "--cn", DEVICE]);
}
