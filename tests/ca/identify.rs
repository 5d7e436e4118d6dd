//! Whose is this? And what is not ours.

use std::fs;

use postern_tests::Postern;

use crate::support::{issue, openssl, openssl_csr, revoked, serial_of};

#[test]
fn what_is_not_ours_is_not_found() {
    let postern = Postern::with_ca();
    issue(&postern, "a", ".");
    openssl_csr(&postern, &["ed25519"], "/CN=a", "foreign.csr");
    let args = [
        "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=a",
    ];
    openssl(
        &postern,
        &[&args[..], &["-keyout", "f.key", "-out", "f.crt"]].concat(),
    )
    .expect_code(0);
    for which in [
        &["nobody"][..],
        &["--serial", "0123456789abcdef"],
        &["--cert", "f.crt"],
        &["--key", "foreign.csr.key"],
        &["--cert", "missing.crt"],
    ] {
        postern
            .run(&[&["cert", "revoke"], which].concat())
            .expect_code(3);
    }
    for file in ["f.crt", "f.key", "foreign.csr"] {
        postern.run(&["cert", "identify", file]).expect_code(3);
    }
    for wrong in [
        &[][..],
        &["a", "--serial", "01"],
        &["--serial", "xyz"],
        &["a", "--reason", "why"],
    ] {
        postern
            .run(&[&["cert", "revoke"], wrong].concat())
            .expect_code(2);
    }
    assert_eq!(revoked(&postern), Vec::<String>::new());
}

#[test]
fn identify_knows_a_certificate_a_key_and_a_request_and_says_how_to_revoke() {
    let postern = Postern::with_ca();
    postern
        .run(&["cert", "request", "a", "--out", "."])
        .expect_code(0);
    postern
        .run(&["cert", "sign", "a.csr", "--out", "a.crt"])
        .expect_code(0);
    let serial = serial_of(&postern, "a");
    for file in ["a.crt", "a.key", "a.csr"] {
        let told = postern
            .run(&["cert", "identify", file, "-o", "json"])
            .expect_code(0);
        assert_eq!(told.json()["items"][0]["serial"], serial.as_str(), "{file}");
        let how = format!("postern cert revoke --serial {serial} --reason key-compromise");
        assert!(told.stderr.contains(&how), "{}", told.stderr);
    }
    postern
        .run(&["cert", "revoke", "--serial", &serial])
        .expect_code(0);
    let told = postern.run(&["cert", "identify", "a.key"]).expect_code(0);
    assert!(
        told.stderr.contains("None of them is live"),
        "{}",
        told.stderr
    );
    fs::write(postern.path("noise"), "noise").expect("a file");
    postern.run(&["cert", "identify", "noise"]).expect_code(2);
    postern.run(&["cert", "identify", "missing"]).expect_code(3);
}

#[test]
fn a_token_that_does_not_exist_is_not_found_and_the_journal_does_not_speak_of_it() {
    let postern = Postern::with_ca();
    let before = crate::support::journal(&postern);
    for verb in ["disable", "enable"] {
        postern
            .run(&["token", verb, "no-such-token"])
            .expect_code(3);
        assert_eq!(crate::support::journal(&postern), before, "{verb}");
    }
}

#[test]
fn deleting_a_token_that_does_not_exist_is_not_found() {
    let postern = Postern::with_ca();
    let before = crate::support::journal(&postern);
    postern
        .run(&["token", "delete", "no-such-token"])
        .expect_code(3);
    assert_eq!(crate::support::journal(&postern), before);
}
