//! Encrypted issuing keys: what takes away needs no passphrase, what admits does.

use std::fs;

use postern_tests::{Output, Postern};

use crate::support::{CLIENT_CRL, certificates, crl, journal_revokes, serial_of};

/// A CA whose keys are encrypted, with one certificate.
fn locked() -> Postern {
    let postern = Postern::new();
    fs::write(postern.path("root.pass"), "of the root").expect("a file");
    fs::write(postern.path("issuing.pass"), "of the issuers").expect("a file");
    let init = ["ca", "init", "--name", "Example Corp", "--root-dir", "root"];
    let files = [
        "--root-passphrase-file",
        "root.pass",
        "--passphrase-file",
        "issuing.pass",
    ];
    postern.run(&[&init[..], &files].concat()).expect_code(0);
    let issue = [
        "cert",
        "issue",
        "a",
        "--out",
        ".",
        "--passphrase-file",
        "issuing.pass",
    ];
    postern.run(&issue).expect_code(0);
    postern
}

#[test]
fn an_emergency_revocation_needs_no_passphrase_and_says_that_the_crl_waits() {
    let postern = locked();
    let serial = serial_of(&postern, "a");
    let told = postern
        .run(&["cert", "revoke", "a", "--reason", "key-compromise"])
        .expect_code(0);
    assert!(
        told.stderr.contains("The CRL does not list it yet"),
        "{}",
        told.stderr
    );
    assert!(journal_revokes(&postern, &serial));
    assert_eq!(crl(&postern, CLIENT_CRL), (1, Vec::new()));
    postern.run(&["ca", "crl", "publish"]).expect_code(2);
    let publish = ["ca", "crl", "publish", "--passphrase-file"];
    postern
        .run(&[&publish[..], &["root.pass"]].concat())
        .expect_code(4);
    postern
        .run(&[&publish[..], &["issuing.pass"]].concat())
        .expect_code(0);
    assert_eq!(crl(&postern, CLIENT_CRL), (2, vec![serial]));
}

#[test]
fn what_admits_needs_the_passphrase_and_what_takes_away_does_not() {
    let postern = locked();
    let create = ["token", "create", "ci-deploy-test", "--out", "token"];
    postern.run(&create).expect_code(2);
    assert!(!postern.path("token").exists());
    postern
        .run(&[&create[..], &["--passphrase-file", "issuing.pass"]].concat())
        .expect_code(0);
    postern
        .run(&["token", "disable", "ci-deploy-test"])
        .expect_code(0);
    postern
        .run(&["token", "enable", "ci-deploy-test"])
        .expect_code(2);
    let mut enable = postern.command(&["token", "enable", "ci-deploy-test"]);
    Output::of(enable.env("POSTERN_PASSPHRASE_FILE", "issuing.pass")).expect_code(0);
    fs::create_dir(postern.path("creds")).expect("a folder");
    fs::copy(
        postern.path("issuing.pass"),
        postern.path("creds/postern-ca"),
    )
    .expect("a copy");
    let mut publish = postern.command(&["ca", "crl", "publish"]);
    Output::of(publish.env("CREDENTIALS_DIRECTORY", "creds")).expect_code(0);
    postern
        .run(&["token", "delete", "ci-deploy-test"])
        .expect_code(0);
    crate::support::assert_journal_is_intact(&postern);
}

#[test]
fn a_wrong_passphrase_beside_a_revocation_does_not_undo_it() {
    let postern = locked();
    let serial = serial_of(&postern, "a");
    let revoke = ["cert", "revoke", "a", "--passphrase-file", "root.pass"];
    let told = postern.run(&revoke);
    assert_ne!(
        told.code,
        Some(0),
        "the CRL could not be published: {}",
        told.stderr
    );
    assert!(told.stdout.contains(&serial), "{}", told.stdout);
    assert!(journal_revokes(&postern, &serial));
}

#[test]
fn a_revocation_whose_crl_could_not_be_published_is_partly_done() {
    let postern = locked();
    let revoke = ["cert", "revoke", "a", "--passphrase-file", "missing"];
    let told = postern.run(&revoke).expect_code(7);
    assert!(
        told.stderr.contains("The CRL does not list it yet"),
        "{}",
        told.stderr
    );
    assert!(journal_revokes(&postern, &serial_of(&postern, "a")));
}

#[test]
fn a_wrong_passphrase_is_denied_and_issues_nothing() {
    let postern = locked();
    let issue = [
        "cert",
        "issue",
        "b",
        "--out",
        ".",
        "--passphrase-file",
        "root.pass",
    ];
    postern.run(&issue).expect_code(4);
    assert!(!postern.path("b.key").exists() && !postern.path("b.crt").exists());
    assert_eq!(certificates(&postern).len(), 2);
}
