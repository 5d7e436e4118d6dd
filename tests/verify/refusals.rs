//! Targets that are not tested, and why.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use postern_tests::{Postern, free_port};

use crate::lab::Lab;

const HOW: [&str; 6] = [
    "--pki",
    "pki",
    "--crl-out",
    "pki/crl.pem",
    "--reload",
    "touch reloaded",
];

fn verify<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["gateway", "verify", url][..], &HOW, more].concat()
}

#[test]
fn a_target_elsewhere_is_typed_twice_or_left_alone() {
    let lab = Lab::new();
    let elsewhere = ["--connect-to", "192.0.2.1:443"];
    let output = lab
        .postern
        .run(&verify("https://gw.example.com/", &elsewhere))
        .expect_code(4);
    assert!(
        output.stderr.contains("--confirm gw.example.com:443"),
        "{}",
        output.stderr
    );
    let wrong = [&elsewhere[..], &["--confirm", "gw.example.org:443"]].concat();
    drop(
        lab.postern
            .run(&verify("https://gw.example.com/", &wrong))
            .expect_code(4),
    );
    assert!(!lab.postern.path("reloaded").exists());
}

#[test]
fn where_nothing_listens_nothing_is_revoked_and_the_exit_code_is_8() {
    let lab = Lab::new();
    let before = fs::read(lab.postern.path("pki/crl.pem")).unwrap();
    let url = format!("https://localhost:{}/", free_port());
    drop(lab.postern.run(&verify(&url, &[])).expect_code(8));
    assert_eq!(fs::read(lab.postern.path("pki/crl.pem")).unwrap(), before);
    assert!(!lab.postern.path("reloaded").exists());
}

#[test]
fn an_unknown_check_is_told_with_those_there_are() {
    let lab = Lab::new();
    let output = lab
        .postern
        .run(&verify("https://localhost:1/", &["--only", "R99"]))
        .expect_code(2);
    assert!(output.stderr.contains("R2-tls13"), "{}", output.stderr);
}

#[test]
fn a_proxy_that_lets_no_good_client_in_is_told_apart_from_one_that_fails() {
    let lab = Lab::new();
    let gateway = lab.gateway();
    let strangers = ["--common-name", "somebody-else"];
    let output = lab.verify(&gateway, &[&["--within", "1s"][..], &strangers].concat());
    let output = output.expect_code(1);
    assert!(
        output
            .stderr
            .contains("nothing is wrong with: refused: 403"),
        "{}",
        output.stderr
    );
    assert!(!lab.postern.path("report.json").exists());
}

#[test]
fn the_pki_is_made_once_with_keys_for_its_owner_alone() {
    let postern = Postern::new();
    let init = ["gateway", "verify", "--init-pki", "pki"];
    let output = postern.run(&init).expect_code(0);
    for key in ["root.key", "intermediate.key", "server.key"] {
        let mode = fs::metadata(postern.path("pki").join(key)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    for proxy in ["ssl_verify_client", "crl-file", "[gateway]"] {
        assert!(output.stdout.contains(proxy), "{}", output.stdout);
    }
    drop(postern.run(&init).expect_code(5));
    // What it prints is good as it stands.
    let (_, config) = output.stdout.split_once("\n[gateway]\n").unwrap();
    fs::write(postern.path("postern.toml"), format!("[gateway]\n{config}")).unwrap();
    drop(postern.run(&["gateway", "check"]).expect_code(0));
}
