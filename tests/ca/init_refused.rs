//! `ca init`: what it refuses to do, and to touch.

use std::fs;

use postern_tests::{Output, Postern};

use crate::init::{INIT, WITH_PASSPHRASES, with_passphrases};
use crate::support::tree;

#[test]
fn the_same_passphrase_for_root_and_issuers_is_refused_and_nothing_is_made() {
    let postern = with_passphrases("one for all\n", "one for all");
    let refused = postern.run(&WITH_PASSPHRASES).expect_code(2);
    assert!(
        refused.stderr.contains("same passphrase"),
        "{}",
        refused.stderr
    );
    assert!(!postern.path("root").exists() && !postern.path("postern-home").exists());
}

#[test]
fn an_empty_passphrase_is_refused() {
    let postern = with_passphrases("\n", "of the issuers\n");
    postern.run(&WITH_PASSPHRASES).expect_code(2);
    assert!(!postern.path("postern-home").exists());
}

#[test]
fn without_a_passphrase_and_without_a_terminal_init_asks_for_a_file() {
    let postern = Postern::new();
    let asked = postern.run(&INIT[..6]).expect_code(2);
    assert!(
        asked.stderr.contains("--passphrase-file"),
        "{}",
        asked.stderr
    );
    assert!(!postern.path("postern-home").exists());
}

#[test]
fn a_root_folder_inside_the_home_is_refused_however_it_is_spelled() {
    for root in [
        "postern-home/root",
        "./postern-home/root",
        "x/../postern-home/root",
        "link/root",
    ] {
        let postern = Postern::new();
        fs::create_dir(postern.path("postern-home")).expect("a folder");
        std::os::unix::fs::symlink("postern-home", postern.path("link")).expect("a link");
        let args = [
            "ca",
            "init",
            "--name",
            "Example",
            "--no-passphrase",
            "--root-dir",
            root,
        ];
        let refused = postern.run(&args);
        assert_ne!(refused.code, Some(0), "{root}: {}", refused.stderr);
        assert_ne!(refused.code, Some(101), "{root}: {}", refused.stderr);
        let keys = tree(postern.folder()).into_iter();
        assert_eq!(
            keys.filter(|path| path.to_string_lossy().contains(".key"))
                .count(),
            0,
            "{root}"
        );
    }
}

#[test]
fn a_root_folder_plainly_inside_the_home_is_wrong_usage() {
    let postern = Postern::new();
    let args = [
        "ca",
        "init",
        "--name",
        "E",
        "--no-passphrase",
        "--root-dir",
        "postern-home/root",
    ];
    postern.run(&args).expect_code(2);
    assert!(!postern.path("postern-home").exists());
}

#[test]
fn an_existing_home_or_root_is_never_overwritten() {
    let postern = Postern::with_ca();
    let content = |postern: &Postern| -> Vec<_> {
        let mut files = tree(postern.folder());
        files.sort();
        files
            .into_iter()
            .map(|path| (fs::read(&path).ok(), path))
            .collect()
    };
    let before = content(&postern);
    postern.run(&INIT).expect_code(5);
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
    let args = [&INIT[..], &["--home", "second"]].concat();
    let refused = postern.run(&args).expect_code(5);
    assert!(
        refused.stderr.contains("root/root.crt exists"),
        "{}",
        refused.stderr
    );
    assert_eq!(content(&postern), before);
}

#[test]
fn a_link_in_the_roots_folder_is_not_written_through() {
    let postern = Postern::new();
    fs::create_dir(postern.path("root")).expect("a folder");
    std::os::unix::fs::symlink("../victim", postern.path("root/root.key")).expect("a link");
    postern.run(&INIT).expect_code(5);
    assert!(!postern.path("victim").exists() && !postern.path("postern-home").exists());
}

#[test]
fn where_ci_is_set_the_roots_key_is_not_made_unless_it_is_for_development() {
    let postern = with_passphrases("of the root", "of the issuers");
    Output::of(postern.command(&WITH_PASSPHRASES).env("CI", "true")).expect_code(4);
    assert!(!postern.path("root").exists() && !postern.path("postern-home").exists());
    Output::of(postern.command(&INIT).env("CI", "true")).expect_code(0);
}

#[test]
fn a_name_that_does_not_fit_a_certificate_is_refused() {
    let postern = Postern::new();
    for name in ["", &"x".repeat(49), "two\nlines"] {
        let args = [
            "ca",
            "init",
            "--name",
            name,
            "--root-dir",
            "root",
            "--no-passphrase",
        ];
        postern.run(&args).expect_code(2);
    }
    assert!(!postern.path("root").exists() && !postern.path("postern-home").exists());
}

#[test]
fn two_inits_at_once_make_one_home() {
    let postern = Postern::new();
    let children: Vec<_> = ["root", "root2"]
        .map(|root| {
            [
                "ca",
                "init",
                "--name",
                "Example",
                "--no-passphrase",
                "--root-dir",
                root,
            ]
        })
        .iter()
        .map(|args| {
            postern
                .command(args)
                .stderr(std::process::Stdio::null())
                .spawn()
        })
        .collect::<Result<_, _>>()
        .expect("both start");
    let mut good = 0;
    for mut child in children {
        good += i32::from(child.wait().expect("it ends").success());
    }
    assert_eq!(good, 1);
    postern.run(&["ca", "show"]).expect_code(0);
}
