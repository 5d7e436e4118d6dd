//! What the operator's deny list names is out: on new, resumed and live connections, and nobody else.

use std::fs;
use std::time::Instant;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use postern_tests::{
    Client, DEVICE, DEVICES, Identity, PATIENCE, Protocol, Site, TestGateway, certificates, full,
    tls, verdict,
};
use rustls::version::TLS13;
use tokio::time::timeout;

use crate::behind_cloudflare::{Behind, ask};
use crate::s_client::{OpenSsl, VERSIONS, file};

const OTHER: &str = "device-2.factory.corp";

/// A site with an empty list.
fn site() -> Site {
    let site = Site::with("deny = [\"deny.txt\"]\n");
    fs::write(site.path("deny.txt"), "# nobody yet\n").unwrap();
    site
}

/// Replaces the list as an editor does.
fn deny(site: &Site, list: &str) {
    fs::write(site.path("deny.txt.new"), list).unwrap();
    fs::rename(site.path("deny.txt.new"), site.path("deny.txt")).unwrap();
}

async fn shown(site: &Site, gateway: &TestGateway, identity: &Identity) -> Result<(), String> {
    let config = tls(site, Some(identity), b"http/1.1", &[&TLS13]);
    verdict(gateway, config, DEVICES).await
}

async fn becomes(
    site: &Site,
    gateway: &TestGateway,
    identity: &Identity,
    expected: &Result<(), String>,
) {
    let deadline = Instant::now() + PATIENCE;
    while shown(site, gateway, identity).await != *expected {
        assert!(Instant::now() < deadline, "never {expected:?}");
    }
}

fn refused() -> Result<(), String> {
    Err("AccessDenied".to_owned())
}

/// An answer without end, of which the first piece is there.
async fn endless(client: &mut Client) -> Incoming {
    let request = client.request("GET", "/endless", &[], full(""));
    let mut body = client.send(request).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    body
}

