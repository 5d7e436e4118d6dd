//! `ca init` killed in the middle: a whole home or none.

use std::fs;

use postern_tests::{Postern, skip_without};

use crate::init::INIT;
use crate::support::{assert_keys_are_private, everything, inject};

#[test]
fn an_interrupted_init_leaves_no_half_home_and_can_be_repeated() {
    if skip_without("strace") {
        return;
    }
    let mut killed = 0;
    let step = if everything() { 1 } else { 9 };
    for (syscall, last) in [
        ("openat", 60),
        ("pwrite64", 60),
        ("fsync", 30),
        ("renameat2", 12),
        ("rename", 12),
    ] {
        let step = step.min(last / 4);
        for nth in (1..=last).step_by(step) {
            let postern = Postern::new();
            let output = inject(
                &postern,
                &format!("{syscall}:signal=KILL"),
                &nth.to_string(),
                &INIT,
            );
            if output.code == Some(0) {
                break;
            }
            assert_eq!(
                output.code, None,
                "killed at {syscall} {nth}: {}",
                output.stderr
            );
            killed += 1;
            check(&postern, &format!("{syscall} {nth}"));
        }
    }
    assert!(killed >= 12, "only {killed} points were reached");
}

fn check(postern: &Postern, point: &str) {
    assert_keys_are_private(postern.folder());
    if postern.path("postern-home").exists() {
        // Killed after the last step: then everything is there.
        postern.run(&["ca", "show"]).expect_code(0);
        postern
            .run(&["cert", "issue", "a", "--out", "."])
            .expect_code(0);
        return;
    }
    let again = postern.run(&INIT);
    match again.code {
        Some(0) => {}
        Some(5) => {
            assert!(
                again.stderr.contains("move it away"),
                "{point}: {}",
                again.stderr
            );
            fs::rename(postern.path("root"), postern.path("root.old")).expect("it moves");
            postern.run(&INIT).expect_code(0);
        }
        code => panic!("{point}: {code:?} {}", again.stderr),
    }
    postern
        .run(&["cert", "issue", "a", "--out", "."])
        .expect_code(0);
}
