//! CRL files of other people's CAs: replaced, half written, large, gone and back.

use std::fs;
use std::time::Instant;

use postern_fixtures::{CrlSpec, Issued, TestPki};
use postern_tests::{DEVICES, Identity, PATIENCE, Site, TestGateway, tls, verdict};
use rcgen::RevocationReason;
use rustls::version::TLS13;

const CRL: &str = "theirs.crl";

/// A site that trusts a test PKI as well, with the CRL of its intermediate in a file.
fn site_with(pki: &TestPki) -> Site {
    let site = Site::with("crl = [\"their*.crl\", \"root.crl\"]\n");
    let trust = format!("{}{}", pki.root().pem(), pki.intermediate().pem());
    fs::write(site.path("theirs.crt"), trust).unwrap();
    fs::write(site.path("root.crl"), pki.root_crl(1, &[]).pem()).unwrap();
    replace(&site, CRL, pki.crl(1, &[]).der());
    site.edit_config(r#""root/root.crt"]"#, r#""root/root.crt", "theirs.crt"]"#);
    site
}

/// As whoever fetches CRLs should.
fn replace(site: &Site, name: &str, octets: &[u8]) {
    fs::write(site.path("crl.new"), octets).unwrap();
    fs::rename(site.path("crl.new"), site.path(name)).unwrap();
}

/// A list of many others, and perhaps of this one.
fn long_list(pki: &TestPki, number: u64, more: Option<&Issued>) -> Vec<u8> {
    let serials: Vec<_> = (1..=5_000_u32)
        .map(|at| [&[0x7f; 12][..], &at.to_be_bytes()].concat())
        .collect();
    let others = serials.iter().map(Vec::as_slice);
    let serials = others.chain(more.map(Issued::serial));
    let revoked: Vec<_> = serials
        .map(|serial| (serial, RevocationReason::Unspecified))
        .collect();
    let spec: CrlSpec<'_> = pki.crl_spec(number, &revoked);
    pki.intermediate().crl(&spec).der().to_vec()
}

async fn shown(site: &Site, gateway: &TestGateway, identity: &Identity) -> Result<(), String> {
    let config = tls(site, Some(identity), b"http/1.1", &[&TLS13]);
    verdict(gateway, config, DEVICES).await
}

async fn becomes_revoked(site: &Site, gateway: &TestGateway, identity: &Identity) {
    let deadline = Instant::now() + PATIENCE;
    while shown(site, gateway, identity).await != Err("CertificateRevoked".to_owned()) {
        assert!(Instant::now() < deadline, "it is never refused");
    }
}

fn alarms(gateway: &TestGateway) -> Vec<String> {
    let events = gateway.events().into_iter();
    let alarms = events.filter(|event| event["event"] == "source_alarm");
    alarms.map(|event| event["reason"].to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_replaced_again_and_again_is_in_force_each_time() {
    let pki = TestPki::new();
    let site = site_with(&pki);
    let gateway = TestGateway::run(&site);
    let clients: Vec<_> = (0..5)
        .map(|at| pki.client(&format!("device-{at}.factory.corp")))
        .collect();
    for (at, (client, number)) in clients.iter().zip(2..).enumerate() {
        let identity = site.keep(client, &format!("client-{at}"));
        assert_eq!(shown(&site, &gateway, &identity).await, Ok(()));
        // A short list is read by whoever looks at files, a long one beside.
        let list = if at % 2 == 0 {
            let revoked = [(client.serial(), RevocationReason::KeyCompromise)];
            pki.crl(number, &revoked).der().to_vec()
        } else {
            long_list(&pki, number, Some(client))
        };
        replace(&site, CRL, &list);
        becomes_revoked(&site, &gateway, &identity).await;
    }
    assert_eq!(alarms(&gateway), [""; 0]);
    let stays = site.keep(&pki.client("device-9.factory.corp"), "stays");
    assert_eq!(shown(&site, &gateway, &stays).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_written_in_place_is_taken_when_it_is_whole() {
    let pki = TestPki::new();
    let site = site_with(&pki);
    let gateway = TestGateway::run(&site);
    let client = pki.client("device-1.factory.corp");
    let identity = site.keep(&client, "client");
    let whole = long_list(&pki, 2, Some(&client));
    // Half of it, for as long as it takes to be told of: what was there stays in force.
    fs::write(site.path(CRL), &whole[..whole.len() / 2]).unwrap();
    gateway.event(|event| event["event"] == "source_alarm");
    assert_eq!(shown(&site, &gateway, &identity).await, Ok(()));
    fs::write(site.path(CRL), &whole).unwrap();
    becomes_revoked(&site, &gateway, &identity).await;
    gateway.event(|event| event["event"] == "source_recovered");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_list_is_refused_and_one_that_is_gone_stays_in_force() {
    let pki = TestPki::new();
    let site = site_with(&pki);
    let client = pki.client("device-1.factory.corp");
    let identity = site.keep(&client, "client");
    let gateway = TestGateway::run(&site);
    replace(&site, CRL, &long_list(&pki, 3, Some(&client)));
    becomes_revoked(&site, &gateway, &identity).await;
    // What was seen is kept with the next look at the files.
    tokio::time::sleep(PATIENCE / 20).await;
    replace(&site, CRL, &long_list(&pki, 2, None));
    let older = |event: &serde_json::Value| {
        let reason = event["reason"].as_str().unwrap_or_default();
        event["event"] == "source_alarm" && reason.contains("an old copy was put back")
    };
    gateway.event(older);
    fs::remove_file(site.path(CRL)).unwrap();
    let gone = |event: &serde_json::Value| {
        let reason = event["reason"].as_str().unwrap_or_default();
        event["event"] == "source_alarm" && reason.contains("cannot read")
    };
    gateway.event(gone);
    let refused = Err("CertificateRevoked".to_owned());
    assert_eq!(shown(&site, &gateway, &identity).await, refused);
    replace(&site, CRL, &long_list(&pki, 4, Some(&client)));
    gateway.event(|event| event["event"] == "source_recovered");
    assert_eq!(shown(&site, &gateway, &identity).await, refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_appears_is_found() {
    let pki = TestPki::new();
    let site = site_with(&pki);
    let client = pki.client("device-1.factory.corp");
    let identity = site.keep(&client, "client");
    let gateway = TestGateway::run(&site);
    assert_eq!(shown(&site, &gateway, &identity).await, Ok(()));
    let newer = long_list(&pki, 2, Some(&client));
    replace(&site, "theirs-too.crl", &newer);
    becomes_revoked(&site, &gateway, &identity).await;
}
