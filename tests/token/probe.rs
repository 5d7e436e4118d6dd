//! `token test`: what the edge's answers mean.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{NAME, Stage, URL};

fn test(stage: &Stage, more: &[&str]) -> postern_tests::Output {
    let test = [
        "token",
        "test",
        "--credentials",
        "token",
        "--url",
        URL,
        "--attempts",
        "1",
    ];
    stage.run_with_edge(&[&test[..], more].concat())
}

#[test]
fn a_token_that_no_policy_admits_is_exit_4_and_nobody_there_is_exit_8() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    test(&stage, &[]).expect_code(0);
    stage
        .run(&[
            "token",
            "test",
            NAME,
            "--url",
            URL,
            "--connect-to",
            "127.0.0.1:9",
            "--attempts",
            "1",
        ])
        .expect_code(8);
    let ours = stage
        .policies()
        .into_iter()
        .find(|policy| policy["id"] != stage.people.as_str());
    let id = ours.unwrap()["id"].as_str().unwrap().to_owned();
    let path = format!("access/apps/{}/policies/{id}", stage.app);
    stage
        .emulator
        .as_somebody_else("DELETE", &path, Value::Null);
    let refused = test(&stage, &[]).expect_code(4);
    assert!(refused.stderr.contains("propagating"), "{}", refused.stderr);
    assert!(refused.stderr.contains("allow"), "{}", refused.stderr);
}

#[test]
fn the_secret_is_taken_from_standard_input_too() {
    let stage = Stage::new();
    stage
        .create(&["--out", "token", "--format", "json"])
        .expect_code(0);
    let edge = stage.emulator.edge().unwrap().to_string();
    let mut test = stage.command(&[
        "token",
        "test",
        NAME,
        "--credentials",
        "-",
        "--url",
        URL,
        "--cacert",
        "edge.pem",
        "--connect-to",
        &edge,
    ]);
    let file = std::fs::File::open(stage.postern.path("token")).unwrap();
    postern_tests::Output::of(test.stdin(file)).expect_code(0);
    // Somebody else's credentials are told before they are sent.
    std::fs::write(stage.postern.path("other"), "aa.access:secret\n").unwrap();
    stage
        .run(&[
            "token",
            "test",
            NAME,
            "--credentials",
            "other",
            "--url",
            URL,
        ])
        .expect_code(5);
    std::fs::write(stage.postern.path("nonsense"), "nothing").unwrap();
    stage
        .run(&["token", "test", "--credentials", "nonsense", "--url", URL])
        .expect_code(2);
}

#[test]
fn echo_says_which_headers_arrived_and_never_shows_the_secret() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let (_, secret) = stage.pair("token");
    let echoed = test(&stage, &["--echo", "-o", "json"]).expect_code(0);
    assert!(!echoed.stdout.contains(&secret) && !echoed.stderr.contains(&secret));
    let echoed = echoed.json();
    let jwt = echoed["items"].as_array().unwrap().iter().find(|item| {
        item["header"]
            .as_str()
            .unwrap()
            .eq_ignore_ascii_case("cf-access-jwt-assertion")
    });
    assert_eq!(jwt.unwrap()["passage"], "arrived");
}

#[test]
fn the_single_header_is_for_applications_that_read_it() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    test(&stage, &["--header", "authorization"]).expect_code(4);
    let path = format!("access/apps/{}", stage.app);
    let mut app = stage.emulator.as_somebody_else("GET", &path, Value::Null);
    app["read_service_tokens_from_header"] = json!("Authorization");
    stage.emulator.as_somebody_else("PUT", &path, app);
    test(&stage, &["--header", "authorization"]).expect_code(0);
}

#[test]
fn as_a_health_probe_it_writes_a_line_each_time() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let edge = stage.emulator.edge().unwrap().to_string();
    let mut probe = stage.command(&[
        "token",
        "test",
        "--credentials",
        "token",
        "--url",
        URL,
        "--every",
        "1s",
        "-o",
        "jsonl",
        "--cacert",
        "edge.pem",
        "--connect-to",
        &edge,
    ]);
    let mut child = probe.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.take(2) {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(line["schema"], "postern.probe/1");
        assert_eq!(line["passed"], true, "{line}");
        assert_eq!(line["verdict"], "passed");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
