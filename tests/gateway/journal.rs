//! Whoever can write to `public/` can make the gateway refuse, never admit, and never forget.

use std::fs;
use std::path::PathBuf;

use postern_tests::{
    Client, DEVICE, DEVICES, MIXED, PATIENCE, Protocol, Sha256, Site, TestGateway, skip_without,
    tls, verdict,
};
use rustls::version::TLS13;

fn copy_public(site: &Site, to: &str) {
    let copied = site.postern.tool("cp", &["-a", "postern-home/public", to]);
    drop(copied.expect_code(0));
}

/// Puts the copy in the place of what is published now.
fn put_back(site: &Site, from: &str) {
    let script = format!("rm -r postern-home/public && cp -a {from} postern-home/public");
    drop(site.shell(&script).expect_code(0));
}

fn journal(site: &Site) -> PathBuf {
    let folder = site.path("postern-home/public/journal");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.pop().unwrap()
}

pub(crate) async fn handshake(
    site: &Site,
    gateway: &TestGateway,
    name: &str,
) -> Result<(), String> {
    let identity = postern_tests::Identity {
        certificate: site.path(&format!("clients/{name}.crt")),
        key: site.path(&format!("clients/{name}.key")),
    };
    verdict(
        gateway,
        tls(site, Some(&identity), b"http/1.1", &[&TLS13]),
        DEVICES,
    )
    .await
}

