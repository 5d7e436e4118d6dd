//! Commands that run at the same time: one token, and the policies of one account, have one writer.

use std::fs::{self, File, read_dir, read_link};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use postern_tests::PATIENCE;
use serde_json::json;

use crate::support::{NAME, Stage};

const ANOTHER: &str = "ci-other-prod";

/// Runs a command beside this test.
fn start(stage: &Stage, args: &[&str]) -> Child {
    let mut command = stage.command(args);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn expect_success(child: Child) {
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

/// Whether the process has the file open; one that is over has nothing open.
fn has_open(process: u32, file: &Path) -> bool {
    let fds = read_dir(format!("/proc/{process}/fd"))
        .into_iter()
        .flatten();
    let mut links = fds.flatten().filter_map(|fd| read_link(fd.path()).ok());
    links.any(|link| link == file)
}

/// Waits until the command stands before the lock; fails where it went past it to its end.
fn waits_at(child: &mut Child, lock: &Path) {
    let lock = lock.canonicalize().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !has_open(child.id(), &lock) {
        assert_eq!(child.try_wait().unwrap(), None, "it did not wait");
        assert!(Instant::now() < deadline, "it never came to the lock");
        sleep(Duration::from_millis(5));
    }
}

/// The lock of the only token that was ever touched.
fn lock_of_token(stage: &Stage) -> PathBuf {
    let files = read_dir(stage.postern.path("postern-home")).unwrap();
    let mut paths = files.map(|file| file.unwrap().path());
    let is_lock = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("token-")
    };
    paths.find(is_lock).unwrap()
}

fn held(lock: &Path) -> File {
    let file = File::options().write(true).open(lock).unwrap();
    file.lock().unwrap();
    file
}

#[test]
fn while_a_token_is_being_changed_every_other_change_of_it_waits_its_turn() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let lock = lock_of_token(&stage);
    for change in ["renew", "disable", "enable", "delete"] {
        let turn = held(&lock);
        let calls = stage.emulator.requests().len();
        let mut child = start(&stage, &["token", change, NAME]);
        waits_at(&mut child, &lock);
        assert_eq!(stage.emulator.requests().len(), calls, "{change}");
        drop(turn);
        expect_success(child);
    }
    assert_eq!(stage.tokens().len(), 0);
}

#[test]
fn a_disable_is_felt_at_gateways_before_its_turn_at_cloudflare_comes() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let lock = lock_of_token(&stage);
    let turn = held(&lock);
    let mut child = start(&stage, &["token", "disable", NAME]);
    waits_at(&mut child, &lock);
    assert_eq!(stage.record(NAME)["state"], "disabled");
    assert!(stage.opens("token"));
    drop(turn);
    expect_success(child);
    assert!(!stage.opens("token"));
}

#[test]
fn of_a_disable_and_an_enable_at_the_same_time_one_has_the_last_word_at_both_places() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    for _ in 0..4 {
        let both = ["disable", "enable"].map(|change| start(&stage, &["token", change, NAME]));
        both.into_iter().for_each(expect_success);
        let here = stage.record(NAME)["state"] == "enabled";
        let there = stage.tokens()[0]["enabled"] == true;
        assert_eq!(here, there);
    }
}

#[test]
fn the_policies_of_a_token_are_written_while_nobody_else_writes_policies() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let lock = stage.postern.path("postern-home/edge.lock");
    let policies = stage.policies().len();
    let create = [
        "token",
        "create",
        ANOTHER,
        "--at",
        "cloudflare",
        "--app",
        &stage.app,
        "--out",
        "other",
    ];
    for (args, after) in [
        (&create[..], policies + 1),
        (&["token", "delete", ANOTHER], policies),
    ] {
        let before = stage.policies().len();
        let turn = held(&lock);
        let mut child = start(&stage, args);
        waits_at(&mut child, &lock);
        assert_eq!(stage.policies().len(), before);
        drop(turn);
        expect_success(child);
        assert_eq!(stage.policies().len(), after);
    }
}

#[test]
fn a_revoked_devices_token_that_another_command_holds_stays_pending_and_stops_no_other() {
    let stage = Stage::new();
    let device = ["cert", "issue", "press-1", "--out", "."];
    stage.run(&device).expect_code(0);
    let create = |name| {
        let create = ["token", "create", name, "--at", "cloudflare", "--out", name];
        let create = [&create[..], &["--device", "press-1"]].concat();
        stage.run(&create).expect_code(0);
    };
    create("ci-first-prod");
    let lock = lock_of_token(&stage);
    create("ci-second-prod");
    // Nobody ever gets a turn at a folder.
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let revoke = ["device", "revoke", "press-1"];
    stage.run(&revoke).expect_code(7);
    let enabled = || {
        let tokens = stage.tokens();
        let is_enabled = |name: &str| {
            let mut named = tokens.iter().filter(|token| token["name"] == name);
            named.next().unwrap()["enabled"] == true
        };
        ["ci-first-prod", "ci-second-prod"].map(is_enabled)
    };
    assert_eq!(enabled(), [true, false]);
    let pending = || stage.run(&["status", "-o", "json"]).json()["edge_pending"].clone();
    assert_eq!(pending()[0]["names"], json!(["ci-first-prod"]));
    fs::remove_dir(&lock).unwrap();
    stage.run(&revoke).expect_code(0);
    assert_eq!(enabled(), [false, false]);
    assert_eq!(pending(), json!([]));
}
