//! Renewing, disabling, deleting: at both places.

use postern_fixtures::access::{At, Effect, Fault};
use postern_tests::Contract;
use serde_json::{Value, json};

use crate::support::{NAME, Stage, URL};

#[test]
fn renewing_moves_the_end_at_both_places_and_keeps_the_secret() {
    let stage = Stage::new();
    stage
        .create(&["--out", "token", "--class", "high"])
        .expect_code(0);
    let told = stage
        .run(&["token", "renew", NAME, "--duration", "60d"])
        .expect_code(0);
    assert!(told.stderr.contains("the same secret"), "{}", told.stderr);
    let token = &stage.tokens()[0];
    assert_eq!(token["duration"], "1440h");
    let ends = token["expires_at"].as_str().unwrap();
    let record = stage.record(NAME);
    assert_eq!(record["expires_at"].as_str().unwrap()[..19], ends[..19]);
    assert!(stage.opens("token"));
    stage
        .run(&["token", "renew", NAME, "--duration", "500d"])
        .expect_code(6);
}

#[test]
fn disabling_and_enabling_are_felt_at_the_edge() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    assert!(stage.opens("token"));
    stage.run(&["token", "disable", NAME]).expect_code(0);
    assert!(!stage.opens("token"));
    assert_eq!(stage.record(NAME)["state"], "disabled");
    stage.run(&["token", "enable", NAME]).expect_code(0);
    assert!(stage.opens("token"));
}

#[test]
fn a_disable_that_does_not_reach_cloudflare_is_pending_and_the_next_one_finishes_it() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let mut cut_off = stage.command(&["token", "disable", NAME]);
    cut_off.env("CLOUDFLARE_API_BASE", "http://127.0.0.1:9");
    let told = postern_tests::Output::of(&mut cut_off).expect_code(7);
    assert!(told.stderr.contains("gateways refuse"), "{}", told.stderr);
    assert_eq!(stage.record(NAME)["state"], "disabled");
    let pending = |stage: &Stage| {
        let status = stage.run(&["status", "-o", "json"]).json();
        status["edge_pending"].as_array().map(Vec::len)
    };
    assert_eq!(pending(&stage), Some(1));
    stage.run(&["token", "disable", NAME]).expect_code(0);
    assert_eq!(pending(&stage), Some(0));
    assert!(!stage.opens("token"));
}

#[test]
fn a_pending_disable_is_finished_by_the_next_round_of_sync() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let mut cut_off = stage.command(&["token", "disable", NAME]);
    cut_off.env("CLOUDFLARE_API_BASE", "http://127.0.0.1:9");
    postern_tests::Output::of(&mut cut_off).expect_code(7);
    assert_eq!(stage.tokens()[0]["enabled"], true);
    stage.run(&["cloudflare", "sync", "--once"]);
    assert_eq!(stage.tokens()[0]["enabled"], false);
    let status = stage.run(&["status", "-o", "json"]).json();
    assert_eq!(status["edge_pending"], json!([]));
}

#[test]
fn of_several_pending_disables_one_that_fails_does_not_stop_the_others() {
    let stage = Stage::new();
    let names = ["ci-first-prod", "ci-second-prod", "ci-third-prod"];
    for name in names {
        let create = ["token", "create", name, "--at", "cloudflare", "--out", name];
        stage.run(&create).expect_code(0);
        let mut cut_off = stage.command(&["token", "disable", name]);
        cut_off.env("CLOUDFLARE_API_BASE", "http://127.0.0.1:9");
        postern_tests::Output::of(&mut cut_off).expect_code(7);
    }
    // In use again since: what was pending of it is done with.
    stage.run(&["token", "enable", names[2]]).expect_code(0);
    let refusing = Fault::on("PUT", "*/service_tokens/*", Effect::Forbidden);
    stage.emulator.inject(refusing);
    let told = stage.run(&["cloudflare", "sync", "--once"]);
    assert_ne!(told.code, Some(0), "{}", told.stderr);
    let enabled = |name: &str| {
        let tokens = stage.tokens();
        tokens.iter().find(|token| token["name"] == name).unwrap()["enabled"] == true
    };
    assert_eq!(names.map(enabled), [true, false, true]);
    let status = stage.run(&["status", "-o", "json"]).json();
    let pending = status["edge_pending"].as_array().unwrap();
    assert_eq!(pending.len(), 1);
    assert!(pending[0].to_string().contains(names[0]), "{}", pending[0]);
}

