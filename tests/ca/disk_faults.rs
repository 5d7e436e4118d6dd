//! A full disk and a disk that fails: an error, and nothing is lost.

use postern_tests::{Postern, skip_without};

use crate::support::{
    assert_journal_is_intact, certificates, distinct_serials, everything, inject, journal_revokes,
    of_name, text,
};

const FAULTS: [&str; 6] = [
    "pwrite64:error=ENOSPC",
    "write:error=ENOSPC",
    "fsync:error=EIO",
    "fdatasync:error=EIO",
    "ftruncate:error=EIO",
    "openat:error=EMFILE",
];

fn steps() -> Vec<String> {
    let last = if everything() { 30 } else { 4 };
    (1..=last)
        .flat_map(|nth| [format!("{nth}+"), nth.to_string()])
        .collect()
}

#[test]
fn a_failing_disk_while_issuing_is_an_error_and_nothing_is_given_out_unrecorded() {
    if skip_without("strace") {
        return;
    }
    let postern = Postern::with_ca();
    let mut failed = 0;
    for fault in FAULTS {
        for when in steps() {
            let name = format!("{}-{when}", &fault[..5]).replace('+', "x");
            let args = ["cert", "issue", &name, "--out", "out"];
            let output = inject(&postern, fault, &when, &args);
            let point = format!("{fault} {when}: {:?} {}", output.code, output.stderr);
            assert!(output.code.is_some_and(|code| code != 101), "{point}");
            // 127: the loader could not open a library. A failing `write` silences stderr, too.
            if output.code != Some(127) && output.code != Some(0) {
                assert!(
                    fault.starts_with("write") || output.stderr.contains("error: "),
                    "{point}"
                );
                failed += 1;
            }
            let rows = certificates(&postern);
            distinct_serials(&rows);
            let (key, crt) = (format!("out/{name}.key"), format!("out/{name}.crt"));
            let delivered = [postern.path(&key).exists(), postern.path(&crt).exists()];
            if output.code == Some(0) {
                assert_eq!(delivered, [true, true], "{point}");
            }
            if delivered[1] {
                assert_eq!(text(&of_name(&rows, &name)[0], "state"), "valid", "{point}");
            }
        }
    }
    assert!(failed >= 10, "only {failed} faults took effect");
    postern
        .run(&["cert", "issue", "after", "--out", "out"])
        .expect_code(0);
    assert_journal_is_intact(&postern);
}

#[test]
fn a_failing_disk_while_revoking_never_loses_what_was_acknowledged() {
    if skip_without("strace") {
        return;
    }
    let postern = Postern::with_ca();
    for fault in FAULTS {
        for when in steps() {
            let name = format!("{}-{when}", &fault[..5]).replace('+', "x");
            postern
                .run(&["cert", "issue", &name, "--out", "out"])
                .expect_code(0);
            let output = inject(&postern, fault, &when, &["cert", "revoke", &name]);
            let point = format!("{fault} {when}: {:?} {}", output.code, output.stderr);
            assert!(output.code.is_some_and(|code| code != 101), "{point}");
            let rows = certificates(&postern);
            let row = &of_name(&rows, &name)[0];
            let is_revoked = text(row, "state") == "revoked";
            assert!(is_revoked || output.code != Some(0), "{point}");
            assert_eq!(
                journal_revokes(&postern, text(row, "serial")),
                is_revoked,
                "{point}"
            );
            postern.run(&["cert", "revoke", &name]).expect_code(0);
            assert!(journal_revokes(&postern, text(row, "serial")), "{point}");
        }
    }
    assert_journal_is_intact(&postern);
}

#[test]
fn a_revocation_that_could_not_be_published_says_that_it_is_recorded_and_the_next_command_publishes_it()
 {
    if skip_without("strace") {
        return;
    }
    let postern = Postern::with_ca();
    postern
        .run(&["cert", "issue", "a", "--out", "."])
        .expect_code(0);
    let output = inject(
        &postern,
        "fdatasync:error=EIO",
        "1+",
        &["cert", "revoke", "a"],
    );
    let output = output.expect_code(1);
    assert!(
        output.stderr.contains("recorded all the same"),
        "{}",
        output.stderr
    );
    let rows = certificates(&postern);
    assert_eq!(text(&of_name(&rows, "a")[0], "state"), "revoked");
    assert!(journal_revokes(
        &postern,
        text(&of_name(&rows, "a")[0], "serial")
    ));
    assert_journal_is_intact(&postern);
}
