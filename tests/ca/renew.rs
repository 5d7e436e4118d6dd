//! `cert renew` and `cert revoke --superseded`: linked successors, and when the old one goes.

use std::fs;

use postern_tests::{Output, Postern, skip_without};
use serde_json::{Value, json};

use crate::support::{
    assert_keys_are_private, certificates, inject, issue, mode, of_name, openssl, revoked,
    serial_of, text, under,
};

fn renew(postern: &Postern, name: &str, out: &str) -> Value {
    let args = ["cert", "renew", name, "--out", out, "-o", "json"];
    postern.run(&args).expect_code(0).json()
}

fn show(postern: &Postern, serial: &str) -> Value {
    let args = ["cert", "show", "--serial", serial, "-o", "json"];
    postern.run(&args).expect_code(0).json()["items"][0].clone()
}

fn supersede(postern: &Postern, rest: &[&str]) -> Output {
    let args = [&["cert", "revoke", "--superseded", "a"], rest].concat();
    postern.run(&args)
}

/// A gateway's event file in which the certificate with this serial was let in.
fn events(postern: &Postern, file: &str, decision: &str, serial: &str) {
    let event = json!({
        "time": "2026-01-01T00:00:00Z",
        "event": "request",
        "request_id": "0",
        "decision": decision,
        "serial": serial,
        "fingerprint": show(postern, serial)["fingerprint"],
    });
    fs::write(postern.path(file), format!("garbage\n{event}\n{{\"time\":")).expect("a file");
}

#[test]
fn a_renewal_is_the_same_client_with_a_new_key_and_each_shows_the_other() {
    let postern = Postern::with_ca();
    let args = [
        "cert",
        "issue",
        "a",
        "--profile",
        "high",
        "--owner",
        "ops",
        "--out",
        ".",
    ];
    let old = postern
        .run(&[&args[..], &["-o", "json"]].concat())
        .expect_code(0)
        .json();
    let new = renew(&postern, "a", "renewed");
    for field in ["common_name", "profile", "owner", "issuer", "state"] {
        assert_eq!(new[field], old[field], "{field}");
    }
    assert_ne!(new["spki_sha256"], old["spki_sha256"]);
    assert_eq!(mode(&postern.path("renewed/a.key")), 0o600);
    let public = |args: &[&str]| openssl(&postern, args).expect_code(0).stdout;
    assert_eq!(
        public(&["x509", "-in", "renewed/a.crt", "-noout", "-pubkey"]),
        public(&["pkey", "-in", "renewed/a.key", "-pubout"])
    );
    let (old, new) = (text(&old, "serial"), text(&new, "serial"));
    assert_eq!(show(&postern, new)["predecessor"], old);
    assert_eq!(show(&postern, new)["successors"], json!([]));
    assert_eq!(show(&postern, old)["predecessor"], Value::Null);
    assert_eq!(show(&postern, old)["successors"], json!([new]));
    let table = postern
        .run(&["cert", "show", "--serial", old])
        .expect_code(0);
    let line = table
        .stdout
        .lines()
        .find(|line| line.starts_with("successor "));
    assert!(
        line.is_some_and(|line| line.ends_with(new)),
        "{}",
        table.stdout
    );
    // By name the newest is renewed; by serial number the old one has its successor already.
    let third = renew(&postern, "a", "third");
    assert_eq!(show(&postern, text(&third, "serial"))["predecessor"], new);
    let again = ["cert", "renew", "--serial", old, "--out", "again"];
    let refused = postern.run(&again).expect_code(5);
    assert!(refused.stderr.contains(new), "{}", refused.stderr);
    assert!(!postern.path("again/a.key").exists());
}

