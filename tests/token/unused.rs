//! `token list --unused`: a token at Cloudflare is unused only by Cloudflare's own word.

use std::process::Command;
use std::time::Duration;

use postern_fixtures::access::{Effect, Fault};
use postern_tests::{Output, skip_without};

use crate::support::{HOST, Stage};

const DAY: u64 = 24 * 60 * 60;

/// `token list --unused 30d` as it will be in forty days; the names.
fn unused(stage: &Stage, api_token: Option<&str>, more: &[&str]) -> (Output, Vec<String>) {
    let list = ["token", "list", "--unused", "30d", "-o", "json"];
    let plain = stage.command(&[&list[..], more].concat());
    let mut command = Command::new("faketime");
    command
        .args(["-f", "+40d"])
        .arg(plain.get_program())
        .args(plain.get_args());
    command.current_dir(stage.postern.folder()).env_clear();
    let envs = plain
        .get_envs()
        .filter_map(|(key, value)| Some((key, value?)));
    command.envs(envs).env_remove("CLOUDFLARE_API_TOKEN");
    if let Some(token) = api_token {
        command.env("CLOUDFLARE_API_TOKEN", token);
    }
    let output = Output::of(&mut command);
    let names = match output.code {
        Some(0) => {
            let listed = output.json();
            let items = listed["items"].as_array().unwrap().iter();
            items
                .map(|item| item["name"].as_str().unwrap().to_owned())
                .collect()
        }
        _ => Vec::new(),
    };
    (output, names)
}

/// Two tokens at Cloudflare; one of them is used ten days before the list is asked for, after that
/// was looked at once.
fn stage() -> Stage {
    let stage = Stage::new();
    for name in ["ci-never-prod", "ci-used-prod"] {
        let create = [
            "token",
            "create",
            name,
            "--at",
            "cloudflare",
            "--app",
            HOST,
            "--out",
            name,
        ];
        stage.run(&create).expect_code(0);
        stage.run(&["token", "show", name]).expect_code(0);
    }
    stage.emulator.advance(Duration::from_secs(30 * DAY));
    assert!(stage.opens("ci-used-prod"));
    stage
}

#[test]
fn with_an_api_token_cloudflare_is_asked_and_without_gateways_its_word_is_enough() {
    if skip_without("faketime") {
        return;
    }
    let stage = stage();
    let api_token = stage.emulator.api_token();
    let (told, names) = unused(&stage, Some(&api_token), &[]);
    assert_eq!(names, ["ci-never-prod"], "{}", told.stderr);
    // A gateway may have seen what Cloudflare did not.
    std::fs::write(stage.postern.path("events"), "").unwrap();
    let (told, names) = unused(&stage, Some(&api_token), &["--events", "events"]);
    assert_eq!(names, ["ci-never-prod"], "{}", told.stderr);
}

#[test]
fn what_cloudflare_was_not_asked_about_is_not_called_unused() {
    if skip_without("faketime") {
        return;
    }
    let stage = stage();
    std::fs::write(stage.postern.path("events"), "").unwrap();
    let events = ["--events", "events"];
    let (told, names) = unused(&stage, None, &events);
    assert_eq!(names, Vec::<String>::new());
    assert!(
        told.stderr.contains("2 tokens may have been used"),
        "{}",
        told.stderr
    );
    let api_token = stage.emulator.api_token();
    let refused = Fault::on("GET", "*/service_tokens*", Effect::Forbidden);
    stage.emulator.inject(refused);
    let (told, names) = unused(&stage, Some(&api_token), &events);
    assert_eq!(names, Vec::<String>::new());
    assert!(told.stderr.contains("was not asked"), "{}", told.stderr);
    // With nobody to ask, nothing is claimed.
    let (told, _) = unused(&stage, None, &[]);
    told.expect_code(2);
}
