//! `token rotate`: the old secret goes on evidence, and no interruption is fatal.

use std::time::Instant;

use postern_fixtures::access::{Effect, Fault};
use postern_tests::{MIXED, PATIENCE, Site, TestGateway, skip_without};
use serde_json::Value;

use crate::support::{NAME, Stage, URL};

/// Old and new secret as files that `curl -H @FILE` takes.
fn status(site: &Site, gateway: &TestGateway, headers: &str) -> String {
    let header = format!("@{headers}");
    let url = gateway.url(MIXED, "/");
    let args = ["-o", "body", "-w", "%{http_code}", "-H", &header, &url];
    gateway.curl(site, &args).expect_code(0).stdout
}

fn becomes(site: &Site, gateway: &TestGateway, headers: &str, expected: &str) {
    let deadline = Instant::now() + PATIENCE;
    while status(site, gateway, headers) != expected {
        assert!(Instant::now() < deadline, "{headers} never gets {expected}");
    }
}

#[test]
fn at_the_gateway_the_old_secret_goes_when_the_events_show_only_the_new_one() {
    if skip_without("curl") {
        return;
    }
    let site = Site::new();
    let headers = |out: &'static str| ["--out", out, "--format", "headers"];
    let create = [&["token", "create", NAME][..], &headers("old")].concat();
    site.postern.run(&create).expect_code(0);
    let gateway = TestGateway::run(&site);
    becomes(&site, &gateway, "old", "200");

    let rotate = ["token", "rotate", NAME, "--quiet-for", "0s"];
    let rotate = [&rotate[..], &headers("new")].concat();
    let waiting = site.postern.run(&rotate).expect_code(10);
    assert!(
        waiting.stderr.contains("did not see the new secret"),
        "{}",
        waiting.stderr
    );
    becomes(&site, &gateway, "new", "200");
    assert_eq!(status(&site, &gateway, "old"), "200", "both are good");
    gateway.event(|event| event["client_id"].is_string() && event["secret_sha256"].is_string());
    let resume = ["token", "rotate", NAME, "--resume", "-o", "json"];
    let done = site.postern.run(&resume).expect_code(0).json();
    assert_eq!(done["stage"], "done");
    assert!(
        done["evidence"]
            .as_str()
            .unwrap()
            .contains("gateways' events"),
        "{done}"
    );
    becomes(&site, &gateway, "old", "401");
    assert_eq!(status(&site, &gateway, "new"), "200");
}

#[test]
fn while_the_old_secret_is_in_use_it_stays() {
    if skip_without("curl") {
        return;
    }
    let site = Site::new();
    let create = [
        "token", "create", NAME, "--out", "old", "--format", "headers",
    ];
    site.postern.run(&create).expect_code(0);
    let gateway = TestGateway::run(&site);
    let rotate = [
        "token", "rotate", NAME, "--out", "new", "--format", "headers",
    ];
    site.postern.run(&rotate).expect_code(10);
    becomes(&site, &gateway, "new", "200");
    becomes(&site, &gateway, "old", "200");
    let resume = ["token", "rotate", NAME, "--resume"];
    let deadline = Instant::now() + PATIENCE;
    loop {
        let waiting = site.postern.run(&resume).expect_code(10);
        if waiting.stderr.contains("saw the old secret") {
            break;
        }
        assert!(Instant::now() < deadline, "{}", waiting.stderr);
    }
    assert_eq!(status(&site, &gateway, "old"), "200");
    // Somebody who knows better says so, for the record.
    let forced = [
        &resume[..],
        &["--force", "--reason", "the consumer is gone"],
    ]
    .concat();
    site.postern.run(&forced).expect_code(0);
    becomes(&site, &gateway, "old", "401");
    let status = site
        .postern
        .run(&["token", "rotate", NAME, "--status", "-o", "json"]);
    let status = status.expect_code(0).json();
    let evidence = status["items"][0]["evidence"].as_str().unwrap().to_owned();
    assert!(evidence.contains("the consumer is gone"), "{evidence}");
}

