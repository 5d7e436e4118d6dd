//! Cloudflare's official clients drive the emulator, unmodified, and every call they exchange keeps
//! the contract.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use postern_fixtures::TestPki;
use postern_fixtures::access::{Emulator, Options};
use postern_tests::{Contract, install_step, python_with, skip_without};
use serde_json::{Value, json};

/// A folder below `target/` that outlives the run: packages are fetched once.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs a script with the emulator's line on standard input; gives the calls that it counted.
fn drive(emulator: &Emulator, command: &mut Command) -> u64 {
    let pki = TestPki::new();
    let site = json!({
        "account_id": emulator.account_id(),
        "api": emulator.api(),
        "api_token": emulator.api_token(),
        "chain": pki.intermediate().pem() + &pki.root().pem(),
    });
    let mut child = command
        .env_remove("CLOUDFLARE_API_TOKEN")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    write!(child.stdin.take().unwrap(), "{site}").unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    printed["calls"].as_u64().unwrap()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("access/sdk")
        .join(name)
}

/// The emulator recorded what the client counted, and all of it keeps the contract.
fn judge(emulator: &Emulator, calls: u64) {
    let exchanges = emulator.exchanges();
    assert_eq!(u64::try_from(exchanges.len()).unwrap(), calls);
    if let Some(contract) = Contract::load() {
        assert_eq!(contract.expect_all(&exchanges), exchanges.len());
    }
}

#[test]
fn the_official_python_client_creates_lists_rotates_and_deletes() {
    let Some(python) = python_with(Path::new(env!("CARGO_TARGET_TMPDIR")), "cloudflare==5.9.0")
    else {
        return;
    };
    let emulator = Emulator::start(Options::default()).unwrap();
    let calls = drive(&emulator, Command::new(python).arg(script("drive.py")));
    assert!(calls > 90, "{calls}");
    judge(&emulator, calls);
}

#[test]
fn the_official_node_client_creates_lists_rotates_and_deletes() {
    if skip_without("node") || skip_without("npm") {
        return;
    }
    let home = folder("sdk-node");
    let mut install = Command::new("npm");
    install
        .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
        .arg(&home)
        .arg("cloudflare@7.3.0");
    if !install_step(
        &mut install,
        &home.join("node_modules/cloudflare/package.json"),
    ) {
        return;
    }
    let emulator = Emulator::start(Options::default()).unwrap();
    let mut node = Command::new("node");
    let calls = drive(&emulator, node.arg(script("drive.mjs")).current_dir(home));
    assert!(calls > 45, "{calls}");
    judge(&emulator, calls);
}