#[test]
fn in_another_account_a_token_is_not_looked_for_and_not_taken_for_gone() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let another = "0123456789abcdef0123456789abcdef";
    for command in ["delete", "renew", "enable", "disable"] {
        let mut elsewhere = stage.command(&["token", command, NAME]);
        elsewhere.env("CLOUDFLARE_ACCOUNT_ID", another);
        let told = postern_tests::Output::of(&mut elsewhere);
        assert!(
            matches!(told.code, Some(5 | 7)),
            "{command}: {}",
            told.stderr
        );
        assert!(told.stderr.contains(another), "{command}: {}", told.stderr);
    }
    assert_eq!(stage.tokens().len(), 1);
    stage.run(&["token", "delete", NAME]).expect_code(0);
    assert_eq!(stage.tokens().len(), 0);
}

#[test]
fn a_namesake_that_an_unanswered_mint_cannot_have_left_is_not_deleted_with_it() {
    let stage = Stage::new();
    let cut = Effect::Cut { at: At::After };
    stage
        .emulator
        .inject(Fault::on("POST", "*/service_tokens", cut));
    assert_ne!(stage.create(&["--out", "token"]).code, Some(0));
    let namesake = json!({ "name": NAME, "duration": "8760h" });
    stage
        .emulator
        .as_somebody_else("POST", "access/service_tokens", namesake);
    assert_eq!(stage.tokens().len(), 2);
    let refused = stage.run(&["token", "delete", NAME]).expect_code(7);
    assert!(refused.stderr.contains("several"), "{}", refused.stderr);
    assert_eq!(stage.tokens().len(), 2);
}

#[test]
fn as_json_each_change_says_what_the_token_is_now() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let changed = |change: &str| {
        let told = stage.run(&["token", change, NAME, "-o", "json"]);
        told.expect_code(0).json()
    };
    for (change, state) in [
        ("disable", "disabled"),
        ("enable", "enabled"),
        ("renew", "enabled"),
        ("delete", "deleted"),
    ] {
        let before = stage.record(NAME);
        let token = changed(change);
        assert_eq!(token["schema"], "postern.token/1", "{change}");
        assert_eq!(token["state"], state, "{change}");
        for field in ["name", "client_id", "class"] {
            assert_eq!(token[field], before[field], "{change}");
        }
        if change == "renew" {
            assert_eq!(token["previous_expires_at"], before["expires_at"]);
        }
    }
}

#[test]
fn as_json_a_test_has_a_verdict_for_each_url_also_where_one_does_not_open() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let app = json!({ "type": "self_hosted", "name": "Other", "domain": "other.example.com" });
    stage.emulator.as_somebody_else("POST", "access/apps", app);
    let other = "https://other.example.com/";
    let test = [
        "token",
        "test",
        NAME,
        "--attempts",
        "1",
        "-o",
        "json",
        "--url",
        URL,
        "--url",
        other,
    ];
    let tried = stage.run_with_edge(&test);
    assert_ne!(tried.code, Some(0));
    let told = tried.json();
    assert_eq!(told["schema"], "postern.token-test/1");
    let passed = |at: usize| {
        (
            told["urls"][at]["url"].clone(),
            told["urls"][at]["passed"].clone(),
        )
    };
    assert_eq!(passed(0), (json!(URL), json!(true)));
    assert_eq!(passed(1), (json!(other), json!(false)));
    assert_eq!(told["urls"][0]["verdict"], "passed");
}

