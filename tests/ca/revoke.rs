//! `cert revoke` and `ca crl publish`.

use std::fs;

use postern_tests::Postern;

use crate::support::{
    CLIENT_CRL, certificates, crl, issue, journal_revokes, of_name, openssl, revoked, serial_of,
    text,
};

#[test]
fn a_name_means_every_live_certificate_of_exactly_that_name() {
    let postern = Postern::with_ca();
    issue(&postern, "ci", "1");
    issue(&postern, "ci", "2");
    issue(&postern, "ci-2", "3");
    let args = [
        "cert",
        "revoke",
        "ci",
        "--reason",
        "key-compromise",
        "-o",
        "json",
    ];
    let told = postern.run(&args).expect_code(0).json();
    assert_eq!(told["items"].as_array().map(Vec::len), Some(2));
    let rows = certificates(&postern);
    for row in of_name(&rows, "ci") {
        assert_eq!(
            (text(&row, "state"), text(&row, "revocation_reason")),
            ("revoked", "key-compromise")
        );
        assert!(row["revoked_at"].is_string() && row["revoked_by"].is_string());
        assert!(journal_revokes(&postern, text(&row, "serial")));
    }
    assert_eq!(text(&of_name(&rows, "ci-2")[0], "state"), "valid");
    for other in ["CI", "ci%", "c*", "ci "] {
        postern.run(&["cert", "revoke", other]).expect_code(3);
    }
}

#[test]
fn serial_certificate_and_key_each_mean_one() {
    let postern = Postern::with_ca();
    for name in ["by-serial", "by-cert", "by-key", "other"] {
        issue(&postern, name, ".");
    }
    let serial = serial_of(&postern, "by-serial");
    fs::set_permissions(
        postern.path("by-key.key"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .expect("a leaked file has any mode");
    for args in [
        ["cert", "revoke", "--serial", &serial],
        ["cert", "revoke", "--cert", "by-cert.crt"],
        ["cert", "revoke", "--key", "by-key.key"],
    ] {
        let before = revoked(&postern).len();
        postern.run(&args).expect_code(0);
        assert_eq!(revoked(&postern).len(), before + 1, "{args:?}");
    }
    let rows = certificates(&postern);
    assert_eq!(text(&of_name(&rows, "other")[0], "state"), "valid");
    let upper = serial.to_ascii_uppercase();
    postern
        .run(&["cert", "revoke", "--serial", &upper])
        .expect_code(0);
}

#[test]
fn revoking_again_changes_nothing_and_is_no_error() {
    let postern = Postern::with_ca();
    issue(&postern, "a", ".");
    postern
        .run(&[
            "cert",
            "revoke",
            "a",
            "--reason",
            "superseded",
            "--note",
            "first",
        ])
        .expect_code(0);
    let (before, entries) = (
        certificates(&postern),
        crate::support::entries(&postern).len(),
    );
    let again = [
        "cert",
        "revoke",
        "a",
        "--reason",
        "key-compromise",
        "--note",
        "second",
    ];
    let told = postern.run(&again).expect_code(0);
    assert!(
        told.stderr.contains("is revoked already"),
        "{}",
        told.stderr
    );
    assert_eq!(certificates(&postern), before);
    assert_eq!(crate::support::entries(&postern).len(), entries);
}

#[test]
fn a_dry_run_shows_what_would_be_revoked_and_changes_nothing() {
    let postern = Postern::with_ca();
    issue(&postern, "a", ".");
    let journal = crate::support::journal(&postern);
    let told = postern
        .run(&["cert", "revoke", "a", "--dry-run", "-o", "json"])
        .expect_code(0);
    assert_eq!(told.json()["items"][0]["common_name"], "a");
    assert_eq!(revoked(&postern), Vec::<String>::new());
    assert_eq!(crate::support::journal(&postern), journal);
    assert_eq!(crl(&postern, CLIENT_CRL).0, 1);
}

/// A CA with a good and a revoked certificate, and its CRLs in `www`.
fn published() -> (Postern, String) {
    let postern = Postern::with_ca();
    issue(&postern, "good", ".");
    issue(&postern, "bad", ".");
    let revoke = ["cert", "revoke", "bad", "--reason", "key-compromise"];
    postern.run(&revoke).expect_code(0);
    let serial = serial_of(&postern, "bad");
    assert_eq!(crl(&postern, CLIENT_CRL), (2, vec![serial.clone()]));
    fs::create_dir(postern.path("www")).expect("a folder");
    let publish = ["ca", "crl", "publish", "--out", "www", "-o", "json"];
    let told = postern.run(&publish).expect_code(0).json();
    assert_eq!(told["schema"], "postern.crls/1");
    assert_eq!(told["items"][0]["number"], 3);
    (postern, serial)
}

#[test]
fn openssl_reads_the_crls_and_sees_their_number_rise() {
    let (postern, serial) = published();
    for name in [
        CLIENT_CRL,
        "www/intermediate.crl",
        "www/intermediate.crl.pem",
    ] {
        assert_eq!(crl(&postern, name), (3, vec![serial.clone()]), "{name}");
    }
    let show = ["crl", "-in", "www/intermediate.crl.pem", "-noout", "-text"];
    let show = [&show[..], &["-CAfile", "postern-home/intermediate.crt"]].concat();
    let shown = openssl(&postern, &show).expect_code(0);
    assert!(shown.stdout.contains("Key Compromise"), "{}", shown.stdout);
    assert!(shown.stderr.contains("verify OK"), "{}", shown.stderr);
}

#[test]
fn openssl_and_cert_verify_agree_on_who_is_revoked() {
    let (postern, _) = published();
    let (root, intermediate) = ("root/root.crt", "postern-home/intermediate.crt");
    let root_crl = "postern-home/public/crl/root.crl.pem";
    let client_crl = "www/intermediate.crl.pem";
    for (file, good) in [("good.crt", true), ("bad.crt", false)] {
        let verify = [
            "verify",
            "-crl_check_all",
            "-CAfile",
            root,
            "-untrusted",
            intermediate,
        ];
        let crls = ["-CRLfile", client_crl, "-CRLfile", root_crl, file];
        let code = if good { 0 } else { 2 };
        openssl(&postern, &[&verify[..], &crls].concat()).expect_code(code);
        let verify = [
            "cert", "verify", "--trust", root, "--chain", file, "-o", "json",
        ];
        let crls = ["--crl", CLIENT_CRL, "--crl", root_crl];
        let verdict = postern.run(&[&verify[..], &crls].concat());
        let verdict = verdict.expect_code(i32::from(!good)).json();
        assert_eq!(verdict["reason"] == "revoked", !good, "{verdict}");
    }
}

#[test]
fn verification_with_crls_that_do_not_cover_the_chain_rejects() {
    let postern = Postern::with_ca();
    issue(&postern, "a", ".");
    let verify = [
        "cert",
        "verify",
        "--trust",
        "root/root.crt",
        "--chain",
        "a.crt",
        "-o",
        "json",
    ];
    let verdict = postern
        .run(&[&verify[..], &["--crl", CLIENT_CRL]].concat())
        .expect_code(1)
        .json();
    assert!(verdict["reason"].is_string(), "{verdict}");
    fs::write(postern.path("garbage"), "no CRL").expect("a file");
    postern
        .run(&[&verify[..], &["--crl", "garbage"]].concat())
        .expect_code(2);
}
