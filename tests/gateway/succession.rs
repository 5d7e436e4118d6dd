//! The old and the new are both good in the overlap, and the old one goes when the new one is used.

use std::time::SystemTime;

use postern_ca::{Actor, CertificateAuthority, Home, Profiles, ServiceTokenSecret, TokenLife};
use postern_tests::{
    Client, DEVICE, DEVICES, Identity, MIXED, PATIENCE, Protocol, Site, TestGateway,
};

const TOKEN: &str = "ci-deploy-prod";

/// The status of one request, or 0 where the handshake is refused.
async fn status(
    site: &Site,
    gateway: &TestGateway,
    host: &str,
    identity: Option<&Identity>,
    headers: &[(&str, &str)],
) -> u16 {
    let client = Client::connect(site, gateway, host, identity, Protocol::Http1).await;
    let Ok(mut client) = client else { return 0 };
    let answer = client.get_with("/", headers).await;
    answer.map_or(0, |answer| answer.status)
}

/// Repeats until the token's answer is the one expected: the gateway follows the journal.
async fn token_becomes(site: &Site, gateway: &TestGateway, (id, secret): (&str, &str), is: u16) {
    let headers = [
        ("CF-Access-Client-Id", id),
        ("CF-Access-Client-Secret", secret),
    ];
    let deadline = std::time::Instant::now() + PATIENCE;
    while status(site, gateway, MIXED, None, &headers).await != is {
        assert!(std::time::Instant::now() < deadline, "never {is}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn authority(site: &Site) -> CertificateAuthority {
    let home = Home::at(site.path("postern-home"));
    CertificateAuthority::open(home, Profiles::built_in(), Actor::current()).unwrap()
}

/// The SHA-256 of the one secret of the one token.
fn only_secret(site: &Site) -> String {
    let tokens = authority(site).store().tokens().unwrap();
    let [token] = tokens.as_slice() else {
        panic!("{tokens:?}")
    };
    token.secrets[0].to_string()
}

fn change_token(site: &Site, change: impl FnOnce(&mut TokenLife) + Send + 'static) {
    let authority = authority(site);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let name = authority.store().tokens().unwrap()[0].name.clone();
    let unlocked = authority.unlock(None, now).unwrap();
    unlocked.change_token(&name, change, now).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_secrets_are_good_in_the_overlap_and_the_old_one_is_refused_when_retired() {
    let site = Site::new();
    let (id, old) = site.token(TOKEN);
    let gateway = TestGateway::run(&site);
    let new = ServiceTokenSecret::generate().unwrap();
    let (old_hash, new_hash) = (only_secret(&site), new.hash());
    let (old, new) = ((id.as_str(), old.as_str()), (id.as_str(), new.expose()));
    token_becomes(&site, &gateway, old, 200).await;
    token_becomes(&site, &gateway, new, 401).await;
    change_token(&site, move |life| life.secrets.push(new_hash));
    token_becomes(&site, &gateway, new, 200).await;
    token_becomes(&site, &gateway, old, 200).await;
    change_token(&site, move |life| {
        life.secrets.retain(|one| *one == new_hash);
    });
    token_becomes(&site, &gateway, old, 401).await;
    token_becomes(&site, &gateway, new, 200).await;
    // Which secret a request came with is on record, and the secret is not.
    for hash in [old_hash, new_hash.to_string()] {
        gateway.event(|event| event["decision"] == "permit" && event["secret_sha256"] == *hash);
    }
    let events = std::fs::read_to_string(site.path("events.jsonl")).unwrap();
    assert!(!events.contains(old.1) && !events.contains(new.1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_superseded_only_when_a_gateway_saw_its_successor() {
    let site = Site::new();
    let old = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    assert_eq!(status(&site, &gateway, DEVICES, Some(&old), &[]).await, 200);
    let renew = ["cert", "renew", DEVICE, "--out", "renewed"];
    drop(site.postern.run(&renew).expect_code(0));
    let new = Identity {
        certificate: site.path(&format!("renewed/{DEVICE}.crt")),
        key: site.path(&format!("renewed/{DEVICE}.key")),
    };
    // The events are where postern.toml says.
    let supersede = [
        "cert",
        "revoke",
        "--superseded",
        DEVICE,
        "--after",
        "0s",
        "-o",
        "json",
    ];
    let early = site.postern.run(&supersede).expect_code(10);
    assert!(
        early.stderr.contains("no event shows its successor"),
        "{}",
        early.stderr
    );
    assert_eq!(early.json()["items"], serde_json::json!([]));
    assert_eq!(status(&site, &gateway, DEVICES, Some(&old), &[]).await, 200);
    assert_eq!(status(&site, &gateway, DEVICES, Some(&new), &[]).await, 200);
    gateway.event(|event| event["decision"] == "permit" && event["fingerprint"] == *print(&site));
    let gone = site.postern.run(&supersede).expect_code(0).json();
    assert_eq!(gone["items"].as_array().unwrap().len(), 1, "{gone}");
    assert_eq!(gone["items"][0]["revocation_reason"], "superseded");
    let deadline = std::time::Instant::now() + PATIENCE;
    while status(&site, &gateway, DEVICES, Some(&old), &[]).await != 0 {
        assert!(
            std::time::Instant::now() < deadline,
            "the old one is still let in"
        );
    }
    assert_eq!(status(&site, &gateway, DEVICES, Some(&new), &[]).await, 200);
}

/// The fingerprint of the successor.
fn print(site: &Site) -> String {
    let shown = site.postern.run(&["cert", "show", DEVICE, "-o", "json"]);
    let shown = shown.expect_code(0).json();
    let items = shown["items"].as_array().unwrap();
    let successor = items.iter().find(|one| !one["predecessor"].is_null());
    successor.unwrap()["fingerprint"]
        .as_str()
        .unwrap()
        .to_owned()
}