/// What openssl says of a certificate, behind the `=`.
fn told(site: &Site, identity: &Identity, what: &str) -> String {
    let file = identity.certificate.display().to_string();
    let args = ["x509", "-in", &file, "-noout", "-sha256", what];
    let said = site.postern.tool("openssl", &args).expect_code(0).stdout;
    said.trim().rsplit('=').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_entry_refuses_its_client_and_an_emptied_list_lets_it_in_again() {
    let site = site();
    let (bad, good) = (site.client(DEVICE), site.client(OTHER));
    let gateway = TestGateway::run(&site);
    let key = format!(
        "openssl x509 -in {} -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum",
        bad.certificate.display()
    );
    let key = site.shell(&key).expect_code(0).stdout;
    for entry in [
        format!("serial {}", told(&site, &bad, "-serial")),
        format!("fingerprint sha256:{}", told(&site, &bad, "-fingerprint")),
        format!("spki sha256:{}", key.split(' ').next().unwrap()),
        format!("name {DEVICE}"),
    ] {
        deny(&site, &format!("# stolen on Monday\n{entry}\n"));
        becomes(&site, &gateway, &bad, &refused()).await;
        assert_eq!(shown(&site, &gateway, &good).await, Ok(()), "{entry}");
        deny(&site, "");
        becomes(&site, &gateway, &bad, &Ok(())).await;
    }
    let event = gateway.event(|event| event["event"] == "handshake");
    assert_eq!(event["reason"], "denied", "{event}");
    assert_eq!(event["common_name"], DEVICE, "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_connections_are_cut_and_nobody_elses() {
    let site = site();
    let (bad, good) = (site.client(DEVICE), site.client(OTHER));
    let gateway = TestGateway::run(&site);
    let connect = |who| Client::connect(&site, &gateway, DEVICES, Some(who), Protocol::Http2);
    let (mut doomed, mut other) = (connect(&bad).await.unwrap(), connect(&good).await.unwrap());
    let (mut body, mut stays) = (endless(&mut doomed).await, endless(&mut other).await);
    deny(&site, &format!("name {DEVICE}\n"));
    let ended = async { while let Some(Ok(_)) = body.frame().await {} };
    timeout(PATIENCE, ended).await.expect("it is cut");
    for _ in 0..3 {
        stays.frame().await.unwrap().unwrap();
    }
    assert_eq!(other.get("/").await.unwrap().status, 200);
    let event = gateway.event(|event| event["event"] == "deny_list");
    assert_eq!(event["connections_cut"], 1, "{event}");
    assert_eq!(event["entries"], 1, "{event}");
    let aborted = gateway.event(|event| event["decision"] == "aborted");
    assert_eq!(aborted["reason"], "denied", "{aborted}");
    assert_eq!(aborted["common_name"], DEVICE, "{aborted}");
}

#[test]
fn a_denied_client_does_not_resume_whatever_names_it() {
    for entry in ["serial", "name"] {
        let site = site();
        let device = site.client(DEVICE);
        let gateway = TestGateway::run(&site);
        let sessions = VERSIONS.map(|version| {
            let (openssl, session) = (OpenSsl::new(&site, version), file(version));
            let first = openssl.first(&gateway, DEVICES, Some(&device), &session);
            first.expect_full();
            (openssl, session)
        });
        let entry = match entry {
            "serial" => format!("serial {}", told(&site, &device, "-serial")),
            _ => format!("name {DEVICE}"),
        };
        deny(&site, &entry);
        gateway.event(|event| event["event"] == "deny_list");
        for (openssl, session) in sessions {
            // A name is not in a ticket: then the session is resumed, and refused before it serves.
            let again = openssl.again(&gateway, DEVICES, Some(&device), &session);
            assert!(!again.was_served(), "{entry}: {again:?}");
        }
        let denied = |event: &serde_json::Value| event["reason"] == "denied";
        let refused = gateway.events().into_iter().filter(denied).count();
        assert_eq!(refused, VERSIONS.len(), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_list_changes_nothing_while_running_and_stops_a_start() {
    let site = site();
    let (bad, good) = (site.client(DEVICE), site.client(OTHER));
    deny(&site, &format!("name {DEVICE}\n"));
    let gateway = TestGateway::run(&site);
    assert_eq!(shown(&site, &gateway, &bad).await, refused());
    deny(&site, "# typing\n\nnmae device-2.factory.corp\n");
    let alarm = gateway.event(|event| event["event"] == "source_alarm");
    let told = alarm.to_string();
    assert!(
        told.contains("deny.txt") && told.contains("line 3"),
        "{told}"
    );
    assert_eq!(shown(&site, &gateway, &bad).await, refused());
    assert_eq!(shown(&site, &gateway, &good).await, Ok(()));
    let checked = site.postern.run(&["gateway", "check"]).expect_code(9);
    assert!(checked.stderr.contains("line 3"), "{}", checked.stderr);
    deny(&site, &format!("name {OTHER}\n"));
    becomes(&site, &gateway, &good, &refused()).await;
    becomes(&site, &gateway, &bad, &Ok(())).await;
    gateway.event(|event| event["event"] == "source_recovered");
    gateway.stop();
    deny(&site, "fingerprint 0a0b\n");
    let stopped = site.postern.run(&["gateway", "run"]).expect_code(9);
    assert!(stopped.stderr.contains("line 1"), "{}", stopped.stderr);
    fs::remove_file(site.path("deny.txt")).unwrap();
    drop(site.postern.run(&["gateway", "run"]).expect_code(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_cloudflare_the_name_is_refused() {
    let behind = Behind::new("[\"127.0.0.0/8\"]", "");
    let site = &behind.site;
    site.edit_config("when_stale ", "deny = [\"deny.txt\"]\nwhen_stale ");
    fs::write(site.path("deny.txt"), "").unwrap();
    site.client(DEVICE);
    let gateway = TestGateway::run(site);
    let (bad, good) = (behind.assertion_of(DEVICE), behind.assertion_of(OTHER));
    let ask = async |assertion: &str| {
        ask(&behind, &gateway, &[("Cf-Access-Jwt-Assertion", assertion)]).await
    };
    assert_eq!(ask(&bad).await.0, 200);
    deny(site, &format!("name {DEVICE}\n"));
    gateway.event(|event| event["event"] == "deny_list");
    assert_eq!(ask(&bad).await, (401, "denied".to_owned()));
    assert_eq!(ask(&good).await.0, 200);
}

#[test]
fn check_lists_it_and_explain_knows_it() {
    let site = site();
    let device = site.client(DEVICE);
    let check = site.postern.run(&["gateway", "check"]).expect_code(0);
    assert!(check.stdout.contains("deny.txt"), "{}", check.stdout);
    assert_eq!(certificates(&device.certificate).len(), 2);
    deny(&site, &format!("name {DEVICE}\n"));
    let crt = format!("clients/{DEVICE}.crt");
    let explain = ["explain", "-o", "json", "--host", DEVICES, "--cert", &crt];
    let told = site.postern.run(&explain).expect_code(4).json();
    assert_eq!(told["reason"], "denied", "{told}");
}
