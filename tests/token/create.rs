//! `token create --at cloudflare`: minted, opened, delivered, tried.

use serde_json::{Value, json};

use crate::support::{HOST, NAME, Stage, URL};

#[test]
fn one_command_mints_opens_delivers_and_tries_and_tells_each_step() {
    let stage = Stage::new();
    let create = [
        "token",
        "create",
        NAME,
        "--at",
        "cloudflare",
        "--app",
        HOST,
        "--class",
        "ci",
        "--owner",
        "payments",
        "--out",
        "token",
        "--test",
        URL,
        "-o",
        "jsonl",
    ];
    let made = stage.run_with_edge(&create).expect_code(0);
    let lines: Vec<Value> = made
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let steps: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["step"].as_str())
        .collect();
    let expected = [
        "destination",
        "application",
        "mint",
        "gateway",
        "policy",
        "deliver",
        "test",
    ];
    assert_eq!(steps, expected);
    let (id, secret) = stage.pair("token");
    assert!(!made.stdout.contains(&secret) && !made.stderr.contains(&secret));
    is_minted_and_opened(&stage, &id);
}

/// What one command makes: a token at both places, and its own policy beside that for people.
fn is_minted_and_opened(stage: &Stage, id: &str) {
    let tokens = stage.tokens();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0]["client_id"], id);
    assert_eq!(tokens[0]["duration"], "2160h");
    let record = stage.record(NAME);
    assert_eq!(record["client_id"], id);
    assert_eq!(record["at"], "cloudflare");
    assert_eq!(record["owner"], "payments");

    let policies = stage.policies();
    assert_eq!(policies.len(), 2);
    let ours = policies
        .iter()
        .find(|policy| policy["id"] != stage.people.as_str())
        .unwrap();
    assert_eq!(ours["name"], "ci-deploy-prod (service token)");
    assert_eq!(ours["decision"], "non_identity");
    assert_eq!(ours["precedence"], 2);
    assert_eq!(
        ours["include"],
        json!([{ "service_token": { "token_id": tokens[0]["id"] } }])
    );
}

#[test]
fn an_application_given_by_its_id_is_not_looked_for_in_the_list() {
    let stage = Stage::new();
    let app = stage.app.clone();
    let create = [
        "token",
        "create",
        NAME,
        "--at",
        "cloudflare",
        "--app",
        &app,
        "--out",
        "token",
    ];
    stage.run(&create).expect_code(0);
    let lists = stage
        .emulator
        .requests()
        .into_iter()
        .filter(|(method, path, _)| {
            method == "GET" && path.split('?').next().unwrap().ends_with("access/apps")
        });
    assert_eq!(lists.count(), 0);
    assert_eq!(stage.policies().len(), 2);
}

#[test]
fn a_second_run_changes_nothing_and_mints_nothing() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let (tokens, policies) = (stage.tokens(), stage.policies());
    let pair = stage.pair("token");
    let again = stage.create(&["--out", "token"]).expect_code(0);
    assert!(again.stderr.contains("unchanged"), "{}", again.stderr);
    assert_eq!((stage.tokens(), stage.policies()), (tokens, policies));
    assert_eq!(stage.pair("token"), pair);
    // Another place would need another secret: that is a rotation.
    let elsewhere = stage.create(&["--out", "elsewhere"]).expect_code(5);
    assert!(
        elsewhere.stderr.contains("token rotate"),
        "{}",
        elsewhere.stderr
    );
    assert!(!stage.postern.path("elsewhere").exists());
}

#[test]
fn nothing_is_minted_that_has_nowhere_to_go() {
    let stage = Stage::new();
    std::fs::write(stage.postern.path("there"), "precious").unwrap();
    for (destination, code) in [
        (&["--out", "there"][..], 5),
        (&["--out", "missing/token"], 3),
        (&["--pipe", "no-such-command-anywhere put"], 3),
        (&["--reveal"], 2),
        (&[], 2),
    ] {
        stage.create(destination).expect_code(code);
    }
    stage
        .create(&["--out", "x", "--pipe", "cat"])
        .expect_code(2);
    let unknown = [
        "token",
        "create",
        NAME,
        "--at",
        "cloudflare",
        "--app",
        "www.example.com",
    ];
    stage
        .run(&[&unknown[..], &["--out", "token"]].concat())
        .expect_code(3);
    assert_eq!(
        stage.calls("POST", ""),
        0,
        "{:?}",
        stage.emulator.requests()
    );
    assert_eq!(stage.record(NAME), Value::Null);
}

