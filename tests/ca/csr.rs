//! `cert sign`: a CSR gives a key and a name, and nothing else of it is believed.

use std::fs;

use postern_tests::{Output, Postern};

use crate::support::{certificates, ec, openssl, openssl_csr};

fn sign(postern: &Postern, csr: &str, more: &[&str]) -> Output {
    let args = [&["cert", "sign", csr, "--out", "signed.crt"], more].concat();
    postern.run(&args)
}

fn refused(postern: &Postern, csr: &str, more: &[&str], code: i32, why: &str) {
    let before = certificates(postern).len();
    let output = sign(postern, csr, more).expect_code(code);
    assert!(output.stderr.contains(why), "{}", output.stderr);
    assert!(!postern.path("signed.crt").exists());
    assert_eq!(certificates(postern).len(), before, "nothing is recorded");
}

fn ec_csr(postern: &Postern, curve: &str, subject: &str, file: &str) {
    let key = ec(curve);
    openssl_csr(postern, &key.each_ref().map(String::as_str), subject, file);
}

fn verify_with_openssl(postern: &Postern, file: &str) {
    openssl(postern, &["x509", "-in", file, "-out", "leaf.pem"]).expect_code(0);
    let args = [
        "verify",
        "-x509_strict",
        "-purpose",
        "sslclient",
        "-CAfile",
        "root/root.crt",
    ];
    let args = [
        &args[..],
        &["-untrusted", "postern-home/intermediate.crt", "leaf.pem"],
    ]
    .concat();
    openssl(postern, &args).expect_code(0);
}

#[test]
fn csrs_by_openssl_are_signed_and_openssl_verifies_what_comes_out() {
    let postern = Postern::with_ca();
    let (p256, p384) = (ec("P-256"), ec("P-384"));
    let p256 = p256.each_ref().map(String::as_str);
    let p384 = p384.each_ref().map(String::as_str);
    for (name, key) in [
        ("p256", &p256[..]),
        ("p384", &p384[..]),
        ("rsa2048", &["rsa:2048"]),
        ("ed25519", &["ed25519"]),
    ] {
        let csr = format!("{name}.csr");
        openssl_csr(&postern, key, &format!("/CN={name}"), &csr);
        let crt = format!("{name}.crt");
        postern
            .run(&["cert", "sign", &csr, "--out", &crt])
            .expect_code(0);
        verify_with_openssl(&postern, &crt);
        let public = |args: &[&str]| openssl(&postern, args).expect_code(0).stdout;
        let certified = public(&["x509", "-in", &crt, "-noout", "-pubkey"]);
        assert_eq!(
            certified,
            public(&["pkey", "-in", &format!("{csr}.key"), "-pubout"])
        );
    }
}

#[test]
fn a_csr_in_der_and_one_made_by_cert_request_are_signed_too() {
    let postern = Postern::with_ca();
    postern
        .run(&["cert", "request", "edge-1", "--out", "."])
        .expect_code(0);
    openssl(&postern, &["req", "-in", "edge-1.csr", "-noout", "-verify"]).expect_code(0);
    assert_eq!(crate::support::mode(&postern.path("edge-1.key")), 0o600);
    openssl(
        &postern,
        &[
            "req",
            "-in",
            "edge-1.csr",
            "-outform",
            "DER",
            "-out",
            "edge-1.der",
        ],
    )
    .expect_code(0);
    sign(&postern, "edge-1.der", &[]).expect_code(0);
    verify_with_openssl(&postern, "signed.crt");
}

