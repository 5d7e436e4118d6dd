//! Times: under a clock that is not today's.

use postern_tests::{Output, Postern, skip_without};

use crate::support::{openssl, under};

fn at(postern: &Postern, offset: &str, args: &[&str]) -> Output {
    Output::of(&mut under(postern, &["faketime", "-f", offset], args))
}

fn end_date(postern: &Postern, file: &str) -> String {
    openssl(postern, &["x509", "-in", file, "-noout", "-enddate"])
        .expect_code(0)
        .stdout
}

#[test]
fn no_certificate_outlives_its_issuer() {
    if skip_without("faketime") {
        return;
    }
    let postern = Postern::with_ca();
    at(&postern, "+3500d", &["cert", "issue", "late", "--out", "."]).expect_code(0);
    let issuer = end_date(&postern, "postern-home/intermediate.crt");
    assert_eq!(end_date(&postern, "late.crt"), issuer);
    postern
        .run(&["cert", "issue", "early", "--out", "."])
        .expect_code(0);
    assert_ne!(end_date(&postern, "early.crt"), issuer);
}

#[test]
fn an_issuer_that_has_ended_or_not_begun_signs_nothing() {
    if skip_without("faketime") {
        return;
    }
    let postern = Postern::with_ca();
    for offset in ["+3700d", "-2d"] {
        let output = at(&postern, offset, &["cert", "issue", "a", "--out", "."]).expect_code(1);
        assert!(
            output.stderr.contains("is not valid now"),
            "{}",
            output.stderr
        );
        assert!(!postern.path("a.key").exists() && !postern.path("a.crt").exists());
    }
}

#[test]
fn verification_is_exact_at_both_ends_of_the_validity() {
    let postern = Postern::with_ca();
    postern
        .run(&["cert", "issue", "a", "--out", "."])
        .expect_code(0);
    let row = &postern
        .run(&["cert", "show", "a", "-o", "json"])
        .expect_code(0)
        .json();
    let row = row["items"].get(0).unwrap_or(row);
    let verify = |at: &str| {
        let args = [
            "cert",
            "verify",
            "--trust",
            "root/root.crt",
            "--chain",
            "a.crt",
            "--at",
            at,
        ];
        postern.run(&[&args[..], &["-o", "json"]].concat())
    };
    let (start, end) = (row["not_before"].as_str(), row["not_after"].as_str());
    let (start, end) = (start.expect("a time"), end.expect("a time"));
    verify(start).expect_code(0);
    verify(end).expect_code(0);
    let late = verify(&shifted(&postern, end, "+1 second"))
        .expect_code(1)
        .json();
    assert_eq!(late["reason"], "expired");
    let early = verify(&shifted(&postern, start, "-1 second"))
        .expect_code(1)
        .json();
    assert_eq!(early["reason"], "not_yet_valid");
}

/// Plain Unix seconds, by `date`.
fn shifted(postern: &Postern, time: &str, by: &str) -> String {
    let time = format!("{time} {by}");
    postern
        .tool("date", &["-u", "-d", &time, "+%s"])
        .expect_code(0)
        .stdout
        .trim()
        .to_owned()
}

#[test]
fn a_publisher_past_half_of_its_life_is_renewed_by_the_next_signing_command() {
    if skip_without("faketime") {
        return;
    }
    let postern = Postern::with_ca();
    let publishers = || {
        let path = postern.path("postern-home/public/publishers.pem");
        std::fs::read_to_string(path)
            .expect("PEM")
            .matches("BEGIN")
            .count()
    };
    assert_eq!(publishers(), 1);
    at(&postern, "+50d", &["ca", "crl", "publish"]).expect_code(0);
    assert_eq!(publishers(), 2);
    at(&postern, "+50d", &["cert", "issue", "a", "--out", "."]).expect_code(0);
    assert_eq!(publishers(), 2);
    at(&postern, "+100d", &["cert", "revoke", "a"]).expect_code(0);
    crate::support::assert_journal_is_intact(&postern);
}

#[test]
fn an_expired_publisher_still_revokes_and_is_renewed_by_the_next_signing_command() {
    if skip_without("faketime") {
        return;
    }
    let postern = Postern::with_ca();
    postern
        .run(&["cert", "issue", "a", "--out", "."])
        .expect_code(0);
    at(&postern, "+91d", &["cert", "revoke", "a"]).expect_code(0);
    at(&postern, "+91d", &["ca", "crl", "publish"]).expect_code(0);
    crate::support::assert_journal_is_intact(&postern);
}
