//! Whose keys seal tickets: this gateway's, those of several, or nobody's.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_tests::{DEVICE, DEVICES, Site, TestGateway};

use crate::s_client::{OpenSsl, VERSIONS, file};

/// Another gateway of the same site: its own state, the same events.
fn another(site: &Site, name: &str, change: impl Fn(String) -> String) -> TestGateway {
    let config = fs::read_to_string(site.path("postern.toml")).unwrap();
    let config = change(config.replace("gateway-state", name));
    let file = format!("{name}.toml");
    fs::write(site.path(&file), config).unwrap();
    let run = ["gateway", "run", "--config", &file];
    TestGateway::spawn(site, site.postern.command(&run))
}

fn write_keys(site: &Site, keys: &[[u8; 32]]) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = site.path("tickets.key");
    let lines = keys.iter().map(|key| STANDARD.encode(key) + "\n");
    fs::write(&path, lines.collect::<String>()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn gateways_that_share_keys_resume_each_others_sessions_and_refuse_alike() {
    let site = Site::with("ticket_keys = \"tickets.key\"");
    write_keys(&site, &[[1; 32]]);
    let (device, victim) = (site.client(DEVICE), site.client("device-9.factory.corp"));
    let one = TestGateway::run(&site);
    let other = another(&site, "other", |config| config);
    let keys = "ticket_keys = \"tickets.key\"";
    let alone = another(&site, "alone", |config| config.replace(keys, ""));
    for version in VERSIONS {
        let (openssl, session) = (OpenSsl::new(&site, version), file(version));
        openssl
            .first(&one, DEVICES, Some(&device), &session)
            .expect_full();
        openssl
            .again(&other, DEVICES, None, &session)
            .expect_resumed();
        openssl
            .again(&alone, DEVICES, Some(&device), &session)
            .expect_full();
        let victims = format!("victim{version}");
        openssl
            .first(&one, DEVICES, Some(&victim), &victims)
            .expect_full();
    }
    site.revoke("device-9.factory.corp");
    // Each of the three writes an event to the same file.
    let revocations = || {
        let events = one.events().into_iter();
        events
            .filter(|event| event["event"] == "revocation")
            .count()
    };
    one.event(|_| revocations() == 3);
    for version in VERSIONS {
        let openssl = OpenSsl::new(&site, version);
        let again = openssl.again(&other, DEVICES, Some(&victim), &format!("victim{version}"));
        again.expect_alert("certificate revoked");
    }
}

#[test]
fn keys_in_a_file_are_rotated_by_a_reload() {
    let site = Site::with("ticket_keys = \"tickets.key\"");
    write_keys(&site, &[[1; 32]]);
    let (device, gateway) = (site.client(DEVICE), TestGateway::run(&site));
    let (version, session) = ("-tls1_3", "session.pem");
    let openssl = OpenSsl::new(&site, version);
    let client = Some(&device);
    openssl
        .first(&gateway, DEVICES, client, session)
        .expect_full();
    write_keys(&site, &[[2; 32], [1; 32]]);
    site.postern.run(&["gateway", "reload"]).expect_code(0);
    openssl
        .again(&gateway, DEVICES, None, session)
        .expect_resumed();
    write_keys(&site, &[[2; 32]]);
    site.postern.run(&["gateway", "reload"]).expect_code(0);
    openssl
        .again(&gateway, DEVICES, client, session)
        .expect_full();
    let next = "session.pem.next";
    openssl
        .again(&gateway, DEVICES, None, next)
        .expect_resumed();
}

#[test]
fn it_can_be_switched_off() {
    let site = Site::with("resumption = false");
    let (device, gateway) = (site.client(DEVICE), TestGateway::run(&site));
    for version in VERSIONS {
        let (openssl, session) = (OpenSsl::new(&site, version), file(version));
        openssl
            .first(&gateway, DEVICES, Some(&device), &session)
            .expect_full();
        // There is a session where the protocol ends a handshake with one, and no ticket in it.
        let text = fs::read(site.path(&session)).map(|_| {
            site.postern
                .tool("openssl", &["sess_id", "-in", &session, "-noout", "-text"])
                .stdout
        });
        assert!(!text.unwrap_or_default().contains("TLS session ticket:"));
    }
}
