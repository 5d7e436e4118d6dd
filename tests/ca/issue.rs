//! `cert issue`: what it writes, and what it leaves alone.

use std::fs;
use std::os::unix::fs::symlink;

use postern_tests::{Postern, skip_without};

use crate::support::{certificates, in_shell, inject, mode, of_name, openssl, text};

#[test]
fn issuing_writes_a_private_key_and_a_chain_that_belong_together() {
    let postern = Postern::with_ca();
    let args = [
        "cert",
        "issue",
        "ci-runner-1",
        "--owner",
        "payments",
        "--out",
        "out",
    ];
    in_shell(&postern, "umask 000; exec \"$@\"", &args).expect_code(0);
    assert_eq!(mode(&postern.path("out/ci-runner-1.key")), 0o600);
    assert_eq!(mode(&postern.path("out/ci-runner-1.crt")) & 0o022, 0);
    let pem = fs::read_to_string(postern.path("out/ci-runner-1.crt")).expect("PEM");
    let intermediate = fs::read_to_string(postern.path("postern-home/intermediate.crt"));
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(
        pem.ends_with(&intermediate.expect("PEM")),
        "leaf, then intermediate"
    );
    let crt = "out/ci-runner-1.crt";
    let certified = openssl(&postern, &["x509", "-in", crt, "-noout", "-pubkey"]).expect_code(0);
    let key = openssl(&postern, &["pkey", "-in", "out/ci-runner-1.key", "-pubout"]).expect_code(0);
    assert_eq!(certified.stdout, key.stdout);
    let rows = certificates(&postern);
    let row = &of_name(&rows, "ci-runner-1")[0];
    assert_eq!(
        (text(row, "state"), text(row, "owner")),
        ("valid", "payments")
    );
    let serial = openssl(&postern, &["x509", "-in", crt, "-noout", "-serial"]).expect_code(0);
    let wanted = format!("serial={}\n", text(row, "serial").to_ascii_uppercase());
    assert_eq!(serial.stdout, wanted);
    assert_eq!(text(row, "serial").len(), 32, "16 octets");
}

#[test]
fn the_profile_writes_every_field() {
    let postern = Postern::with_ca();
    postern
        .run(&["cert", "issue", "a", "--profile", "high", "--out", "."])
        .expect_code(0);
    let text = openssl(&postern, &["x509", "-in", "a.crt", "-noout", "-text"])
        .expect_code(0)
        .stdout;
    for wanted in [
        "Issuer: O = Example Corp, CN = Example Corp Client CA\n",
        "Subject: CN = a\n",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "X509v3 Extended Key Usage: \n                TLS Web Client Authentication\n",
        "CA:FALSE\n",
        "X509v3 Subject Key Identifier",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains("CRL Distribution"), "{text}");
    let rows = certificates(&postern);
    let row = &of_name(&rows, "a")[0];
    let day = 86_400;
    let args = |seconds: i64| {
        let seconds = seconds.to_string();
        openssl(
            &postern,
            &["x509", "-in", "a.crt", "-noout", "-checkend", &seconds],
        )
        .code
    };
    assert_eq!(
        (args(90 * day - 60), args(90 * day + 60)),
        (Some(0), Some(1))
    );
    assert_eq!(
        text_minutes(row, "requested_at"),
        text_minutes(row, "not_after")
    );
}

/// The minutes and seconds of a time: lifetimes are whole days.
fn text_minutes(row: &serde_json::Value, field: &str) -> String {
    text(row, field)[13..].to_owned()
}

#[test]
fn files_and_links_that_exist_are_left_as_they_are_and_nothing_is_issued() {
    for extension in ["key", "crt"] {
        for kind in ["file", "link", "dangling"] {
            let postern = Postern::with_ca();
            let path = postern.path(&format!("a.{extension}"));
            fs::write(postern.path("target"), "precious").expect("a file");
            match kind {
                "file" => fs::write(&path, "precious").expect("a file"),
                "link" => symlink("target", &path).expect("a link"),
                _ => symlink("nowhere", &path).expect("a link"),
            }
            postern
                .run(&["cert", "issue", "a", "--out", "."])
                .expect_code(5);
            let other = if extension == "key" { "a.crt" } else { "a.key" };
            assert!(!postern.path(other).exists(), "{kind} {extension}");
            assert!(!postern.path("nowhere").exists());
            assert_eq!(
                fs::read_to_string(postern.path("target")).expect("text"),
                "precious"
            );
            assert_eq!(certificates(&postern).len(), 1, "only the publisher");
        }
    }
}

#[test]
fn signing_and_requesting_do_not_touch_files_that_exist() {
    let postern = Postern::with_ca();
    postern
        .run(&["cert", "request", "a", "--out", "."])
        .expect_code(0);
    let key = fs::read(postern.path("a.key")).expect("a key");
    postern
        .run(&["cert", "request", "a", "--out", "."])
        .expect_code(5);
    fs::remove_file(postern.path("a.csr")).expect("removed");
    postern
        .run(&["cert", "request", "a", "--out", "."])
        .expect_code(5);
    assert_eq!(fs::read(postern.path("a.key")).expect("a key"), key);
    assert!(
        !postern.path("a.csr").exists(),
        "key and request both or neither"
    );
    postern
        .run(&["cert", "request", "b", "--out", "."])
        .expect_code(0);
    symlink("nowhere", postern.path("b.crt")).expect("a link");
    postern
        .run(&["cert", "sign", "b.csr", "--out", "b.crt"])
        .expect_code(5);
    assert!(!postern.path("nowhere").exists());
    assert_eq!(certificates(&postern).len(), 1, "only the publisher");
}

