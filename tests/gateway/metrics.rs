//! What is told to whoever watches: figures that Prometheus takes, and health.

use std::fs;
use std::time::Duration;

use postern_tests::{
    Client, DEVICE, DEVICES, Output, PLAIN, Protocol, Site, TestGateway, skip_without,
};
use rustix::process::Signal;

const METRICS: &str = "metrics = \"127.0.0.1:0\"";

fn watched(site: &Site) -> (TestGateway, String) {
    let gateway = TestGateway::run(site);
    let started = gateway.event(|event| event["event"] == "started");
    let address = started["metrics"].as_str().unwrap().to_owned();
    (gateway, address)
}

fn curl(site: &Site, args: &str) -> Output {
    site.shell(&format!("curl -sS --max-time 5 {args}"))
}

fn status(site: &Site, url: &str) -> String {
    curl(site, &format!("-o /dev/null -w '%{{http_code}}' {url}")).stdout
}

fn figure(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("{name} is not in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

async fn get(site: &Site, gateway: &TestGateway, host: &str, name: Option<&str>) -> u16 {
    let identity = name.map(|name| site.client(name));
    let client = Client::connect(site, gateway, host, identity.as_ref(), Protocol::Http2).await;
    let answer = client.unwrap().get("/").await.unwrap();
    gateway.event_of(&answer.request_id());
    answer.status
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_tell_what_the_events_tell() {
    let site = Site::with(METRICS);
    let (gateway, address) = watched(&site);
    assert_eq!(get(&site, &gateway, DEVICES, Some(DEVICE)).await, 200);
    assert_eq!(get(&site, &gateway, DEVICES, Some("stranger")).await, 403);
    assert_eq!(get(&site, &gateway, PLAIN, None).await, 401);
    site.revoke("stranger");
    gateway.event(|event| event["event"] == "revocation");
    let text = curl(&site, &format!("http://{address}/metrics")).stdout;
    for (name, expected) in [
        (
            "postern_requests_total{application=\"devices\",decision=\"permit\"}",
            1.0,
        ),
        (
            "postern_requests_total{application=\"devices\",decision=\"deny\"}",
            1.0,
        ),
        (
            "postern_requests_total{application=\"plain\",decision=\"deny\"}",
            1.0,
        ),
        ("postern_handshakes_total{result=\"accepted\"}", 3.0),
        ("postern_revocation_effect_seconds_count", 1.0),
        ("postern_configuration_generation", 1.0),
        ("postern_reload_success", 1.0),
        ("postern_build_info", 1.0),
    ] {
        assert_eq!(figure(&text, name), expected, "{name}");
    }
    // Nobody's name, serial number or fingerprint is a label.
    for secret in [DEVICE, "stranger", "serial", "fingerprint"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let source = "postern_source_alarm{source=";
    assert_eq!(figure(&text, source), 0.0, "{text}");
}

#[test]
fn a_refused_reload_is_an_alarm_until_a_good_one() {
    let site = Site::with(METRICS);
    let (gateway, address) = watched(&site);
    let good = fs::read_to_string(site.path("postern.toml")).unwrap();
    let after = |text: &str, event: &str| {
        site.write_config(text);
        gateway.signal(Signal::HUP);
        gateway.event(|line| line["event"] == event);
        let text = curl(&site, &format!("http://{address}/metrics")).stdout;
        figure(&text, "postern_reload_success")
    };
    assert_eq!(after("[gateway]\nlisten = 5\n", "reload_refused"), 0.0);
    assert_eq!(after(&good, "reloaded"), 1.0);
}

#[test]
fn promtool_has_nothing_to_say() {
    if skip_without("promtool") {
        return;
    }
    let site = Site::with(METRICS);
    let (gateway, address) = watched(&site);
    drop(gateway.curl(&site, &[&gateway.url(PLAIN, "/")]));
    let checked = site.shell(&format!(
        "curl -sS http://{address}/metrics | promtool check metrics"
    ));
    let checked = checked.expect_code(0);
    assert_eq!((checked.stdout.as_str(), checked.stderr.as_str()), ("", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_and_a_drain_is_seen_before_it_ends() {
    let site = Site::with(&format!("{METRICS}\ndrain = \"5s\""));
    let (mut gateway, address) = watched(&site);
    let url = |path: &str| format!("http://{address}{path}");
    assert_eq!(status(&site, &url("/healthz")), "200");
    assert_eq!(status(&site, &url("/readyz")), "200");
    assert_eq!(status(&site, &url("/other")), "404");
    assert_eq!(
        status(&site, &format!("-X POST {}", url("/metrics"))),
        "405"
    );
    let device = site.client(DEVICE);
    let client = Client::connect(&site, &gateway, DEVICES, Some(&device), Protocol::Http1).await;
    let mut client = client.unwrap();
    let running = tokio::spawn(async move { client.get("/slow/1500").await });
    while site.upstream.count() < 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gateway.signal(Signal::TERM);
    gateway.event(|event| event["event"] == "stopping");
    let (ready, alive) = (
        status(&site, &url("/readyz")),
        status(&site, &url("/healthz")),
    );
    assert_eq!(running.await.unwrap().unwrap().status, 200);
    assert_eq!((ready.as_str(), alive.as_str()), ("503", "200"));
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn only_a_loopback_address_tells_them() {
    let site = Site::with("metrics = \"0.0.0.0:9464\"");
    let refused = site.postern.run(&["gateway", "check"]);
    assert!(
        refused.stderr.contains("not a loopback address"),
        "{}",
        refused.stderr
    );
    let refused = site.postern.run(&["gateway", "run"]).expect_code(6);
    assert!(
        refused.stderr.contains("postern.toml:"),
        "{}",
        refused.stderr
    );
}