#[test]
fn whatever_else_a_csr_asks_for_is_not_in_the_certificate() {
    let postern = Postern::with_ca();
    let subject = "/CN=greedy/O=Other Corp/emailAddress=root@example.com";
    let asked = [
        "ed25519",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=keyCertSign,cRLSign",
        "-addext",
        "extendedKeyUsage=serverAuth,anyExtendedKeyUsage",
        "-addext",
        "subjectAltName=DNS:*.example.com,URI:spiffe://example.com/root",
        "-addext",
        "nameConstraints=permitted;DNS:example.com",
        "-addext",
        "crlDistributionPoints=URI:http://127.0.0.1/x",
    ];
    openssl_csr(&postern, &asked, subject, "greedy.csr");
    sign(&postern, "greedy.csr", &[]).expect_code(0);
    let args = [
        "x509",
        "-in",
        "signed.crt",
        "-noout",
        "-text",
        "-subject",
        "-nameopt",
        "RFC2253",
    ];
    let text = openssl(&postern, &args).expect_code(0).stdout;
    for absent in [
        "CA:TRUE",
        "Certificate Sign",
        "Server Auth",
        "Any Extended",
        "example.com",
        "Other Corp",
    ] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    for absent in [
        "Alternative Name",
        "Name Constraints",
        "CRL Distribution",
        "127.0.0.1",
    ] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    assert!(text.contains("CA:FALSE"), "{text}");
    assert!(text.contains("X509v3 Key Usage: critical\n                Digital Signature\n"));
    let usage = "X509v3 Extended Key Usage: \n                TLS Web Client Authentication\n";
    assert!(text.contains(usage), "{text}");
    assert!(text.ends_with("subject=CN=greedy\n"), "{text}");
}

#[test]
fn a_csr_that_does_not_prove_possession_is_refused() {
    let postern = Postern::with_ca();
    ec_csr(&postern, "P-256", "/CN=honest", "a.csr");
    openssl(
        &postern,
        &["req", "-in", "a.csr", "-outform", "DER", "-out", "a.der"],
    )
    .expect_code(0);
    let good = fs::read(postern.path("a.der")).expect("DER");
    let name = good
        .windows(6)
        .position(|window| window == b"honest")
        .expect("the name");
    for position in [good.len() - 1, good.len() - 20, name] {
        let mut broken = good.clone();
        broken[position] ^= 1;
        fs::write(postern.path("broken.der"), &broken).expect("a file");
        let output = sign(&postern, "broken.der", &["--cn", "honest"]).expect_code(6);
        assert!(
            output.stderr.contains("did not prove to have the key"),
            "{}",
            output.stderr
        );
        assert!(!postern.path("signed.crt").exists());
    }
    sign(&postern, "a.der", &[]).expect_code(0);
}

#[test]
fn what_is_no_csr_is_wrong_usage() {
    let postern = Postern::with_ca();
    ec_csr(&postern, "P-256", "/CN=a", "a.csr");
    openssl(
        &postern,
        &["req", "-in", "a.csr", "-outform", "DER", "-out", "a.der"],
    )
    .expect_code(0);
    let der = fs::read(postern.path("a.der")).expect("DER");
    let pem = fs::read(postern.path("a.csr")).expect("PEM");
    let cases: [(&str, Vec<u8>); 6] = [
        ("empty", Vec::new()),
        ("truncated", der[..der.len() - 3].to_vec()),
        ("trailing", [&der[..], b"\0\0"].concat()),
        ("two", [&pem[..], &pem[..]].concat()),
        ("key", fs::read(postern.path("a.csr.key")).expect("a key")),
        ("huge", vec![b'x'; 70_000]),
    ];
    for (what, content) in cases {
        fs::write(postern.path(what), content).expect("a file");
        refused(&postern, what, &[], 2, "signing request");
    }
    let missing = sign(&postern, "nowhere.csr", &[]).expect_code(3);
    assert!(missing.stderr.contains("nowhere.csr"), "{}", missing.stderr);
}

#[test]
fn weak_and_unknown_keys_are_refused() {
    let postern = Postern::with_ca();
    openssl_csr(&postern, &["rsa:1024"], "/CN=a", "rsa1024.csr");
    for (curve, file) in [
        ("prime192v1", "p192.csr"),
        ("secp256k1", "k256.csr"),
        ("brainpoolP256r1", "bp256.csr"),
    ] {
        ec_csr(&postern, curve, "/CN=a", file);
    }
    openssl_csr(&postern, &["ed448"], "/CN=a", "ed448.csr");
    for csr in [
        "rsa1024.csr",
        "p192.csr",
        "k256.csr",
        "bp256.csr",
        "ed448.csr",
    ] {
        let output = sign(&postern, csr, &[]);
        assert_eq!(output.code, Some(6), "{csr}: {}", output.stderr);
        assert!(!postern.path("signed.crt").exists(), "{csr}");
    }
}

