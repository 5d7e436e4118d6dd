//! `cloudflare sync`: the inventory, followed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::{Account, CONFIG};

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().unwrap();
    }
}

#[test]
fn sync_brings_new_and_revoked_certificates_and_says_how_far_it_is_behind() {
    let account = Account::applied();
    let args = [
        "cloudflare",
        "sync",
        "--interval",
        "1s",
        "--metrics",
        "edge.prom",
    ];
    let mut command = account.command(&args);
    let mut daemon = Daemon(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut rounds = BufReader::new(daemon.0.stdout.take().unwrap()).lines();
    let mut round = || -> Value { serde_json::from_str(&rounds.next().unwrap().unwrap()).unwrap() };
    assert_eq!(round()["changes"], 0);
    drop(
        account
            .postern
            .run(&["cert", "issue", "device-3", "--out", "clients"])
            .expect_code(0),
    );
    drop(
        account
            .run(&["cert", "revoke", "device-1", "--no-edge"])
            .expect_code(0),
    );
    let wanted = json!([
        { "common_name": { "common_name": "device-2" } },
        { "common_name": { "common_name": "device-3" } },
    ]);
    for _ in 0..20 {
        let told = round();
        assert_eq!(told["schema"], "postern.cloudflare-sync/1");
        if account.look("access/groups")[0]["include"] == wanted {
            break;
        }
    }
    assert_eq!(account.look("access/groups")[0]["include"], wanted);
    let metrics = fs::read_to_string(account.postern.path("edge.prom")).unwrap();
    assert!(
        metrics.contains("\npostern_edge_lag_seconds 0\n"),
        "{metrics}"
    );
}

#[test]
fn a_round_that_cannot_reach_the_edge_fails_and_the_lag_grows_from_the_revocation() {
    let account = Account::applied();
    let unreachable = "http://127.0.0.1:1";
    let mut revoke = account.command(&["cert", "revoke", "device-1"]);
    revoke.env("CLOUDFLARE_API_BASE", unreachable);
    assert_eq!(revoke.output().unwrap().status.code(), Some(7));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let mut sync = account.command(&["cloudflare", "sync", "--once", "--metrics", "edge.prom"]);
    sync.env("CLOUDFLARE_API_BASE", unreachable);
    assert_eq!(sync.output().unwrap().status.code(), Some(8));
    let metrics = fs::read_to_string(account.postern.path("edge.prom")).unwrap();
    assert!(
        !metrics.contains("\npostern_edge_lag_seconds 0\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\npostern_edge_sync_success 0\n"),
        "{metrics}"
    );
}

#[test]
fn a_conflict_does_not_keep_a_revocation_from_the_edge() {
    let account = Account::applied();
    let policies = format!("access/apps/{}/policies", account.app_id());
    let theirs = json!({ "name": "lab (mTLS)", "decision": "non_identity", "precedence": 9,
        "include": [{ "ip": { "ip": "192.0.2.0/24" } }] });
    account.emulator.as_somebody_else("POST", &policies, theirs);
    let lab = "[[application.policy]]\nname = \"lab\"\ndecision = \"non_identity\"\n\
               include = [{ common_name = \"lab-1\" }]\n";
    account.configure(&format!("{CONFIG}\n{lab}"));
    drop(
        account
            .run(&["cert", "revoke", "device-1", "--no-edge"])
            .expect_code(0),
    );
    drop(
        account
            .run(&["cloudflare", "sync", "--once"])
            .expect_code(5),
    );
    let groups = account.look("access/groups");
    let ours = groups
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"].as_str().unwrap().ends_with("#1"));
    assert_eq!(
        ours.unwrap()["include"],
        json!([{ "common_name": { "common_name": "device-2" } }])
    );
}
