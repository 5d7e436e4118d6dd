//! A broken database is reported, never treated as empty.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use postern_tests::{Postern, skip_without};

use crate::support::{CLIENT_CRL, certificates, crl, everything, of_name, text};

/// A home with a live and a revoked certificate.
fn home() -> Postern {
    let postern = Postern::with_ca();
    for name in ["live", "gone"] {
        postern
            .run(&["cert", "issue", name, "--out", "."])
            .expect_code(0);
    }
    postern.run(&["cert", "revoke", "gone"]).expect_code(0);
    postern
}

fn database(postern: &Postern) -> PathBuf {
    postern.path("postern-home/postern.db")
}

fn sqlite(postern: &Postern, sql: &str) {
    postern
        .tool("sqlite3", &["postern-home/postern.db", sql])
        .expect_code(0);
}

/// Every command says the same, and none of them an empty list.
fn assert_reported(postern: &Postern, code: i32, what: &str) {
    for args in [
        &["cert", "list"][..],
        &["cert", "list", "-o", "json"],
        &["ca", "show"],
        &["cert", "issue", "new", "--out", "."],
        &["cert", "revoke", "live"],
        &["ca", "crl", "publish"],
        &["token", "list"],
        &["expiry", "check"],
    ] {
        let output = postern.run(args);
        assert_eq!(
            output.code,
            Some(code),
            "{what}: {args:?}: {}",
            output.stderr
        );
        assert_eq!(output.stdout, "", "{what}: {args:?}");
        assert!(
            output.stderr.starts_with("error: "),
            "{what}: {}",
            output.stderr
        );
    }
    assert!(!postern.path("new.key").exists() && !postern.path("new.crt").exists());
}

#[test]
fn a_truncated_database_is_an_integrity_error() {
    let postern = home();
    let content = fs::read(database(&postern)).expect("the database");
    for length in [0, 50, 100, 4096, 9000] {
        fs::write(database(&postern), &content[..length]).expect("a file");
        assert_reported(&postern, 9, &format!("{length} bytes"));
    }
}

#[test]
fn garbage_in_place_of_the_database_is_an_integrity_error() {
    let postern = home();
    fs::write(database(&postern), [0xa5; 20_000]).expect("a file");
    assert_reported(&postern, 9, "garbage");
}

#[test]
fn another_applications_database_is_an_integrity_error() {
    if skip_without("sqlite3") {
        return;
    }
    let postern = home();
    fs::remove_file(database(&postern)).expect("removed");
    sqlite(
        &postern,
        "PRAGMA user_version = 1; CREATE TABLE certificates (id INTEGER);",
    );
    assert_reported(&postern, 9, "another application");
}

#[test]
fn a_database_without_its_tables_is_an_integrity_error() {
    if skip_without("sqlite3") {
        return;
    }
    let postern = home();
    sqlite(
        &postern,
        "DROP TABLE certificate_ders; DROP TABLE certificates; DROP TABLE crls;",
    );
    let listed = postern.run(&["cert", "list", "-o", "json"]);
    assert_eq!(listed.stdout, "");
    assert_eq!(listed.code, Some(9), "{}", listed.stderr);
}

#[test]
fn a_home_of_the_first_schema_is_brought_forward_by_the_first_command() {
    if skip_without("sqlite3") {
        return;
    }
    let postern = home();
    let before = certificates(&postern);
    sqlite(
        &postern,
        "DROP TABLE edge_objects; DROP TABLE edge_pending; DROP TABLE rotations; \
         DROP TABLE token_changes; DROP TABLE successions; \
         ALTER TABLE devices DROP COLUMN profile; ALTER TABLE devices DROP COLUMN revoked_at; \
         ALTER TABLE devices DROP COLUMN revocation_reason; \
         ALTER TABLE devices DROP COLUMN revoked_by; ALTER TABLE devices DROP COLUMN note; \
         PRAGMA user_version = 1;",
    );
    postern
        .run(&["cert", "renew", "live", "--out", "renewed"])
        .expect_code(0);
    let after = certificates(&postern);
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(after.len(), before.len() + 1);
    postern.run(&["status"]).expect_code(0);
}