pub(crate) async fn becomes_revoked(site: &Site, gateway: &TestGateway, name: &str) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while handshake(site, gateway, name).await != Err("CertificateRevoked".to_owned()) {
        assert!(
            std::time::Instant::now() < deadline,
            "{name} is never refused"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_journal_put_back_is_refused_at_the_start_and_raises_an_alarm_while_running() {
    let site = Site::new();
    site.client(DEVICE);
    site.client("device-2.factory.corp");
    let gateway = TestGateway::run(&site);
    copy_public(&site, "old");
    assert_eq!(handshake(&site, &gateway, DEVICE).await, Ok(()));
    site.revoke(DEVICE);
    becomes_revoked(&site, &gateway, DEVICE).await;

    put_back(&site, "old");
    let alarm = gateway.event(|event| event["event"] == "source_alarm");
    assert!(
        alarm["source"]
            .as_str()
            .unwrap()
            .ends_with("postern-home/public"),
        "{alarm}"
    );
    for _ in 0..3 {
        assert_eq!(
            handshake(&site, &gateway, DEVICE).await,
            Err("CertificateRevoked".to_owned())
        );
        assert_eq!(
            handshake(&site, &gateway, "device-2.factory.corp").await,
            Ok(())
        );
    }
    gateway.stop();

    for command in [["gateway", "run"], ["gateway", "check"]] {
        let refused = site.postern.run(&command).expect_code(9);
        let says_so = refused.stderr.contains("before") || refused.stderr.contains("older");
        assert!(says_so, "{command:?}: {}", refused.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_crl_put_back_beside_the_right_journal_is_refused_too() {
    let site = Site::new();
    site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    copy_public(&site, "old");
    site.revoke(DEVICE);
    becomes_revoked(&site, &gateway, DEVICE).await;
    // What was seen is kept at the next look.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let script = "cp old/crl/* postern-home/public/crl/";
    drop(site.shell(script).expect_code(0));
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(
        handshake(&site, &gateway, DEVICE).await,
        Err("CertificateRevoked".to_owned())
    );
    gateway.stop();
    drop(site.postern.run(&["gateway", "run"]).expect_code(9));
}

/// A line with the next number and the right chain, signed with `key`, in the name of `signer`.
const FORGE: &str = r#"
last=$(tail -n 1 "$JOURNAL" | cut -d' ' -f4-)
seq=$(printf '%s' "$last" | sed 's/{"seq":\([0-9]*\),.*/\1/')
previous=$(printf '%s' "$last" | openssl dgst -sha256 -r | cut -d' ' -f1)
body="{\"seq\":$((seq + 1)),\"previous\":\"$previous\",\"time\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\",$WHAT}"
signer=$(openssl x509 -in "$SIGNER" -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1)
signature=$(printf 'postern journal v1\n%s' "$body" | openssl dgst -sha256 -sign "$KEY" | base64 -w0)
printf 'v1 %s %s %s\n' "$signer" "$signature" "$body" >> "$JOURNAL"
"#;

const ADDED: &str = r#""kind":"token_added","data":{"name":"ci-deploy-prod","client_id":"evil.access","secrets":["$DIGEST"],"expires_at":4000000000,"enabled":true}"#;

fn added() -> String {
    let mut digest = Sha256::new();
    digest.update(b"evil");
    ADDED.replace("$DIGEST", &digest.finish())
}

fn forge(site: &Site, signer: &str, key: &str, what: &str) {
    let setting = format!(
        "JOURNAL='{}'; SIGNER='{signer}'; KEY='{key}'; WHAT='{what}'",
        journal(site).display()
    );
    let script = format!("set -e; {setting}; {FORGE}");
    drop(site.shell(&script).expect_code(0));
}

/// What the forged token would be good for.
async fn token_status(site: &Site, gateway: &TestGateway) -> u16 {
    let client = Client::connect(site, gateway, MIXED, None, Protocol::Http1).await;
    let headers = [
        ("CF-Access-Client-Id", "evil.access"),
        ("CF-Access-Client-Secret", "evil"),
    ];
    client
        .unwrap()
        .get_with("/", &headers)
        .await
        .unwrap()
        .status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_line_changes_nothing_whoever_signed_it() {
    if skip_without("openssl") {
        return;
    }
    let added = added();
    let publisher = "postern-home/public/publishers.pem";
    let stranger =
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=evil -days 9";
    for (signer, key) in [
        // Signed by nobody we know, in their own name and in the publisher's.
        ("evil.crt", "evil.key"),
        (publisher, "evil.key"),
        // The publisher's key is stolen: it can refuse, it cannot admit.
        (publisher, "postern-home/publisher.key"),
    ] {
        let site = Site::new();
        let made = format!("openssl {stranger} -keyout evil.key -out evil.crt 2>/dev/null");
        drop(site.shell(&made).expect_code(0));
        site.client(DEVICE);
        let gateway = TestGateway::run(&site);
        assert_eq!(token_status(&site, &gateway).await, 401);
        forge(&site, signer, key, &added);
        gateway.event(|event| event["event"] == "source_alarm");
        assert_eq!(
            token_status(&site, &gateway).await,
            401,
            "{key} as {signer}"
        );
        assert_eq!(handshake(&site, &gateway, DEVICE).await, Ok(()));
        drop(site.postern.run(&["gateway", "check"]).expect_code(9));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_line_does_not_keep_the_ca_from_revoking() {
    if skip_without("openssl") {
        return;
    }
    let site = Site::new();
    let made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=evil \
                -keyout evil.key -out evil.crt 2>/dev/null";
    drop(site.shell(made).expect_code(0));
    site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    forge(&site, "evil.crt", "evil.key", &added());
    gateway.event(|event| event["event"] == "source_alarm");
    site.revoke(DEVICE);
    becomes_revoked(&site, &gateway, DEVICE).await;
}

/// Waits until there are so many events of this kind.
fn becomes_told(gateway: &TestGateway, kind: &str, count: usize) {
    let deadline = std::time::Instant::now() + PATIENCE;
    let told = || {
        let events = gateway.events().into_iter();
        events.filter(|event| event["event"] == kind).count()
    };
    while told() < count {
        assert!(std::time::Instant::now() < deadline, "{count} {kind}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_none_is_removed_by_the_next_revocation_and_the_gateway_follows_on() {
    let site = Site::new();
    site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    // Half a line may be one that is being written, and is no alarm.
    for (number, (line, alarms)) in [
        ("half a line", 0),
        ("v1 00 AA== {}\n", 1),
        ("nonsense\n", 2),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("device-{}.factory.corp", number + 10);
        site.client(&name);
        let path = journal(&site);
        fs::write(&path, fs::read_to_string(&path).unwrap() + line).unwrap();
        // An alarm is told within a second: the line stays until it was.
        becomes_told(&gateway, "source_alarm", alarms);
        site.revoke(&name);
        becomes_revoked(&site, &gateway, &name).await;
        becomes_told(&gateway, "source_recovered", alarms);
    }
    assert_eq!(handshake(&site, &gateway, DEVICE).await, Ok(()));
    // And after a restart it would follow as well.
    drop(site.postern.run(&["gateway", "check"]).expect_code(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_signed_by_the_issuer_by_hand_is_taken_so_the_forgeries_fail_for_their_signer() {
    if skip_without("openssl") {
        return;
    }
    let site = Site::new();
    let gateway = TestGateway::run(&site);
    let key = "postern-home/intermediate.key";
    forge(&site, "postern-home/intermediate.crt", key, &added());
    let deadline = std::time::Instant::now() + PATIENCE;
    while token_status(&site, &gateway).await != 200 {
        assert!(
            std::time::Instant::now() < deadline,
            "{:#?}",
            gateway.events()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_or_cut_short_journal_is_refused_at_the_start() {
    let site = Site::new();
    site.client(DEVICE);
    site.revoke(DEVICE);
    let good = fs::read(journal(&site)).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let without_revocation: String = text
        .lines()
        .filter(|line| !line.contains("\"revoked\""))
        .map(|line| format!("{line}\n"))
        .collect();
    for bad in [
        text.replace(DEVICE, "device-9.factory.corp"),
        without_revocation,
        String::new(),
    ] {
        fs::write(journal(&site), bad).unwrap();
        drop(site.postern.run(&["gateway", "run"]).expect_code(9));
    }
    fs::write(journal(&site), good).unwrap();
    let gateway = TestGateway::run(&site);
    assert_eq!(
        handshake(&site, &gateway, DEVICE).await,
        Err("CertificateRevoked".to_owned())
    );
}
