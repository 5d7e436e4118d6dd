//! Readers that go away, closed streams, full disks: never a panic, never a signal.

use postern_tests::{Output, Postern};

use crate::support::in_shell;

const COMMANDS: [&[&str]; 12] = [
    &["--help"],
    &["cert", "issue", "--help"],
    &["--version"],
    &["nonsense"],
    &["cert", "list"],
    &["cert", "list", "-o", "json"],
    &["cert", "show", "nobody"],
    &["ca", "show", "-o", "jsonl"],
    &["expiry", "list"],
    &["token", "identify"],
    &["completions", "bash"],
    &["policy", "list"],
];

fn assert_orderly(output: &Output, what: &str) {
    let code = output
        .code
        .unwrap_or_else(|| panic!("{what}: ended by a signal"));
    assert!(
        code != 101 && code < 126,
        "{what}: exit {code}: {}",
        output.stderr
    );
    assert!(
        !output.stderr.contains("panicked"),
        "{what}: {}",
        output.stderr
    );
}

#[test]
fn closed_streams_never_make_a_command_panic() {
    let postern = Postern::with_ca();
    for args in COMMANDS {
        for closed in [
            "<&-",
            ">&-",
            "2>&-",
            "<&- >&- 2>&-",
            ">/dev/full",
            "2>/dev/full",
        ] {
            let output = in_shell(&postern, &format!("exec \"$@\" {closed}"), args);
            assert_orderly(&output, &format!("{args:?} {closed}"));
        }
    }
}

#[test]
fn a_reader_that_went_away_is_not_an_error() {
    let postern = Postern::with_ca();
    for args in COMMANDS {
        let line = "(\"$@\"; echo $? > code) | head -c 0";
        let output = in_shell(&postern, line, args);
        assert_eq!(output.code, Some(0), "{args:?}");
        assert!(
            !output.stderr.contains("panicked"),
            "{args:?}: {}",
            output.stderr
        );
        let code = std::fs::read_to_string(postern.path("code")).expect("a code");
        let plain = postern.run(args).code.expect("no signal");
        assert_eq!(code.trim(), plain.to_string(), "{args:?}");
    }
}

#[test]
fn a_full_disk_behind_stdout_is_an_error_and_the_work_is_done_all_the_same() {
    let postern = Postern::with_ca();
    in_shell(&postern, "exec \"$@\" >/dev/full", &["cert", "list"]).expect_code(1);
    let issue = ["cert", "issue", "a", "--out", "."];
    assert_orderly(&in_shell(&postern, "exec \"$@\" >&- 2>&-", &issue), "issue");
    let key = std::fs::read_to_string(postern.path("a.key")).expect("a key");
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"), "{key}");
    assert!(key.trim_end().ends_with("-----END PRIVATE KEY-----"));
    postern.run(&["cert", "show", "a"]).expect_code(0);
}

#[test]
fn closed_streams_do_not_turn_into_the_database_or_a_key() {
    let postern = Postern::with_ca();
    // A file opened as descriptor 1 or 2 would get what is printed.
    for (number, closed) in ["<&- >&- 2>&-", ">&- 2>&-", "2>&-"].iter().enumerate() {
        let name = format!("client-{number}");
        let issue = ["cert", "issue", &name, "--out", "."];
        in_shell(&postern, &format!("exec \"$@\" {closed}"), &issue).expect_code(0);
        let revoke = ["cert", "revoke", &name];
        in_shell(&postern, &format!("exec \"$@\" {closed}"), &revoke).expect_code(0);
        let shown = postern
            .run(&["cert", "show", &name, "-o", "json"])
            .expect_code(0)
            .json();
        let row = shown["items"].get(0).unwrap_or(&shown).clone();
        assert_eq!(row["state"], "revoked");
        let key = std::fs::read(postern.path(&format!("{name}.key"))).expect("a key");
        assert!(key.starts_with(b"-----BEGIN PRIVATE KEY-----") && key.ends_with(b"-----\n"));
    }
    crate::support::assert_journal_is_intact(&postern);
}

#[test]
fn every_listing_and_object_names_its_schema() {
    let postern = Postern::with_ca();
    let created = [
        "token",
        "create",
        "ci-a-test",
        "--out",
        "token",
        "-o",
        "json",
    ];
    let created = postern.run(&created).expect_code(0).json();
    assert_eq!(created["schema"], "postern.token/1");
    for (args, schema) in [
        (&["cert", "list"][..], "postern.certificates/1"),
        (&["ca", "show"], "postern.issuers/1"),
        (&["ca", "crl", "show"], "postern.crls/1"),
        (&["token", "list"], "postern.tokens/1"),
        (&["expiry", "list"], "postern.expiry/1"),
    ] {
        let json = postern
            .run(&[args, &["-o", "json"]].concat())
            .expect_code(0)
            .json();
        assert_eq!(json["schema"], schema);
        let items = json["items"].as_array().expect("items");
        assert!(!items.is_empty(), "{schema}");
        let lines = postern
            .run(&[args, &["-o", "jsonl"]].concat())
            .expect_code(0)
            .stdout;
        assert_eq!(lines.lines().count(), items.len(), "{schema}");
        for line in lines.lines() {
            let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(row["schema"], schema);
        }
    }
    let issued = ["cert", "issue", "a", "--out", ".", "-o", "json"];
    let issued = postern.run(&issued).expect_code(0).json();
    assert_eq!(issued["schema"], "postern.certificate/1");
    let requested = ["cert", "request", "b", "--out", ".", "-o", "json"];
    assert_eq!(
        postern.run(&requested).expect_code(0).json()["schema"],
        "postern.request/1"
    );
}
