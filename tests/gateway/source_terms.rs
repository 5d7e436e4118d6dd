//! A source that says nothing new for too long is stale, and what that means is its own matter.

use std::fs;
use std::time::{Duration, Instant};

use postern_fixtures::TestPki;
use postern_tests::{DEVICE, DEVICES, Identity, PATIENCE, Site, TestGateway, tls, verdict};
use rustls::version::TLS13;
use serde_json::Value;

/// A site whose other CA's list is this old, under these terms.
fn site_with(pki: &TestPki, age: Duration, terms: &str) -> Site {
    let site = Site::with(&format!(
        "crl = [{{ path = \"theirs.crl\", max_silence = \"1h\"{terms} }}, \"root.crl\"]\n"
    ));
    let trust = format!("{}{}", pki.root().pem(), pki.intermediate().pem());
    fs::write(site.path("theirs.crt"), trust).unwrap();
    fs::write(site.path("root.crl"), pki.root_crl(1, &[]).pem()).unwrap();
    publish(&site, pki, 1, age);
    site.edit_config(r#""root/root.crt"]"#, r#""root/root.crt", "theirs.crt"]"#);
    site
}

fn publish(site: &Site, pki: &TestPki, number: u64, age: Duration) {
    let mut spec = pki.crl_spec(number, &[]);
    spec.this_update -= age;
    let list = pki.intermediate().crl(&spec);
    fs::write(site.path("new"), list.der()).unwrap();
    fs::rename(site.path("new"), site.path("theirs.crl")).unwrap();
}

async fn shown(site: &Site, gateway: &TestGateway, identity: &Identity) -> Result<(), String> {
    let config = tls(site, Some(identity), b"http/1.1", &[&TLS13]);
    verdict(gateway, config, DEVICES).await
}

async fn becomes(site: &Site, gateway: &TestGateway, identity: &Identity, admitted: bool) {
    let deadline = Instant::now() + PATIENCE;
    while shown(site, gateway, identity).await.is_ok() != admitted {
        assert!(Instant::now() < deadline, "never {admitted}");
    }
}

fn alarm_says(text: &str) -> impl Fn(&Value) -> bool {
    move |event| {
        let reason = event["reason"].as_str().unwrap_or_default();
        event["event"] == "source_alarm" && reason.contains(text)
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn past_max_silence_its_clients_are_refused_until_a_newer_list_comes() {
    let pki = TestPki::new();
    let site = site_with(&pki, 61 * MINUTE, "");
    let theirs = site.keep(&pki.client(DEVICE), "theirs");
    let ours = site.client("device-2.factory.corp");
    let gateway = TestGateway::run(&site);
    assert!(shown(&site, &gateway, &theirs).await.is_err());
    assert_eq!(shown(&site, &gateway, &ours).await, Ok(()));
    let event = gateway.event(|event| event["event"] == "handshake");
    assert_eq!(event["reason"], "revocation_stale", "{event}");
    gateway.event(alarm_says("longer than `max_silence`"));
    publish(&site, &pki, 2, Duration::ZERO);
    becomes(&site, &gateway, &theirs, true).await;
    gateway.event(|event| event["event"] == "source_recovered");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_alarm_comes_before_it_bites() {
    let pki = TestPki::new();
    let site = site_with(&pki, 50 * MINUTE, "");
    let theirs = site.keep(&pki.client(DEVICE), "theirs");
    let gateway = TestGateway::run(&site);
    assert_eq!(shown(&site, &gateway, &theirs).await, Ok(()));
    gateway.event(alarm_says("three quarters of `max_silence`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_may_admit_where_the_others_refuse_and_the_other_way_round() {
    for (all, own, admitted) in [("refuse", "admit", true), ("admit", "refuse", false)] {
        let pki = TestPki::new();
        let terms = format!(", when_stale = \"{own}\"");
        let site = site_with(&pki, 61 * MINUTE, &terms);
        site.edit_config(
            "when_stale  = \"refuse\"",
            &format!("when_stale = \"{all}\""),
        );
        let theirs = site.keep(&pki.client(DEVICE), "theirs");
        let gateway = TestGateway::run(&site);
        let shown = shown(&site, &gateway, &theirs).await;
        assert_eq!(shown.is_ok(), admitted, "{own}: {shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_ca_that_falls_silent_is_stale_and_heard_of_again_is_not() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let plain = "[\"postern-home/public\"]";
    let terms = |silence: &str| {
        format!("[{{ path = \"postern-home/public\", max_silence = \"{silence}\" }}]")
    };
    site.edit_config(plain, &terms("1s"));
    let gateway = TestGateway::run(&site);
    becomes(&site, &gateway, &device, false).await;
    gateway.event(alarm_says("`max_silence`"));
    site.edit_config(&terms("1s"), &terms("1h"));
    drop(site.postern.run(&["gateway", "reload"]).expect_code(0));
    becomes(&site, &gateway, &device, true).await;
}

#[test]
fn mistakes_in_the_terms_are_told() {
    let site = Site::with("crl = [{ path = \"a.crl\", max_silence = \"soon\" }]\n");
    let refused = site.postern.run(&["gateway", "check"]).expect_code(6);
    assert!(refused.stderr.contains("soon"), "{}", refused.stderr);
    site.edit_config("max_silence = \"soon\"", "max_silense = \"1h\"");
    let refused = site.postern.run(&["gateway", "check"]).expect_code(6);
    assert!(refused.stderr.contains("max_silense"), "{}", refused.stderr);
}