#[test]
fn a_servers_names_and_a_devices_own_key_are_kept() {
    if skip_without("openssl") {
        return;
    }
    let postern = Postern::with_ca();
    let issue = [
        "cert",
        "issue",
        "gw",
        "--profile",
        "server",
        "--san",
        "gw.example.com",
        "--san",
        "192.0.2.7",
        "--san",
        "2001:db8::7",
        "--out",
        ".",
    ];
    drop(postern.run(&issue).expect_code(0));
    drop(
        postern
            .run(&["cert", "renew", "--cert", "gw.crt", "--out", "new"])
            .expect_code(0),
    );
    let names = |file: &str| {
        let args = ["x509", "-in", file, "-noout", "-ext", "subjectAltName"];
        openssl(&postern, &args).expect_code(0).stdout
    };
    assert_eq!(names("new/gw.crt"), names("gw.crt"));
    assert!(names("gw.crt").contains("DNS:gw.example.com, IP Address:192.0.2.7"));

    crate::support::issue(&postern, "a", ".");
    drop(
        postern
            .run(&["cert", "request", "a", "--out", "device"])
            .expect_code(0),
    );
    drop(
        postern
            .run(&["cert", "request", "b", "--out", "device"])
            .expect_code(0),
    );
    let by_csr = |csr: &str| postern.run(&["cert", "renew", "a", "--csr", csr, "--out", "signed"]);
    let other = by_csr("device/b.csr").expect_code(5);
    assert!(
        other.stderr.contains("is a request of \"b\""),
        "{}",
        other.stderr
    );
    drop(by_csr("device/a.csr").expect_code(0));
    let public = |args: &[&str]| openssl(&postern, args).expect_code(0).stdout;
    assert_eq!(
        public(&["x509", "-in", "signed/a.crt", "-noout", "-pubkey"]),
        public(&["pkey", "-in", "device/a.key", "-pubout"])
    );
    assert!(
        !postern.path("signed/a.key").exists(),
        "the key stays with the device"
    );
}

#[test]
fn what_is_revoked_or_unknown_is_not_renewed() {
    let postern = Postern::with_ca();
    issue(&postern, "a", ".");
    let serial = serial_of(&postern, "a");
    drop(postern.run(&["cert", "revoke", "a"]).expect_code(0));
    let by_name = postern
        .run(&["cert", "renew", "a", "--out", "new"])
        .expect_code(3);
    assert!(by_name.stderr.contains("revoked"), "{}", by_name.stderr);
    let by_serial = ["cert", "renew", "--serial", &serial, "--out", "new"];
    let by_serial = postern.run(&by_serial).expect_code(5);
    assert!(
        by_serial.stderr.contains("it is revoked"),
        "{}",
        by_serial.stderr
    );
    drop(
        postern
            .run(&["cert", "renew", "b", "--out", "new"])
            .expect_code(3),
    );
    assert_eq!(
        certificates(&postern)
            .iter()
            .filter(|row| row["common_name"] == "a")
            .count(),
        1
    );
    assert_keys_are_private(postern.folder());
}

#[test]
fn only_what_has_a_successor_seen_in_use_is_superseded() {
    let postern = Postern::with_ca();
    issue(&postern, "a", ".");
    let old = serial_of(&postern, "a");
    // Nothing has a successor: nothing is due.
    let alone = supersede(&postern, &[]).expect_code(0);
    assert!(
        alone.stderr.contains("it has no successor"),
        "{}",
        alone.stderr
    );
    fs::write(postern.path("none"), "").expect("a file");
    let new = text(&renew(&postern, "a", "new"), "serial").to_owned();
    events(&postern, "permitted", "permit", &new);
    events(&postern, "refused", "deny", &new);
    events(&postern, "other", "permit", &old);
    for (rest, why) in [
        (&["--events", "permitted"][..], "is old enough in "),
        (
            &["--after", "0s", "--events", "none"],
            "no event shows its successor",
        ),
        (
            &["--after", "0s", "--events", "refused"],
            "no event shows its successor",
        ),
        (
            &["--after", "0s", "--events", "other"],
            "no event shows its successor",
        ),
    ] {
        let kept = supersede(&postern, rest).expect_code(10);
        let line = kept.stderr.lines().find(|line| line.contains(&*old));
        assert!(
            line.is_some_and(|line| line.contains(why)),
            "{rest:?}: {}",
            kept.stderr
        );
        assert_eq!(revoked(&postern), Vec::<String>::new(), "{rest:?}");
    }
    let dry = ["--after", "0s", "--events", "permitted", "--dry-run"];
    let dry = supersede(&postern, &dry).expect_code(0);
    assert!(
        dry.stdout.contains(&old) && !dry.stdout.contains(&new),
        "{}",
        dry.stdout
    );
    assert_eq!(revoked(&postern), Vec::<String>::new());
    let more = ["--after", "0s", "--events", "none", "--events", "permitted"];
    let gone = supersede(&postern, &more).expect_code(0);
    assert!(
        gone.stderr.contains("2 lines are no events"),
        "{}",
        gone.stderr
    );
    assert_eq!(revoked(&postern), [old.as_str()]);
    let row = show(&postern, &old);
    assert_eq!(row["revocation_reason"], "superseded");
    assert!(
        text(&row, "note").contains("was in use at 2026-01-01T00:00:00Z"),
        "{row}"
    );
}