#[test]
fn at_cloudflare_in_place_the_old_secret_stays_for_the_overlap_because_no_log_tells_them_apart() {
    let stage = Stage::minted();
    let waiting = stage.rotate(&["--test", URL]).expect_code(10);
    assert!(
        waiting.stderr.contains("ends by itself"),
        "{}",
        waiting.stderr
    );
    assert!(stage.opens("token") && stage.opens("old"));
    assert_ne!(stage.pair("token").1, stage.pair("old").1);
    assert_eq!(stage.pair("token").0, stage.pair("old").0);
    let forced = ["--resume", "--force", "--reason", "asked payments"];
    stage.rotate(&forced).expect_code(0);
    assert!(stage.opens("token"));
    assert!(!stage.opens("old"));
    assert_eq!(stage.record(NAME)["secrets"].as_array().unwrap().len(), 1);
}

#[test]
fn when_the_overlap_is_over_the_rotation_comes_to_its_end_by_itself() {
    let stage = Stage::minted();
    let deadline = Instant::now() + PATIENCE;
    let mut went = stage.rotate(&["--overlap", "1s"]);
    while went.code == Some(10) {
        assert!(Instant::now() < deadline, "{}", went.stderr);
        went = stage.rotate(&["--resume"]);
    }
    let done = went.expect_code(0);
    assert!(
        done.stdout.contains("ended at Cloudflare by itself"),
        "{}",
        done.stdout
    );
    assert!(stage.opens("token") && !stage.opens("old"));
}

#[test]
fn a_compromised_secret_has_no_overlap_and_is_seen_to_be_refused() {
    let stage = Stage::minted();
    let done = stage
        .rotate(&["--reason", "compromised", "--test", URL])
        .expect_code(0);
    assert!(
        done.stdout.contains("the old one is refused"),
        "{}",
        done.stdout
    );
    assert!(stage.opens("token") && !stage.opens("old"));
    assert_eq!(stage.record(NAME)["secrets"].as_array().unwrap().len(), 1);
}

#[test]
fn a_compromised_token_that_a_second_one_replaces_is_seen_to_be_refused_when_it_is_retired() {
    let stage = Stage::minted();
    let parallel = [
        "token",
        "rotate",
        NAME,
        "--parallel",
        "--reason",
        "compromised",
        "--out",
        "new",
        "--old",
        "token",
        "--test",
        URL,
    ];
    let done = stage.run_with_edge(&parallel).expect_code(0);
    assert!(
        done.stdout.contains("the old one is refused"),
        "{}",
        done.stdout
    );
    assert!(stage.opens("new"));
    assert!(!stage.opens("token"));
}

#[test]
fn a_compromise_found_under_way_ends_the_overlap() {
    for resumed in [&[][..], &["--resume"]] {
        let stage = Stage::minted();
        stage.rotate(&[]).expect_code(10);
        assert!(stage.opens("old"));
        let compromised = ["--reason", "compromised", "--test", URL];
        stage
            .rotate(&[resumed, &compromised].concat())
            .expect_code(0);
        assert!(stage.opens("token") && !stage.opens("old"));
        let listed = stage.run(&["token", "rotate", "--status", "-o", "json"]);
        assert_eq!(listed.json()["items"][0]["cause"], "compromised");
    }
}

#[test]
fn a_compromise_found_during_a_rotation_in_parallel_refuses_the_old_token_at_once() {
    let stage = Stage::minted();
    stage.rotate(&["--parallel"]).expect_code(10);
    assert!(stage.opens("token") && stage.opens("old"));
    let compromised = ["--reason", "compromised", "--old", "old", "--test", URL];
    let done = stage.rotate(&compromised).expect_code(0);
    assert!(
        done.stdout.contains("the old one is refused"),
        "{}",
        done.stdout
    );
    assert!(stage.opens("token") && !stage.opens("old"));
    assert_eq!(stage.record(NAME), Value::Null);
}

