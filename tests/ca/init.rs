//! `ca init`: what it makes.

use std::fs;

use postern_tests::Postern;

use crate::support::{assert_keys_are_private, in_shell, mode, openssl, tree};

pub(crate) const INIT: [&str; 7] = [
    "ca",
    "init",
    "--name",
    "Example Corp",
    "--root-dir",
    "root",
    "--no-passphrase",
];
pub(crate) const WITH_PASSPHRASES: [&str; 10] = [
    "ca",
    "init",
    "--name",
    "Example Corp",
    "--root-dir",
    "root",
    "--root-passphrase-file",
    "root.pass",
    "--passphrase-file",
    "issuing.pass",
];

fn text_of(postern: &Postern, file: &str) -> String {
    openssl(postern, &["x509", "-in", file, "-noout", "-text"])
        .expect_code(0)
        .stdout
}

pub(crate) fn with_passphrases(root: &str, issuing: &str) -> Postern {
    let postern = Postern::new();
    fs::write(postern.path("root.pass"), root).expect("a file");
    fs::write(postern.path("issuing.pass"), issuing).expect("a file");
    postern
}

#[test]
fn init_makes_private_keys_readable_by_their_owner_alone_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let postern = Postern::new();
        in_shell(&postern, &format!("umask {umask}; exec \"$@\""), &INIT).expect_code(0);
        assert_keys_are_private(postern.folder());
        for key in [
            "root/root.key",
            "postern-home/intermediate.key",
            "postern-home/postern.db",
        ] {
            assert_eq!(mode(&postern.path(key)), 0o600, "{key} with umask {umask}");
        }
    }
}

#[test]
fn nobody_else_may_write_what_init_made_whatever_the_umask() {
    let postern = Postern::new();
    in_shell(&postern, "umask 000; exec \"$@\"", &INIT).expect_code(0);
    let loose = tree(postern.folder())
        .into_iter()
        .filter(|path| mode(path) & 0o022 != 0);
    let loose: Vec<_> = loose
        .map(|path| format!("{} {:o}", path.display(), mode(&path)))
        .collect();
    assert_eq!(loose, Vec::<String>::new());
}

#[test]
fn everybody_may_read_what_is_published_whatever_the_umask() {
    let postern = Postern::new();
    in_shell(&postern, "umask 077; exec \"$@\"", &INIT).expect_code(0);
    for path in tree(&postern.path("postern-home/public")) {
        let wanted = if path.is_dir() { 0o055 } else { 0o044 };
        assert_eq!(mode(&path) & wanted, wanted, "{}", path.display());
    }
}

#[test]
fn the_roots_key_is_in_its_folder_and_nowhere_else() {
    let postern = Postern::with_ca();
    let key = fs::read(postern.path("root/root.key")).expect("the root's key");
    let copies = tree(&postern.path("postern-home")).into_iter();
    let copies = copies.filter(|path| fs::read(path).is_ok_and(|content| content == key));
    assert_eq!(copies.count(), 0);
    assert!(!postern.path("postern-home/root.key").exists());
}

#[test]
fn openssl_verifies_the_intermediates_and_reads_the_fields_that_were_promised() {
    let postern = Postern::with_ca();
    for file in [
        "postern-home/intermediate.crt",
        "postern-home/server-intermediate.crt",
    ] {
        openssl(
            &postern,
            &["verify", "-x509_strict", "-CAfile", "root/root.crt", file],
        )
        .expect_code(0);
        let text = text_of(&postern, file);
        assert!(text.contains("CA:TRUE, pathlen:0"), "{text}");
        assert!(
            text.contains(
                "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n"
            )
        );
        assert!(text.contains("X509v3 Basic Constraints: critical"));
        assert!(text.contains("X509v3 Authority Key Identifier"));
        assert!(text.contains("X509v3 Subject Key Identifier"));
        assert!(text.contains("ASN1 OID: prime256v1"));
    }
    let client = text_of(&postern, "postern-home/intermediate.crt");
    assert!(!client.contains("Extended Key Usage"), "{client}");
    let server = text_of(&postern, "postern-home/server-intermediate.crt");
    assert!(server.contains("TLS Web Server Authentication"), "{server}");
    let root = text_of(&postern, "root/root.crt");
    assert!(
        root.contains("CA:TRUE") && !root.contains("pathlen"),
        "{root}"
    );
    assert!(root.contains("Certificate Sign, CRL Sign\n"), "{root}");
}

#[test]
fn init_publishes_a_first_crl_of_each_issuer_and_the_first_journal_segment() {
    let postern = Postern::with_ca();
    for name in ["root", "intermediate", "server-intermediate"] {
        let file = format!("postern-home/public/crl/{name}.crl");
        assert_eq!(crate::support::crl(&postern, &file), (1, Vec::new()));
        assert_eq!(
            crate::support::crl(&postern, &format!("{file}.pem")),
            (1, Vec::new())
        );
    }
    let entries = crate::support::entries(&postern);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["kind"], "checkpoint");
    crate::support::assert_journal_is_intact(&postern);
}

#[test]
fn openssl_opens_the_encrypted_keys_with_their_own_passphrase_only() {
    let postern = with_passphrases("of the root\n", "of the issuers\n");
    postern.run(&WITH_PASSPHRASES).expect_code(0);
    for (key, right, wrong) in [
        ("root/root.key", "file:root.pass", "file:issuing.pass"),
        (
            "postern-home/intermediate.key",
            "file:issuing.pass",
            "file:root.pass",
        ),
        (
            "postern-home/server-intermediate.key",
            "file:issuing.pass",
            "file:root.pass",
        ),
    ] {
        let pem = fs::read_to_string(postern.path(key)).expect(key);
        assert!(
            pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"),
            "{key}"
        );
        openssl(&postern, &["pkey", "-in", key, "-passin", right, "-noout"]).expect_code(0);
        openssl(
            &postern,
            &["pkcs8", "-in", key, "-passin", right, "-out", "/dev/null"],
        )
        .expect_code(0);
        openssl(&postern, &["pkey", "-in", key, "-passin", wrong, "-noout"]).expect_code(1);
    }
}
