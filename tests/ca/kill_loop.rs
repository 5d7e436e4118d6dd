//! Commands killed at every step: what was acknowledged stays, nothing is half there.
//!
//! A representative range in the normal run; POSTERN_TESTS_ALL=1 takes every step.

use std::fs;

use postern_tests::{Output, Postern, skip_without};

use crate::support::{
    CLIENT_CRL, assert_journal_is_intact, assert_keys_are_private, certificates, crl,
    distinct_serials, everything, inject, journal_revokes, of_name, openssl, text,
};

/// Each with how many calls of it one thread of a command makes at most, roughly.
const SYSCALLS: [(&str, usize); 9] = [
    ("openat", 60),
    ("write", 30),
    ("pwrite64", 60),
    ("fsync", 30),
    ("fdatasync", 10),
    ("rename", 20),
    ("renameat2", 10),
    ("unlink", 20),
    ("ftruncate", 10),
];

/// Locks, reads and what a command learns of its files: only in the full loop.
const MORE_SYSCALLS: [(&str, usize); 7] = [
    ("fcntl", 100),
    ("pread64", 60),
    ("read", 60),
    ("close", 60),
    ("newfstatat", 60),
    ("flock", 10),
    ("futex", 30),
];

/// Calls `round` with the number of the round and what to inject, until each syscall is through.
fn at_every_step(minimum: usize, round: impl Fn(usize, &str, &str) -> Output) {
    let mut killed = 0;
    let mut number = 0;
    let more = if everything() {
        &MORE_SYSCALLS[..]
    } else {
        &[]
    };
    for &(syscall, last) in SYSCALLS.iter().chain(more) {
        let step = if everything() { 1 } else { (last / 20).max(1) };
        for nth in (1..=last).step_by(step) {
            number += 1;
            let output = round(number, &format!("{syscall}:signal=KILL"), &nth.to_string());
            match output.code {
                Some(0) => break,
                None => killed += 1,
                Some(code) => panic!("{syscall} {nth}: exit {code}: {}", output.stderr),
            }
        }
    }
    eprintln!("killed at {killed} points");
    assert!(killed >= minimum, "only {killed} points were reached");
}

/// What holds after every step, seen by the next command.
fn check(postern: &Postern) -> Vec<serde_json::Value> {
    let rows = certificates(postern);
    distinct_serials(&rows);
    crate::support::entries(postern);
    assert_keys_are_private(postern.folder());
    rows
}

#[test]
fn issuing_killed_at_any_step_never_gives_out_a_certificate_that_is_not_on_record() {
    if skip_without("strace") {
        return;
    }
    let postern = Postern::with_ca();
    at_every_step(30, |number, what, when| {
        let name = format!("client-{number}");
        let args = ["cert", "issue", &name, "--out", "out"];
        let output = inject(&postern, what, when, &args);
        let rows = check(&postern);
        let (key, crt) = (format!("out/{name}.key"), format!("out/{name}.crt"));
        if output.code == Some(0) {
            assert!(postern.path(&key).exists() && postern.path(&crt).exists());
        }
        if postern.path(&crt).exists() {
            let public = |args: &[&str]| openssl(&postern, args).expect_code(0).stdout;
            let certified = public(&["x509", "-in", &crt, "-noout", "-pubkey"]);
            assert_eq!(
                certified,
                public(&["pkey", "-in", &key, "-pubout"]),
                "{what} {when}"
            );
            let row = &of_name(&rows, &name)[0];
            assert_eq!(text(row, "state"), "valid");
            let serial = public(&["x509", "-in", &crt, "-noout", "-serial"]);
            let wanted = text(row, "serial").to_ascii_uppercase();
            assert_eq!(serial, format!("serial={wanted}\n"));
        }
        output
    });
    // What was left pending can be revoked like anything that was signed.
    let rows = certificates(&postern);
    for row in rows.iter().filter(|row| row["state"] == "pending") {
        postern
            .run(&["cert", "revoke", "--serial", text(row, "serial")])
            .expect_code(0);
        assert!(journal_revokes(&postern, text(row, "serial")));
    }
    assert_journal_is_intact(&postern);
}

#[test]
fn revoking_killed_at_any_step_never_loses_what_was_acknowledged() {
    if skip_without("strace") {
        return;
    }
    let postern = Postern::with_ca();
    let crl_number = std::cell::Cell::new(1);
    at_every_step(30, |number, what, when| {
        let name = format!("client-{number}");
        postern
            .run(&["cert", "issue", &name, "--out", "out"])
            .expect_code(0);
        let output = inject(&postern, what, when, &["cert", "revoke", &name]);
        let rows = check(&postern);
        let row = &of_name(&rows, &name)[0];
        let (serial, state) = (text(row, "serial"), text(row, "state"));
        // Standard output is written after the revocation is durable.
        let acknowledged = output.code == Some(0) || output.stdout.contains(serial);
        assert!(
            !acknowledged || state == "revoked",
            "{what} {when}: {state}"
        );
        assert_eq!(
            journal_revokes(&postern, serial),
            state == "revoked",
            "{what} {when}"
        );
        let (now, listed) = crl(&postern, CLIENT_CRL);
        assert!(
            now >= crl_number.replace(now),
            "{what} {when}: the CRL's number went back"
        );
        assert!(output.code != Some(0) || listed.iter().any(|one| one == serial));
        output
    });
    postern.run(&["ca", "crl", "publish"]).expect_code(0);
    let (number, listed) = crl(&postern, CLIENT_CRL);
    assert!(number > crl_number.get());
    for row in certificates(&postern) {
        let is_listed = listed.iter().any(|one| *one == text(&row, "serial"));
        assert_eq!(is_listed, row["state"] == "revoked", "{row}");
    }
    assert_journal_is_intact(&postern);
}