#[test]
fn what_is_not_what_the_rotation_under_way_was_begun_with_is_refused() {
    let stage = Stage::minted();
    stage.rotate(&[]).expect_code(10);
    for other in [
        &["--parallel"][..],
        &["--overlap", "2h"],
        &["--quiet-for", "0s"],
        &["--reason", "decommission"],
        &["--disable-first", "--reason", "to be sure"],
    ] {
        let refused = stage.rotate(other).expect_code(5);
        assert!(refused.stderr.contains("--resume"), "{}", refused.stderr);
    }
    for reason in ["to be sure", "compromised"] {
        let rotate = ["token", "rotate", NAME, "--reason", reason];
        let elsewhere = [&rotate[..], &["--out", "elsewhere"]].concat();
        let refused = stage.run(&elsewhere).expect_code(5);
        let told = "went to token, not to elsewhere";
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    stage.rotate(&["--overlap", "1h"]).expect_code(10);
    assert!(stage.opens("token") && stage.opens("old"));
}

#[test]
fn secrets_of_several_tokens_do_not_go_into_one_file() {
    let stage = Stage::minted();
    let all = ["token", "rotate", "--owner", "payments", "--out", "token"];
    let refused = stage.run(&all).expect_code(2);
    assert!(
        refused.stderr.contains("is no folder"),
        "{}",
        refused.stderr
    );
    assert!(stage.opens("token"));
}

#[test]
fn disabled_first_it_is_enabled_with_its_new_secret() {
    let stage = Stage::minted();
    let more = [
        "--reason",
        "compromised",
        "--disable-first",
        "--test",
        URL,
        "-o",
        "jsonl",
    ];
    let done = stage.rotate(&more).expect_code(0);
    let lines = done.stdout.lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let steps: Vec<String> = lines
        .filter_map(|line| line["step"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(
        steps,
        [
            "disable", "gateway", "mint", "deliver", "retire", "enable", "test", "test", "observe"
        ]
    );
    assert!(stage.opens("token") && !stage.opens("old"));
}

#[test]
fn a_run_that_ends_disabled_is_exit_7_and_says_so_last() {
    let stage = Stage::minted();
    let call = Fault::on("POST", "*/rotate", Effect::Forbidden);
    stage.emulator.inject(call);
    let more = ["--reason", "compromised", "--disable-first", "--test", URL];
    let failed = stage.rotate(&more).expect_code(7);
    let last = failed.stderr.lines().last().unwrap();
    assert!(
        last.contains("ci-deploy-prod is DISABLED"),
        "{}",
        failed.stderr
    );
    assert!(!stage.opens("old"));
    let listed = stage
        .run(&["token", "rotate", "--status", "-o", "json"])
        .expect_code(0)
        .json();
    assert_eq!(listed["items"][0]["disabled"], true);
    stage.rotate(&more).expect_code(0);
    assert!(stage.opens("token") && !stage.opens("old"));
}

#[test]
fn in_parallel_a_second_token_takes_over_in_the_same_policies() {
    let stage = Stage::minted();
    let waiting = stage
        .rotate(&["--parallel", "--quiet-for", "0s"])
        .expect_code(10);
    assert!(
        waiting.stderr.contains("Cloudflare's log did not see"),
        "{}",
        waiting.stderr
    );
    assert_eq!(stage.tokens().len(), 2);
    assert_ne!(stage.pair("token").0, stage.pair("old").0);
    assert!(stage.opens("token") && stage.opens("old"));
    stage.rotate(&["--resume"]).expect_code(0);
    assert!(stage.opens("token") && !stage.opens("old"));
    let names: Vec<Value> = stage
        .tokens()
        .iter()
        .map(|token| token["name"].clone())
        .collect();
    assert_eq!(names, ["ci-deploy-prod-v2"]);
    let policies = stage.policies();
    let names: Vec<&str> = policies
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    assert_eq!(names, ["people", "ci-deploy-prod-v2 (service token)"]);
    assert_eq!(stage.record(NAME), Value::Null);
}

#[test]
fn a_decommissioned_token_is_out_of_the_policies_and_gone() {
    let stage = Stage::minted();
    let rotate = ["token", "rotate", NAME, "--reason", "decommission"];
    stage.run(&rotate).expect_code(0);
    assert!(!stage.opens("old"));
    assert_eq!(stage.tokens().len(), 0);
    assert_eq!(stage.policies().len(), 1);
    assert_eq!(stage.record(NAME), Value::Null);
}

#[test]
fn all_tokens_of_somebody_who_left_are_rotated() {
    let stage = Stage::new();
    for name in ["pay-sync-prod", "pay-push-prod", "ops-probe-prod"] {
        let owner = if name.starts_with("pay") {
            "payments"
        } else {
            "operations"
        };
        let create = ["token", "create", name, "--owner", owner, "--out", name];
        stage.run(&create).expect_code(0);
    }
    std::fs::create_dir(stage.postern.path("new")).unwrap();
    let rotate = ["token", "rotate", "--owner", "payments", "--out", "new"];
    stage.run(&rotate).expect_code(10);
    let listed = stage
        .run(&["token", "rotate", "--status", "-o", "json"])
        .expect_code(0)
        .json();
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    for item in items {
        assert_eq!(item["cause"], "departure");
        assert_eq!(item["stage"], "delivered");
    }
    let forced = [&rotate[..], &["--force", "--reason", "nobody uses them"]].concat();
    stage.run(&forced).expect_code(0);
    for name in ["pay-sync-prod", "pay-push-prod"] {
        assert_ne!(stage.pair(&format!("new/{name}")), stage.pair(name));
        assert_eq!(stage.record(name)["secrets"].as_array().unwrap().len(), 1);
    }
    stage
        .run(&["token", "rotate", "--owner", "nobody", "--out", "new"])
        .expect_code(3);
}

#[test]
fn what_can_be_taken_back_is_given_up_and_what_cannot_is_not() {
    let stage = Stage::minted();
    let abort = ["token", "rotate", NAME, "--abort"];
    stage.run(&abort).expect_code(3);
    stage.rotate(&[]).expect_code(10);
    let refused = stage.run(&abort).expect_code(5);
    assert!(
        refused.stderr.contains("cannot be taken back"),
        "{}",
        refused.stderr
    );

    let stage = Stage::minted();
    stage.rotate(&["--parallel"]).expect_code(10);
    stage.run(&abort).expect_code(0);
    assert!(stage.opens("old") && !stage.opens("token"));
    assert_eq!(stage.tokens().len(), 1);
    assert_eq!(stage.policies().len(), 2);

    let stage = Stage::new();
    stage
        .run(&["token", "create", NAME, "--out", "token"])
        .expect_code(0);
    let before = stage.record(NAME);
    stage.rotate(&[]).expect_code(10);
    assert_ne!(stage.record(NAME)["secrets"], before["secrets"]);
    stage.run(&abort).expect_code(0);
    assert_eq!(stage.record(NAME)["secrets"], before["secrets"]);
}

#[test]
fn a_drill_goes_through_all_of_it_at_an_emulator_and_leaves_only_a_record() {
    let stage = Stage::new();
    let (policies, tokens) = (stage.policies(), stage.tokens());
    stage
        .run_with_edge(&["token", "rotate", "--drill", "--test", URL])
        .expect_code(0);
    assert_eq!((stage.policies(), stage.tokens()), (policies, tokens));
    let listed = stage
        .run(&["token", "rotate", "--status", "-o", "json"])
        .expect_code(0)
        .json();
    assert_eq!(listed["items"][0]["cause"], "drill");
    assert_eq!(listed["items"][0]["stage"], "done");
    let tokens = stage
        .run(&["token", "list", "-o", "json"])
        .expect_code(0)
        .json();
    assert_eq!(tokens["items"].as_array().unwrap().len(), 0);
    // Never on an account that somebody needs.
    let mut real = stage.command(&["token", "rotate", "--drill"]);
    real.env(
        "CLOUDFLARE_API_BASE",
        "https://api.cloudflare.com/client/v4",
    );
    postern_tests::Output::of(&mut real).expect_code(2);
}