#[test]
fn deleting_takes_the_token_out_of_our_policies_first() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    stage.run(&["token", "delete", NAME]).expect_code(0);
    assert_eq!(stage.tokens().len(), 0);
    let left = stage.policies();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["id"], stage.people.as_str());
    assert_eq!(stage.record(NAME), Value::Null);
    stage.run(&["token", "delete", NAME]).expect_code(3);
}

#[test]
fn while_something_foreign_names_the_token_nothing_is_deleted_and_it_is_listed() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let id = stage.tokens()[0]["id"].clone();
    let group = json!({ "name": "robots", "include": [{ "service_token": { "token_id": id } }] });
    stage
        .emulator
        .as_somebody_else("POST", "access/groups", group);
    let refused = stage.run(&["token", "delete", NAME]).expect_code(5);
    assert!(
        refused.stderr.contains("group \"robots\""),
        "{}",
        refused.stderr
    );
    assert!(stage.opens("token"));
    assert_eq!(stage.policies().len(), 2);
}

#[test]
fn show_says_where_a_token_is_good_and_what_names_it() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let shown = stage
        .run(&["token", "show", NAME, "-o", "json"])
        .expect_code(0)
        .json();
    assert_eq!(shown["cloudflare"]["id"], stage.tokens()[0]["id"]);
    assert_eq!(shown["cloudflare"]["exists"], true);
    assert_eq!(shown["cloudflare"]["policies"].as_array().unwrap().len(), 1);
    stage
        .run(&["token", "show", "ci-other-prod"])
        .expect_code(3);
}

#[test]
fn every_call_of_a_tokens_whole_life_is_one_that_the_api_documents() {
    let Some(contract) = Contract::load() else {
        return;
    };
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let rotate = [
        "token", "rotate", NAME, "--out", "token", "--force", "--reason", "a test",
    ];
    for step in [
        &["token", "show", NAME][..],
        &["token", "list", "--unused", "30d"],
        &["token", "renew", NAME],
        &["token", "disable", NAME],
        &["token", "enable", NAME],
        &rotate,
        &[&rotate[..], &["--parallel"]].concat(),
        &["token", "delete", "ci-deploy-prod-v2"],
    ] {
        stage.run(step).expect_code(0);
    }
    let calls = contract.expect_all(&stage.emulator.exchanges());
    assert!(calls > 20, "{calls}");
}

#[test]
fn a_revoked_devices_token_is_disabled_at_both_places_even_if_cloudflare_is_out_of_reach_at_first()
{
    let stage = Stage::new();
    let issue = ["cert", "issue", "press-1", "--out", "press-1"];
    stage.run(&issue).expect_code(0);
    let of_device = ["--out", "token", "--device", "press-1"];
    stage.create(&of_device).expect_code(0);
    assert!(stage.opens("token"));
    let revoke = ["device", "revoke", "press-1"];
    let mut cut_off = stage.command(&revoke);
    cut_off.env("CLOUDFLARE_API_BASE", "http://127.0.0.1:9");
    let told = postern_tests::Output::of(&mut cut_off).expect_code(7);
    assert!(told.stderr.contains("gateways refuse"), "{}", told.stderr);
    assert_eq!(stage.record(NAME)["state"], "disabled");
    assert!(stage.opens("token"), "Cloudflare was not told");
    stage.run(&revoke).expect_code(0);
    assert!(!stage.opens("token"));
    let status = stage.run(&["status", "-o", "json"]).json();
    assert_eq!(status["edge_pending"], json!([]));
    // What is refused here is not let in there either.
    stage.run(&["token", "enable", NAME]).expect_code(5);
    assert!(!stage.opens("token"));
}

#[test]
fn no_token_is_minted_for_a_device_that_is_not_there() {
    let stage = Stage::new();
    let refused = stage.create(&["--out", "token", "--device", "press-1"]);
    assert!(refused.stderr.contains("there is no device"), "{refused:?}");
    refused.expect_code(3);
    assert_eq!(stage.tokens(), Vec::<Value>::new());
}
