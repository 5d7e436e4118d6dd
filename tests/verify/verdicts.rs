//! The suite's verdicts about proxies whose behaviour is known.

use std::fs;

use postern_tests::{Output, skip_without};

use crate::lab::Lab;

/// What is known of a check.
type Known<'a> = [(&'a str, &'a str)];

fn only<'a>(known: &Known<'a>) -> Vec<&'a str> {
    known
        .iter()
        .flat_map(|(check, _)| ["--only", check])
        .collect()
}

fn assert_verdicts(lab: &Lab, output: &Output, known: &Known<'_>) {
    let known: Vec<_> = known
        .iter()
        .map(|(check, verdict)| ((*check).to_owned(), (*verdict).to_owned()))
        .collect();
    assert_eq!(
        lab.verdicts(),
        known,
        "{}\n{}",
        output.stdout,
        output.stderr
    );
}

#[test]
fn the_gateway_fails_no_check_and_passes_whatever_can_be_run() {
    let lab = Lab::new();
    let gateway = lab.gateway();
    let output = lab
        .verify(&gateway, &["--within", "40s", "--floods"])
        .expect_code(0);
    let rest: Vec<_> = lab
        .verdicts()
        .into_iter()
        .filter(|(_, verdict)| verdict != "pass")
        .collect();
    let expected = [("R12", "not_run"), ("R13", "not_run"), ("R14", "not_run")];
    let expected = expected.map(|(check, verdict)| (check.to_owned(), verdict.to_owned()));
    assert_eq!(rest, expected, "{}", output.stdout);
}

#[test]
fn nginx_lets_resumed_sessions_and_open_streams_of_revoked_clients_go_on() {
    if skip_without("nginx") {
        return;
    }
    let known = [
        ("R1", "pass"),
        ("R2-tls13", "fail"),
        ("R2-tls12", "fail"),
        ("R4-running", "fail"),
        ("R5-response", "fail"),
        ("R5-upload", "fail"),
        ("R5-websocket", "fail"),
        ("R6-held", "fail"),
        ("R7", "fail"),
        ("R7-resumed", "fail"),
        ("R8", "pass"),
        ("R9", "pass"),
        ("R10", "pass"),
        ("R11", "pass"),
        ("V1-tls13", "pass"),
        ("V10", "pass"),
        ("V20", "pass"),
        ("V22", "pass"),
        ("C1", "pass"),
        ("C7", "fail"),
    ];
    let lab = Lab::new();
    let nginx = lab.nginx("ssl_crl pki/crl.pem; ssl_verify_client on;");
    let mut more = vec!["--within", "2s", "--identity-header", "x-ssl-client-s-dn"];
    more.extend(only(&known));
    let output = lab.verify(&nginx, &more).expect_code(6);
    assert_verdicts(&lab, &output, &known);
    let markdown = fs::read_to_string(lab.postern.path("report.md")).unwrap();
    for (check, verdict) in known {
        let word = if verdict == "fail" {
            "**FAIL**"
        } else {
            "pass"
        };
        let row = markdown
            .lines()
            .find(|line| line.starts_with(&format!("| {check} |")));
        assert!(row.is_some_and(|row| row.contains(word)), "{markdown}");
    }
}

#[test]
fn haproxy_lets_whatever_is_open_of_revoked_clients_go_on() {
    if skip_without("haproxy") || skip_without("python3") {
        return;
    }
    let known = [
        ("R1", "pass"),
        ("R2-tls13", "fail"),
        ("R2-tls12", "fail"),
        ("R3", "fail"),
        ("R4-new", "fail"),
        ("R5-response", "fail"),
        ("R7", "fail"),
        ("R8", "pass"),
        ("R9", "pass"),
        ("R10", "pass"),
        ("C1", "pass"),
    ];
    let lab = Lab::new();
    let haproxy = lab.haproxy("verify required");
    let mut more = vec!["--within", "2s"];
    more.extend(only(&known));
    let output = lab.verify(&haproxy, &more).expect_code(6);
    assert_verdicts(&lab, &output, &known);
}

#[test]
fn a_proxy_that_reads_no_crl_fails_the_first_check_and_the_others_are_not_run() {
    if skip_without("nginx") {
        return;
    }
    let known = [
        ("R1", "fail"),
        ("R3", "not_run"),
        ("R6-storm", "not_run"),
        ("R10", "not_run"),
        ("R11", "fail"),
    ];
    let lab = Lab::new();
    let nginx = lab
        .nginx("ssl_crl pki/crl.pem; ssl_verify_client on;")
        .never_reloaded();
    let mut more = vec!["--within", "1s"];
    more.extend(only(&known));
    let output = lab.verify(&nginx, &more).expect_code(6);
    assert_verdicts(&lab, &output, &known);
}

#[test]
fn a_proxy_that_does_not_look_at_certificates_lets_every_stranger_in() {
    if skip_without("haproxy") || skip_without("python3") {
        return;
    }
    let known = [
        ("V7", "fail"),
        ("V10", "fail"),
        ("V17", "fail"),
        ("V20", "fail"),
        ("V21", "fail"),
        ("V28", "fail"),
        ("C1", "fail"),
        ("C2", "fail"),
        ("C3", "fail"),
        ("C4", "fail"),
        ("C5", "fail"),
        ("C6", "fail"),
        ("C7", "fail"),
        // OpenSSL lets nobody ignore the first of these; and the key is proven all the same.
        ("C8", "pass"),
        ("C9", "pass"),
        ("C11", "fail"),
    ];
    let lab = Lab::new();
    let haproxy = lab.haproxy("verify optional crt-ignore-err all ca-ignore-err all");
    let output = lab.verify(&haproxy, &only(&known)).expect_code(6);
    assert_verdicts(&lab, &output, &known);
}
