//! What a log proves: a silence that it does not cover is none.

use std::time::Instant;

use postern_tests::PATIENCE;
use serde_json::{Value, json};

use crate::support::{NAME, Stage};

const LONG_AGO: &str = "2020-01-01T00:00:00Z";

/// A line of a gateway's events.
fn event(time: &Value, sha256: &Value) -> String {
    let event = json!({
        "time": time, "event": "request", "decision": "permit", "secret_sha256": sha256,
    });
    format!("{event}\n")
}

/// Resumes with these events until it waits for that reason.
fn waits_because(stage: &Stage, events: &str, why: &str) {
    std::fs::write(stage.postern.path("events"), events).unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let waiting = stage.rotate(&["--resume", "--events", "events"]);
        let waiting = waiting.expect_code(10);
        if waiting.stderr.contains(why) {
            break;
        }
        assert!(Instant::now() < deadline, "{}", waiting.stderr);
    }
    assert_eq!(stage.record(NAME)["secrets"].as_array().unwrap().len(), 2);
}

/// Resumes with these events until it is done; the evidence.
fn comes_to_its_end(stage: &Stage, events: &str) -> String {
    std::fs::write(stage.postern.path("events"), events).unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let went = stage.rotate(&["--resume", "--events", "events", "-o", "json"]);
        if went.code == Some(0) {
            return went.json()["evidence"].as_str().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "{}", went.stderr);
    }
}

/// The SHA-256 of the old and of the new secret, and the time.
fn facts(stage: &Stage) -> [Value; 3] {
    let record = stage.record(NAME);
    let [old, new] = [0, 1].map(|at| record["secrets"][at]["sha256"].clone());
    [old, new, stage.tokens()[0]["updated_at"].clone()]
}

#[test]
fn events_that_begin_within_the_quiet_time_prove_no_quiet() {
    let stage = Stage::minted();
    stage.rotate(&["--quiet-for", "1h"]).expect_code(10);
    let [_, new, now] = facts(&stage);
    waits_because(&stage, &event(&now, &new), "what was before is not known");
    let older = event(&json!(LONG_AGO), &Value::Null) + &event(&now, &new);
    // They go back far enough; the new secret must have been there for an hour.
    waits_because(&stage, &older, "must be quiet for 3600 s");
}

#[test]
fn the_evidence_names_each_log_and_what_its_silence_is_worth() {
    let stage = Stage::minted();
    stage.rotate(&["--quiet-for", "0s"]).expect_code(10);
    let [_, new, _] = facts(&stage);
    let seen = event(&json!("2099-01-01T00:00:00Z"), &new);
    let events = event(&json!(LONG_AGO), &Value::Null) + &seen;
    let evidence = comes_to_its_end(&stage, &events);
    assert!(
        evidence.contains("looked at: the gateways' events of the last "),
        "{evidence}"
    );
}

#[test]
fn when_the_overlap_is_over_gateways_that_still_see_the_old_secret_keep_it() {
    let stage = Stage::minted();
    stage.rotate(&["--overlap", "1s"]).expect_code(10);
    let [old, _, now] = facts(&stage);
    waits_because(&stage, &event(&now, &old), "saw the old secret");
    // Nobody knows what was in the part that was rotated away.
    waits_because(
        &stage,
        &event(&now, &Value::Null),
        "what was before is not known",
    );
    let evidence = comes_to_its_end(&stage, &event(&json!(LONG_AGO), &old));
    assert!(evidence.contains("no gateway saw it"), "{evidence}");
    assert_eq!(stage.record(NAME)["secrets"].as_array().unwrap().len(), 1);
}