#[test]
fn without_evidence_it_says_where_it_would_look_and_only_force_with_a_note_goes_on() {
    let postern = Postern::with_ca();
    issue(&postern, "a", ".");
    let old = serial_of(&postern, "a");
    renew(&postern, "a", "new");
    let unnamed = supersede(&postern, &["--after", "0s"]).expect_code(2);
    assert!(unnamed.stderr.contains("--events"), "{}", unnamed.stderr);
    let missing = supersede(&postern, &["--after", "0s", "--events", "nowhere"]).expect_code(3);
    assert!(missing.stderr.contains("nowhere"), "{}", missing.stderr);
    drop(supersede(&postern, &["--force"]).expect_code(2));
    drop(supersede(&postern, &["--reason", "unspecified"]).expect_code(2));
    drop(
        postern
            .run(&["cert", "revoke", "a", "--force", "--note", "x"])
            .expect_code(2),
    );
    drop(
        postern
            .run(&["cert", "revoke", "a", "--after", "0s"])
            .expect_code(2),
    );
    drop(
        postern
            .run(&["cert", "revoke", "a", "--events", "x"])
            .expect_code(2),
    );
    assert_eq!(revoked(&postern), Vec::<String>::new());
    let young = supersede(&postern, &["--force", "--note", "no log"]).expect_code(10);
    assert!(young.stderr.contains("is old enough"), "{}", young.stderr);
    drop(supersede(&postern, &["--after", "0s", "--force", "--note", "no log"]).expect_code(0));
    assert_eq!(revoked(&postern), [old.as_str()]);
    assert_eq!(show(&postern, &old)["note"], "no log");
}

#[test]
fn where_the_successor_was_replaced_too_the_one_in_use_counts() {
    let postern = Postern::with_ca();
    issue(&postern, "a", ".");
    let first = serial_of(&postern, "a");
    let second = text(&renew(&postern, "a", "second"), "serial").to_owned();
    let third = text(&renew(&postern, "a", "third"), "serial").to_owned();
    events(&postern, "events", "permit", &third);
    drop(supersede(&postern, &["--after", "0s", "--events", "events"]).expect_code(0));
    assert_eq!(revoked(&postern), [first, second]);
}

#[test]
fn an_expired_certificate_can_still_be_renewed_and_is_not_superseded() {
    if skip_without("faketime") {
        return;
    }
    let postern = Postern::with_ca();
    let args = ["cert", "issue", "a", "--profile", "high", "--out", "."];
    drop(postern.run(&args).expect_code(0));
    let later =
        |args: &[&str]| Output::of(&mut under(&postern, &["faketime", "-f", "+100d"], args));
    let renewed = later(&["cert", "renew", "a", "--out", "new", "-o", "json"]).expect_code(0);
    assert_eq!(renewed.json()["state"], "valid");
    let args = [
        "cert",
        "revoke",
        "--superseded",
        "a",
        "--force",
        "--note",
        "x",
    ];
    drop(later(&args).expect_code(0));
    assert_eq!(revoked(&postern), Vec::<String>::new());
}

#[test]
fn renewing_killed_at_any_step_never_signs_a_successor_without_its_link() {
    if skip_without("strace") {
        return;
    }
    let postern = Postern::with_ca();
    issue(&postern, "a", ".");
    let first = serial_of(&postern, "a");
    let mut killed = 0;
    for (syscall, last) in [
        ("fdatasync", 8),
        ("fsync", 8),
        ("pwrite64", 40),
        ("openat", 50),
    ] {
        for nth in (1..=last).step_by((last / 8).max(1)) {
            let out = format!("{syscall}-{nth}");
            let args = ["cert", "renew", "a", "--out", &out];
            let what = format!("{syscall}:signal=KILL");
            let output = inject(&postern, &what, &nth.to_string(), &args);
            killed += usize::from(output.code.is_none());
            for row in of_name(&certificates(&postern), "a") {
                let serial = text(&row, "serial");
                let linked = !show(&postern, serial)["predecessor"].is_null();
                assert!(linked || serial == first, "{out}: {row}");
            }
        }
    }
    assert!(killed >= 10, "only {killed} points were reached");
}