#[test]
fn names_lives_and_origins_are_checked_and_the_reason_is_kept() {
    let stage = Stage::new();
    let create = |name: &str, more: &[&str]| {
        let create = ["token", "create", name, "--out", name];
        stage.run(&[&create[..], more].concat())
    };
    for name in [
        "token-1",
        "ci-deploy",
        "CI-deploy-prod",
        "ci-temp-prod",
        "ci-deploy-moon",
    ] {
        let refused = create(name, &[]).expect_code(6);
        assert!(
            refused.stderr.contains("--allow-name"),
            "{}",
            refused.stderr
        );
    }
    create("legacy", &["--allow-name"]).expect_code(2);
    create("legacy", &["--allow-name", "--reason", "named in 2019"]).expect_code(0);
    let shown = stage
        .run(&["token", "show", "legacy", "-o", "json"])
        .expect_code(0)
        .json();
    assert_eq!(shown["labels"]["reason"], "named in 2019");
    create("ci-a-test", &["--duration", "400d"]).expect_code(6);
    create("ci-a-test", &["--duration", "forever"]).expect_code(6);
    let forever = [
        "--duration",
        "forever",
        "--allow-forever",
        "--reason",
        "embedded",
    ];
    create("ci-a-test", &forever).expect_code(0);
    let ends = stage.record("ci-a-test")["expires_at"].clone();
    assert_eq!(ends, "9999-12-31T23:59:59Z");
    // Cloudflare accepts nothing that it did not mint.
    create("ci-b-test", &["--app", HOST]).expect_code(2);
}

#[test]
fn a_token_of_the_same_name_that_is_not_ours_stops_it() {
    let stage = Stage::new();
    let foreign = json!({ "name": NAME });
    stage
        .emulator
        .as_somebody_else("POST", "access/service_tokens", foreign);
    let refused = stage.create(&["--out", "token"]).expect_code(5);
    assert!(refused.stderr.contains("adopt"), "{}", refused.stderr);
    assert_eq!(stage.tokens().len(), 1);
}

#[test]
fn a_policy_of_the_same_name_that_admits_somebody_else_is_left_as_it_is() {
    let stage = Stage::new();
    let policies = format!("access/apps/{}/policies", stage.app);
    let taken = json!({
        "name": "ci-deploy-prod (service token)", "decision": "non_identity",
        "include": [{ "everyone": {} }], "precedence": 2,
    });
    stage.emulator.as_somebody_else("POST", &policies, taken);
    let before = stage.policies();
    let refused = stage.create(&["--out", "token"]).expect_code(7);
    assert!(
        refused.stderr.contains("admits somebody else"),
        "{}",
        refused.stderr
    );
    assert_eq!(stage.policies(), before);
    assert!(!stage.postern.path("token").exists());
}

#[test]
fn the_declared_origin_class_and_owner_are_those_of_the_file() {
    let stage = Stage::new();
    let declared = format!(
        "[[token]]\nname = \"{NAME}\"\nclass = \"high\"\nowner = \"payments\"\nat = \"cloudflare\"\n"
    );
    std::fs::write(stage.postern.path("postern.toml"), declared).unwrap();
    stage
        .run(&["token", "create", NAME, "--out", "token"])
        .expect_code(0);
    let record = stage.record(NAME);
    assert_eq!(record["class"], "high");
    assert_eq!(record["owner"], "payments");
    assert_eq!(stage.tokens()[0]["duration"], "720h");
}

#[test]
fn a_file_that_has_lost_the_secret_is_not_told_to_have_it() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    std::fs::remove_file(stage.postern.path("token")).unwrap();
    let told = stage.create(&["--out", "token"]).expect_code(5);
    assert!(told.stderr.contains("token rotate"), "{}", told.stderr);
}

#[test]
fn a_policy_of_ours_that_somebody_changed_is_not_taken_for_the_one_we_made() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let policies = stage.policies();
    let ours = policies.iter().find(|it| it["id"] != stage.people.as_str());
    let mut ours = ours.unwrap().clone();
    let path = format!(
        "access/apps/{}/policies/{}",
        stage.app,
        ours["id"].as_str().unwrap()
    );
    ours["decision"] = "deny".into();
    stage.emulator.as_somebody_else("PUT", &path, ours);
    let told = stage.create(&["--out", "token"]).expect_code(7);
    assert!(told.stderr.contains("not as we made it"), "{}", told.stderr);
}
