//! A revocation closes the edge too, and never waits for it.

use std::fs;

use postern_fixtures::access::{At, Effect, Fault};
use postern_tests::Output;
use serde_json::{Value, json};

use crate::support::{Account, CONFIG};

fn excluded(account: &Account) -> Value {
    let policies = account.look(&format!("access/apps/{}/policies", account.app_id()));
    let policies = policies.as_array().unwrap().iter();
    let mut probes = policies.filter(|policy| policy["name"] == "probes (mTLS)");
    probes.next().unwrap()["exclude"].clone()
}

/// `device-1` is out of its group, and excluded where any certificate of the CA passes.
fn assert_taken_out(account: &Account, revoked: &Output) {
    assert!(
        revoked
            .stderr
            .contains("No policy of the account admits device-1"),
        "{}",
        revoked.stderr
    );
    let groups = account.look("access/groups");
    assert_eq!(
        groups[0]["include"],
        json!([{ "common_name": { "common_name": "device-2" } }])
    );
    // The other policy would admit it as it admits any certificate of the CA.
    assert_eq!(
        excluded(account),
        json!([{ "common_name": { "common_name": "device-1" } }])
    );
    drop(account.run(&["cloudflare", "plan"]).expect_code(0));
    account.check_contract();
}

#[test]
fn a_revoked_name_leaves_its_group_and_is_excluded_where_any_certificate_passes() {
    let account = Account::applied();
    let revoked = account.run(&["cert", "revoke", "device-1"]).expect_code(0);
    assert_taken_out(&account, &revoked);
}

#[test]
fn what_the_edge_goes_on_admitting_is_said() {
    let account = Account::applied();
    let policies = format!("access/apps/{}/policies", account.app_id());
    let theirs = json!({ "name": "lab", "decision": "non_identity", "precedence": 9,
        "include": [{ "certificate": {} }] });
    account.emulator.as_somebody_else("POST", &policies, theirs);
    let revoked = account.run(&["cert", "revoke", "device-1"]).expect_code(0);
    assert!(
        revoked.stderr.contains("telemetry / lab"),
        "{}",
        revoked.stderr
    );
    drop(
        account
            .postern
            .run(&["cert", "issue", "device-2", "--out", "second"])
            .expect_code(0),
    );
    let list = account.postern.run(&["cert", "list", "-o", "json"]).json();
    let rows = list["items"].as_array().unwrap().iter();
    let mut serial = rows
        .filter(|row| row["common_name"] == "device-2")
        .map(|row| row["serial"].as_str().unwrap());
    let revoked = account
        .run(&["cert", "revoke", "--serial", serial.next_back().unwrap()])
        .expect_code(0);
    assert!(
        revoked.stderr.contains("another certificate that is good"),
        "{}",
        revoked.stderr
    );
}