#[test]
fn an_rsa_key_with_exponent_three_is_refused() {
    let postern = Postern::with_ca();
    let exponent = ["rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3"];
    openssl_csr(&postern, &exponent, "/CN=a", "e3.csr");
    refused(&postern, "e3.csr", &[], 6, "exponent");
}

#[test]
fn a_csr_without_exactly_one_name_needs_cn() {
    let postern = Postern::with_ca();
    ec_csr(&postern, "P-256", "/O=Nameless", "none.csr");
    ec_csr(&postern, "P-256", "/CN=one/CN=two", "two.csr");
    ec_csr(&postern, "P-256", "/CN=asked-for", "one.csr");
    refused(&postern, "none.csr", &[], 2, "no common name");
    refused(&postern, "two.csr", &[], 2, "2 common names");
    for (csr, name) in [("none.csr", "n1"), ("two.csr", "n2"), ("one.csr", "n3")] {
        let out = format!("{name}.crt");
        postern
            .run(&["cert", "sign", csr, "--cn", name, "--out", &out])
            .expect_code(0);
        let args = [
            "x509", "-in", &out, "-noout", "-subject", "-nameopt", "RFC2253",
        ];
        let subject = openssl(&postern, &args).expect_code(0).stdout;
        assert_eq!(subject, format!("subject=CN={name}\n"));
    }
}

#[test]
fn names_that_must_not_be_issued_are_not_taken_from_a_csr_either() {
    let postern = Postern::with_ca();
    for (number, (subject, code)) in [
        ("/CN=token.access", 6),
        ("/CN=..\\/..\\/x", 6),
        ("/CN=a,b", 6),
        ("/CN=a\\+b", 6),
        ("/CN=a\\=b", 6),
        ("/CN=a\nb", 2),
        ("/CN=\u{1b}[31mred", 2),
        ("/CN=a\u{202e}b", 2),
    ]
    .into_iter()
    .enumerate()
    {
        let csr = format!("{number}.csr");
        ec_csr(&postern, "P-256", subject, &csr);
        let output = sign(&postern, &csr, &[]);
        assert_eq!(output.code, Some(code), "{subject:?}: {}", output.stderr);
        let raw = output
            .stderr
            .chars()
            .any(|one| one.is_control() && one != '\n');
        assert!(
            !raw && !output.stderr.contains('\u{202e}'),
            "{:?}",
            output.stderr
        );
    }
}

#[test]
fn the_cas_own_keys_are_not_certified() {
    let postern = Postern::with_ca();
    for key in ["intermediate", "server-intermediate", "publisher"] {
        let key = format!("postern-home/{key}.key");
        let args = [
            "req", "-new", "-key", &key, "-subj", "/CN=me", "-out", "own.csr",
        ];
        openssl(&postern, &args).expect_code(0);
        refused(&postern, "own.csr", &[], 6, "the public key is refused");
    }
    let args = [
        "req",
        "-new",
        "-key",
        "root/root.key",
        "-subj",
        "/CN=me",
        "-out",
        "own.csr",
    ];
    openssl(&postern, &args).expect_code(0);
    refused(&postern, "own.csr", &[], 6, "the public key is refused");
}

#[test]
fn a_key_that_was_revoked_or_has_another_name_is_not_certified_again() {
    let postern = Postern::with_ca();
    ec_csr(&postern, "P-256", "/CN=a", "a.csr");
    postern
        .run(&["cert", "sign", "a.csr", "--out", "a.crt"])
        .expect_code(0);
    refused(&postern, "a.csr", &["--cn", "b"], 6, "another name");
    postern
        .run(&["cert", "revoke", "a", "--reason", "key-compromise"])
        .expect_code(0);
    refused(&postern, "a.csr", &[], 6, "was revoked");
}