#[test]
fn key_and_certificate_appear_both_or_neither() {
    if skip_without("strace") {
        return;
    }
    let postern = Postern::with_ca();
    for nth in ["1", "2"] {
        let issue = ["cert", "issue", "a", "--out", "out"];
        let output = inject(&postern, "renameat2:error=ENOSPC", nth, &issue).expect_code(1);
        assert!(output.stderr.contains("error:"), "{}", output.stderr);
        let left: Vec<_> = crate::support::tree(&postern.path("out"));
        assert_eq!(left, Vec::<std::path::PathBuf>::new(), "link {nth}");
    }
    let rows = certificates(&postern);
    let undelivered = of_name(&rows, "a");
    assert_eq!(
        undelivered.len(),
        1,
        "the second failure came after signing"
    );
    postern
        .run(&[
            "cert",
            "revoke",
            "--serial",
            text(&undelivered[0], "serial"),
        ])
        .expect_code(0);
}

#[test]
fn a_server_needs_a_name_to_check_and_is_never_accepted_as_a_client() {
    let postern = Postern::with_ca();
    let issue = ["cert", "issue", "gw", "--profile", "server", "--out", "."];
    let refused = postern.run(&issue).expect_code(2);
    assert!(refused.stderr.contains("--san"), "{}", refused.stderr);
    assert!(
        !postern.path("gw.key").exists(),
        "key and certificate both or neither"
    );
    let san = [
        "--san",
        "gw.example.com",
        "--san",
        "127.0.0.1",
        "--san",
        "::1",
    ];
    postern.run(&[&issue[..], &san].concat()).expect_code(0);
    let args = ["x509", "-in", "gw.crt", "-noout", "-text"];
    let shown = openssl(&postern, &args).expect_code(0).stdout;
    let names = "DNS:gw.example.com, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1\n";
    assert!(shown.contains(names), "{shown}");
    assert!(shown.contains("TLS Web Server Authentication\n"), "{shown}");
    assert!(shown.contains("CN = Example Corp Server CA\n"), "{shown}");
    let verify = [
        "cert",
        "verify",
        "--trust",
        "root/root.crt",
        "--chain",
        "gw.crt",
        "-o",
        "json",
    ];
    let verdict = postern.run(&verify).expect_code(1).json();
    assert_eq!(verdict["verdict"], "reject");
    assert!(verdict["reason"].is_string(), "{verdict}");
    for (purpose, code) in [("sslserver", 0), ("sslclient", 2)] {
        let args = [
            "verify",
            "-purpose",
            purpose,
            "-CAfile",
            "root/root.crt",
            "-untrusted",
        ];
        let args = [
            &args[..],
            &["postern-home/server-intermediate.crt", "gw.crt"],
        ]
        .concat();
        openssl(&postern, &args).expect_code(code);
    }
}

#[test]
fn a_client_chooses_no_alternative_names() {
    let postern = Postern::with_ca();
    let args = [
        "cert",
        "issue",
        "a",
        "--san",
        "gw.example.com",
        "--out",
        ".",
    ];
    postern.run(&args).expect_code(6);
    for bad in [
        "*.example.com",
        "gw.example.com:443",
        "a b",
        "http://x/",
        "",
    ] {
        let args = [
            "cert",
            "issue",
            "a",
            "--profile",
            "server",
            "--out",
            ".",
            "--san",
            bad,
        ];
        postern.run(&args).expect_code(2);
    }
    assert!(!postern.path("a.key").exists() && !postern.path("a.crt").exists());
}

#[test]
fn what_is_issued_is_accepted_by_the_handshake_check_under_its_own_root_only() {
    let postern = Postern::with_ca();
    postern
        .run(&["cert", "issue", "a", "--out", "."])
        .expect_code(0);
    let verify = |trust: &str| {
        postern.run(&[
            "cert", "verify", "--trust", trust, "--chain", "a.crt", "-o", "json",
        ])
    };
    let accepted = verify("root/root.crt").expect_code(0).json();
    assert_eq!(
        (&accepted["verdict"], &accepted["common_name"]),
        (&"accept".into(), &"a".into())
    );
    assert_eq!(accepted["schema"], "postern.verification/1");
    let other = [
        "ca",
        "init",
        "--name",
        "Other",
        "--root-dir",
        "other",
        "--no-passphrase",
    ];
    postern
        .run(&[&other[..], &["--home", "other-home"]].concat())
        .expect_code(0);
    let rejected = verify("other/root.crt").expect_code(1).json();
    assert_eq!(rejected["verdict"], "reject");
    verify("nowhere.crt").expect_code(2);
    fs::write(postern.path("garbage"), "no PEM").expect("a file");
    verify("garbage").expect_code(2);
}