#[test]
fn an_unreachable_api_leaves_the_revocation_done_here_and_pending_there() {
    let account = Account::applied();
    let unreachable = account
        .command(&["cert", "revoke", "device-1"])
        .env("CLOUDFLARE_API_BASE", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(unreachable.status.code(), Some(7));
    let told = String::from_utf8_lossy(&unreachable.stderr).into_owned();
    assert!(told.contains("revoked here"), "{told}");
    let shown = account
        .postern
        .run(&["cert", "show", "device-1", "-o", "json"]);
    assert!(shown.stdout.contains("revoked"), "{}", shown.stdout);
    let status = account.postern.run(&["status"]);
    assert!(status.stdout.contains("device-1"), "{}", status.stdout);
    drop(account.run(&["cloudflare", "apply"]).expect_code(0));
    let status = account.json(&["cloudflare", "status"]);
    assert_eq!(status["pending"], json!([]));
    assert_eq!(
        excluded(&account),
        json!([{ "common_name": { "common_name": "device-1" } }])
    );
}

#[test]
fn what_another_tool_has_to_take_out_is_told_by_name() {
    let account = Account::applied();
    let unreachable = account
        .command(&["cert", "revoke", "device-1"])
        .env("CLOUDFLARE_API_BASE", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(unreachable.status.code(), Some(7));
    account.configure(&CONFIG.replace("session_duration = \"24h\"", "managed_by = \"terraform\""));
    let applied = account.run(&["cloudflare", "apply"]).expect_code(0);
    let told = "admits device-1: telemetry / factory (mTLS) lists it";
    assert!(applied.stderr.contains(told), "{}", applied.stderr);
    assert_eq!(
        account.json(&["cloudflare", "status"])["pending"],
        json!([])
    );
}

#[test]
fn a_revocation_that_fails_half_way_at_the_edge_is_partial_and_finished_by_sync() {
    let account = Account::applied();
    let refused = Effect::ServerError {
        status: 500,
        at: At::Before,
    };
    let fault = Fault {
        times: 10,
        ..Fault::on("PUT", "*/policies/*", refused)
    };
    account.emulator.inject(fault);
    drop(account.run(&["cert", "revoke", "device-1"]).expect_code(7));
    account.emulator.clear_faults();
    drop(
        account
            .run(&["cloudflare", "sync", "--once"])
            .expect_code(0),
    );
    assert_eq!(
        excluded(&account),
        json!([{ "common_name": { "common_name": "device-1" } }])
    );
    drop(account.run(&["cloudflare", "plan"]).expect_code(0));
}

#[test]
fn no_edge_leaves_the_edge_alone_and_a_home_without_an_edge_asks_for_nothing() {
    let account = Account::applied();
    let before = account.emulator.exchanges().len();
    drop(
        account
            .run(&["cert", "revoke", "device-1", "--no-edge"])
            .expect_code(0),
    );
    assert_eq!(account.emulator.exchanges().len(), before);
    let never_pushed = Account::new();
    drop(
        never_pushed
            .run(&["cert", "revoke", "device-1"])
            .expect_code(0),
    );
    assert_eq!(never_pushed.emulator.exchanges().len(), 0);
}

#[test]
fn a_mistake_in_the_configuration_does_not_keep_anybody_from_revoking() {
    let account = Account::applied();
    account.configure("[cloudflare]\nhostnames = 5\n");
    drop(account.run(&["cert", "revoke", "device-1"]).expect_code(0));
    let groups = account.look("access/groups");
    assert_eq!(
        groups[0]["include"],
        json!([{ "common_name": { "common_name": "device-2" } }]),
        "and the edge is closed too"
    );
}

#[test]
fn a_revoked_device_is_taken_out_with_every_certificate_it_has() {
    let account = Account::applied();
    let renew = ["cert", "renew", "device-1", "--out", "renewed"];
    drop(account.postern.run(&renew).expect_code(0));
    let revoked = account
        .run(&["device", "revoke", "device-1"])
        .expect_code(0);
    assert_taken_out(&account, &revoked);
}

#[test]
fn a_revoked_device_that_the_edge_was_not_told_of_is_finished_by_sync() {
    let account = Account::applied();
    let revoke = ["device", "revoke", "device-1"];
    let unreachable = account
        .command(&revoke)
        .env("CLOUDFLARE_API_BASE", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(unreachable.status.code(), Some(7));
    let told = String::from_utf8_lossy(&unreachable.stderr).into_owned();
    assert!(told.contains("revoked here"), "{told}");
    let shown = account.postern.run(&["device", "show", "device-1"]);
    assert!(shown.stdout.contains("revoked"), "{}", shown.stdout);
    let status = account.json(&["cloudflare", "status"]);
    assert_eq!(status["pending"].as_array().unwrap().len(), 1);
    drop(
        account
            .run(&["cloudflare", "sync", "--once"])
            .expect_code(0),
    );
    let status = account.json(&["cloudflare", "status"]);
    assert_eq!(status["pending"], json!([]));
    let out = json!([{ "common_name": { "common_name": "device-1" } }]);
    assert_eq!(excluded(&account), out);
    // The same command would have done it, and finds nothing to do now.
    drop(account.run(&revoke).expect_code(0));
}

#[test]
fn the_same_device_revoke_finishes_what_it_left_open_and_no_edge_leaves_the_edge_alone() {
    let account = Account::applied();
    let before = account.emulator.exchanges().len();
    let no_edge = ["device", "revoke", "device-2", "--no-edge"];
    drop(account.run(&no_edge).expect_code(0));
    assert_eq!(account.emulator.exchanges().len(), before);
    let revoke = ["device", "revoke", "device-1"];
    let unreachable = account
        .command(&revoke)
        .env("CLOUDFLARE_API_BASE", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(unreachable.status.code(), Some(7));
    drop(account.run(&revoke).expect_code(0));
    let out = json!([{ "common_name": { "common_name": "device-1" } }]);
    assert_eq!(excluded(&account), out);
}

/// Something ends the command between the revocation and the edge; here, a journal that cannot be
/// written, since that can be made to happen at exactly that place.
#[test]
fn a_revocation_that_never_came_to_the_edge_is_pending_and_finished_by_the_same_command() {
    for what in ["cert", "device"] {
        let account = Account::applied();
        let journal = account.postern.path("postern-home/public/journal");
        let away = account.postern.path("postern-home/journal-away");
        fs::rename(&journal, &away).unwrap();
        fs::write(&journal, "").unwrap();
        let revoke = [what, "revoke", "device-1"];
        let before = account.emulator.exchanges().len();
        drop(account.run(&revoke).expect_code(1));
        assert_eq!(account.emulator.exchanges().len(), before, "{what}");
        let status = account.postern.run(&["status", "-o", "json"]).json();
        let pending = &status["edge_pending"];
        assert_eq!(pending[0]["names"], json!(["device-1"]), "{what}");

        fs::remove_file(&journal).unwrap();
        fs::rename(&away, &journal).unwrap();
        drop(account.run(&revoke).expect_code(0));
        let out = json!([{ "common_name": { "common_name": "device-1" } }]);
        assert_eq!(excluded(&account), out, "{what}");
        let status = account.postern.run(&["status", "-o", "json"]).json();
        assert_eq!(status["edge_pending"], json!([]), "{what}");
    }
}

#[test]
fn trying_in_vain_again_leaves_one_change_and_a_name_that_is_good_again_leaves_none() {
    let account = Account::applied();
    let revoke = ["cert", "revoke", "device-1"];
    for _ in 0..2 {
        let mut cut_off = account.command(&revoke);
        cut_off.env("CLOUDFLARE_API_BASE", "http://127.0.0.1:1");
        drop(Output::of(&mut cut_off).expect_code(7));
        let status = account.json(&["cloudflare", "status"]);
        assert_eq!(status["pending"].as_array().unwrap().len(), 1);
    }
    let issue = ["cert", "issue", "device-1", "--out", "second"];
    drop(account.postern.run(&issue).expect_code(0));
    let other = account.run(&["cert", "revoke", "probe-1"]).expect_code(0);
    assert!(!other.stderr.contains("device-1"), "{}", other.stderr);
    let cert = account.postern.path("clients/device-1.crt");
    let again = ["cert", "revoke", "--cert", cert.to_str().unwrap()];
    drop(account.run(&again).expect_code(0));
    let status = account.json(&["cloudflare", "status"]);
    assert_eq!(status["pending"], json!([]));
}