#[test]
fn a_newer_schema_is_refused_with_the_advice_to_use_the_newer_postern() {
    if skip_without("sqlite3") {
        return;
    }
    let postern = home();
    sqlite(&postern, "PRAGMA user_version = 99;");
    assert_reported(&postern, 1, "newer");
    let output = postern.run(&["cert", "list"]).expect_code(1);
    assert!(
        output.stderr.contains("use the newer Postern"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_missing_database_in_a_home_that_is_there_is_an_integrity_error() {
    let postern = home();
    fs::remove_file(database(&postern)).expect("removed");
    assert_reported(&postern, 9, "deleted");
    let args = [
        "ca",
        "init",
        "--name",
        "Other",
        "--root-dir",
        "other",
        "--no-passphrase",
    ];
    postern.run(&args).expect_code(5);
}

#[test]
fn a_home_that_is_not_there_is_not_found() {
    let postern = Postern::new();
    assert_reported(&postern, 3, "no home");
}

#[test]
fn a_row_changed_by_hand_is_found_when_it_is_read() {
    if skip_without("sqlite3") {
        return;
    }
    for (sql, command) in [
        (
            "UPDATE certificates SET common_name = 'x' WHERE common_name = 'live'",
            "cert list",
        ),
        (
            "UPDATE certificates SET not_after = not_after + 1",
            "cert list",
        ),
        (
            "UPDATE certificates SET state = 'valid' WHERE state = 'revoked'",
            "cert list",
        ),
        ("UPDATE certificates SET owner = 'me'", "expiry list"),
        ("UPDATE crls SET number = number + 1", "ca crl show"),
        (
            "UPDATE issuers SET digest = x'00' WHERE role = 'client'",
            "ca show",
        ),
    ] {
        let postern = home();
        sqlite(&postern, sql);
        let output = postern.run(&command.split(' ').collect::<Vec<_>>());
        assert_eq!(
            (output.code, &*output.stdout),
            (Some(9), ""),
            "{sql}: {}",
            output.stderr
        );
    }
}

#[test]
fn a_revocation_undone_by_hand_never_leaves_the_crl_silently() {
    if skip_without("sqlite3") {
        return;
    }
    for sql in [
        "UPDATE certificates SET state = 'valid' WHERE state = 'revoked'",
        "UPDATE certificates SET state = 'revokee' WHERE state = 'revoked'",
        "UPDATE certificates SET not_after = 1 WHERE state = 'revoked'",
    ] {
        let postern = home();
        let (_, listed) = crl(&postern, CLIENT_CRL);
        sqlite(&postern, sql);
        let output = postern.run(&["ca", "crl", "publish"]);
        if output.code == Some(0) {
            assert_eq!(crl(&postern, CLIENT_CRL).1, listed, "{sql}");
        } else {
            assert_eq!(output.code, Some(9), "{sql}: {}", output.stderr);
        }
    }
}

#[test]
fn a_flipped_byte_is_an_error_or_changes_nothing_that_is_shown() {
    let postern = home();
    let good = fs::read(database(&postern)).expect("the database");
    let list = ["cert", "list", "-o", "json"];
    let expected = postern.run(&list).expect_code(0).stdout;
    let flips = if everything() { 1000 } else { 150 };
    let step = good.len() / flips + 1;
    let mut found = 0;
    // The name and the state stand somewhere in it: these positions are never missed.
    let marks = [&b"revoked"[..], b"live"].map(|mark| {
        let at = |window: &[u8]| window == mark;
        let all = good
            .windows(mark.len())
            .enumerate()
            .filter(move |(_, window)| at(window));
        all.map(|(position, _)| position).collect::<Vec<_>>()
    });
    let spread = (7..good.len()).step_by(step);
    for position in spread.chain(marks.into_iter().flatten()) {
        let mut flipped = good.clone();
        flipped[position] ^= 0x20;
        fs::write(database(&postern), &flipped).expect("a file");
        let output = postern.run(&list);
        match output.code {
            Some(0) => assert_eq!(output.stdout, expected, "silently wrong: byte {position}"),
            Some(9 | 1) => found += 1,
            code => panic!("byte {position}: {code:?} {}", output.stderr),
        }
        for extra in ["postern.db-wal", "postern.db-shm", "postern.db-journal"] {
            let path = postern.path("postern-home").join(extra);
            if path.exists() {
                fs::remove_file(path).expect("removed");
            }
        }
    }
    eprintln!("{found} flips were reported");
    assert!(found > 0);
}

#[test]
fn an_older_database_put_back_is_refused_and_the_journal_is_not_cut() {
    let postern = home();
    let old = fs::read(database(&postern)).expect("the database");
    postern.run(&["cert", "revoke", "live"]).expect_code(0);
    let journal = crate::support::journal(&postern);
    fs::write(database(&postern), old).expect("a file");
    assert_reported(&postern, 9, "an older backup");
    assert_eq!(crate::support::journal(&postern), journal);
}

#[test]
fn a_key_that_others_may_read_is_denied() {
    let postern = home();
    let key = postern.path("postern-home/intermediate.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("chmod");
    for args in [
        &["cert", "issue", "new", "--out", "."][..],
        &["ca", "crl", "publish"],
    ] {
        let output = postern.run(args).expect_code(4);
        assert!(output.stderr.contains("chmod 600"), "{}", output.stderr);
    }
    assert!(!postern.path("new.key").exists());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("chmod");
    postern
        .run(&["cert", "issue", "new", "--out", "."])
        .expect_code(0);
}

#[test]
fn a_key_of_another_ca_signs_nothing() {
    let postern = home();
    let args = [
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-out",
    ];
    let key = "postern-home/intermediate.key";
    postern
        .tool("openssl", &[&args[..], &[key]].concat())
        .expect_code(0);
    let output = postern
        .run(&["cert", "issue", "new", "--out", "."])
        .expect_code(1);
    assert!(
        output.stderr.contains("does not belong"),
        "{}",
        output.stderr
    );
    assert!(!postern.path("new.key").exists());
}

#[test]
fn what_was_removed_from_public_is_put_back_and_what_was_torn_is_completed() {
    let postern = home();
    let journal = crate::support::journal(&postern);
    let segment = postern.path("postern-home/public/journal/00000000000000000001.journal");
    let whole = fs::read(&segment).expect("the segment");
    fs::remove_file(postern.path(CLIENT_CRL)).expect("removed");
    fs::remove_file(postern.path("postern-home/public/issuers.pem")).expect("removed");
    for length in [whole.len() - 1, whole.len() - 100, whole.len() / 2, 10, 0] {
        fs::write(&segment, &whole[..length]).expect("a file");
        postern.run(&["ca", "show"]).expect_code(0);
        assert_eq!(
            crate::support::journal(&postern),
            journal,
            "torn at {length}"
        );
    }
    assert_eq!(crl(&postern, CLIENT_CRL).0, 2);
    assert!(postern.path("postern-home/public/issuers.pem").exists());
    let rows = certificates(&postern);
    assert_eq!(text(&of_name(&rows, "gone")[0], "state"), "revoked");
}