#[test]
fn revoking_a_device_killed_at_any_step_revokes_all_of_it_or_nothing() {
    if skip_without("strace") {
        return;
    }
    let postern = Postern::with_ca();
    at_every_step(30, |number, what, when| {
        let (name, token) = (
            format!("press-{number}"),
            format!("press-kill{number}-test"),
        );
        for folder in ["out", "again"] {
            let issue = ["cert", "issue", &name, "--out", folder];
            postern.run(&issue).expect_code(0);
        }
        let create = [
            "token", "create", &token, "--device", &name, "--out", &token,
        ];
        postern.run(&create).expect_code(0);
        let output = inject(&postern, what, when, &["device", "revoke", &name]);
        let rows = check(&postern);
        let show = ["device", "show", &name, "-o", "json"];
        let device = postern.run(&show).expect_code(0).json();
        let is_revoked = device["state"] == "revoked";
        // Standard output is written after all of it is durable.
        let acknowledged = output.code == Some(0) || output.stdout.contains(&name);
        assert!(!acknowledged || is_revoked, "{what} {when}: {device}");
        for row in of_name(&rows, &name) {
            assert_eq!(row["state"] == "revoked", is_revoked, "{what} {when}");
            let told = journal_revokes(&postern, text(&row, "serial"));
            assert_eq!(told, is_revoked, "{what} {when}");
        }
        let disabled = device["tokens"][0]["state"] == "disabled";
        assert_eq!(disabled, is_revoked, "{what} {when}");
        let told = crate::support::entries(&postern);
        let told = told.iter().any(|entry| {
            entry["kind"] == "token_disabled" && entry["data"]["name"] == token.as_str()
        });
        assert_eq!(told, is_revoked, "{what} {when}");
        let issue = ["cert", "issue", &name, "--out", "third"];
        let gets_more = postern.run(&issue).code == Some(0);
        assert_ne!(gets_more, is_revoked, "{what} {when}");
        output
    });
    assert_journal_is_intact(&postern);
}

#[test]
fn publishing_crls_killed_at_any_step_leaves_whole_ones_with_rising_numbers() {
    if skip_without("strace") {
        return;
    }
    let postern = Postern::with_ca();
    postern
        .run(&["cert", "issue", "a", "--out", "."])
        .expect_code(0);
    postern.run(&["cert", "revoke", "a"]).expect_code(0);
    let serial = text(&of_name(&certificates(&postern), "a")[0], "serial").to_owned();
    let last = std::cell::Cell::new(0);
    at_every_step(30, |_, what, when| {
        let output = inject(&postern, what, when, &["ca", "crl", "publish"]);
        // Whole even before the next command.
        let (before, _) = crl(&postern, CLIENT_CRL);
        check(&postern);
        let (number, listed) = crl(&postern, CLIENT_CRL);
        assert!(
            number >= before && before >= last.replace(number),
            "{what} {when}"
        );
        assert_eq!(listed, [serial.as_str()], "{what} {when}");
        let pem = crl(&postern, &format!("{CLIENT_CRL}.pem"));
        assert_eq!(pem, (number, listed), "{what} {when}: DER and PEM differ");
        let shown = postern
            .run(&["ca", "crl", "show", "-o", "json"])
            .expect_code(0)
            .json();
        let shown = shown["items"].as_array().expect("items").iter();
        let shown: Vec<_> = shown.filter(|row| row["issuer"] == "client").collect();
        assert_eq!(shown[0]["number"], number, "{what} {when}");
        output
    });
    assert_journal_is_intact(&postern);
}

#[test]
fn creating_a_token_killed_at_any_step_never_makes_one_good_that_nobody_has() {
    if skip_without("strace") {
        return;
    }
    let postern = Postern::with_ca();
    at_every_step(30, |number, what, when| {
        let (name, out) = (format!("ci-kill{number}-test"), format!("out-{number}"));
        let args = ["token", "create", &name, "--out", &out, "--format", "pair"];
        let output = inject(&postern, what, when, &args);
        check(&postern);
        let listing = postern
            .run(&["token", "list", "-o", "json"])
            .expect_code(0)
            .json();
        let tokens = listing["items"].as_array().expect("items").clone();
        let good = tokens.iter().any(|token| token["name"] == name.as_str());
        assert!(good || output.code != Some(0), "{what} {when}");
        if good {
            let secret = fs::read_to_string(postern.path(&out)).expect("its secret is there");
            let id = secret.split(':').next().expect("an id");
            assert!(
                tokens.iter().any(|token| token["client_id"] == id),
                "{what} {when}"
            );
            assert_eq!(crate::support::mode(&postern.path(&out)), 0o600);
            let told = crate::support::entries(&postern);
            assert!(
                told.iter()
                    .any(|entry| entry["data"]["name"] == name.as_str())
            );
        }
        for path in crate::support::tree(postern.folder()) {
            if path.to_string_lossy().ends_with(".partial") {
                assert_eq!(crate::support::mode(&path) & 0o022, 0);
                let secret = fs::read_to_string(&path).is_ok_and(|text| text.contains("pst_"));
                assert!(
                    !secret || crate::support::mode(&path) == 0o600,
                    "{}",
                    path.display()
                );
            }
        }
        output
    });
    assert_journal_is_intact(&postern);
}
