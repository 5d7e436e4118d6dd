//! After a rotation in parallel: the file that does not know the second token yet.

use serde_json::{Value, json};

use crate::support::{HOST, NAME, Stage};

const SUCCESSOR: &str = "ci-deploy-prod-v2";

/// The application as the file has it, with a policy that names these tokens and has this line too.
fn configure_with(stage: &Stage, tokens: &[&str], more: &str) {
    let rules = tokens
        .iter()
        .map(|name| format!("{{ service_token = \"{name}\" }}"));
    let rules = rules.collect::<Vec<_>>().join(", ");
    let text = format!(
        "[cloudflare]\n[[application]]\nname = \"api\"\nhosts = [\"{HOST}\"]\n\
         upstream = \"http://127.0.0.1:9000\"\ncloudflare = {{ app = \"{}\" }}\n\
         [[application.policy]]\nname = \"machines\"\ndecision = \"non_identity\"\n\
         include = [{rules}]\n{more}\n",
        stage.app
    );
    std::fs::write(stage.postern.path("postern.toml"), text).unwrap();
}

fn configure(stage: &Stage, tokens: &[&str]) {
    configure_with(stage, tokens, "");
}

fn policy_of(stage: &Stage, token: &str) -> Value {
    let name = format!("{token} (service token)");
    let policies = stage.policies();
    let found = policies
        .iter()
        .find(|policy| policy["name"] == name.as_str());
    found.cloned().unwrap_or_default()
}

#[test]
fn the_successor_is_opened_on_the_conditions_of_the_token_that_it_replaces() {
    let stage = Stage::minted();
    let conditions = "require = [{ ip = \"192.0.2.0/24\" }]\nexclude = [{ ip = \"192.0.2.7\" }]";
    configure_with(&stage, &[NAME], conditions);
    stage.run(&["cloudflare", "apply"]).expect_code(0);
    stage.rotate(&["--parallel"]).expect_code(10);
    let (old, new) = (policy_of(&stage, NAME), policy_of(&stage, SUCCESSOR));
    for list in ["require", "exclude"] {
        assert_eq!(old[list].as_array().unwrap().len(), 1, "{old}");
        assert_eq!(new[list], old[list], "{new}");
    }
    assert_ne!(new["include"], old["include"]);
    configure_with(&stage, &[NAME, SUCCESSOR], conditions);
    let plan = stage.run(&["cloudflare", "plan", "-o", "json"]).json();
    let changed = plan["changes"].to_string();
    assert!(!changed.contains("192.0.2"), "{changed}");
}

#[test]
fn a_policy_with_a_rule_group_is_not_opened_to_the_successor_without_it() {
    let stage = Stage::minted();
    let group = json!({ "name": "office", "include": [{ "ip": { "ip": "192.0.2.0/24" } }] });
    let group = stage
        .emulator
        .as_somebody_else("POST", "access/groups", group);
    let mut policy = policy_of(&stage, NAME);
    policy["require"] = json!([{ "group": { "id": group["id"] } }]);
    let path = format!(
        "access/apps/{}/policies/{}",
        stage.app,
        policy["id"].as_str().unwrap()
    );
    stage.emulator.as_somebody_else("PUT", &path, policy);
    let told = stage.rotate(&["--parallel"]).expect_code(10);
    assert!(
        told.stderr.contains("is not opened there"),
        "{}",
        told.stderr
    );
    assert_eq!(policy_of(&stage, SUCCESSOR), Value::Null);
}

#[test]
fn a_successor_that_the_file_does_not_name_is_told_everywhere_and_apply_leaves_it_alone() {
    const PLACE: &str = "api / machines";
    let stage = Stage::minted();
    configure(&stage, &[NAME]);
    stage.run(&["cloudflare", "apply"]).expect_code(0);
    // Mints, delivers, and waits for the file whatever the logs say.
    let waiting = stage.rotate(&["--parallel", "--quiet-for", "0s"]);
    let waiting = waiting.expect_code(10);
    for told in [SUCCESSOR, PLACE, "gateways refuse it until then"] {
        assert!(waiting.stderr.contains(told), "{}", waiting.stderr);
    }
    let status = |stage: &Stage| {
        let shown = stage.run(&["token", "rotate", "--status", "-o", "json"]);
        let shown = shown.expect_code(0);
        (shown.json()["items"][0]["unnamed_in"].clone(), shown.stderr)
    };
    let remarked = |stage: &Stage| {
        let plan = stage.run(&["cloudflare", "plan", "-o", "json"]).json();
        plan["statements"][0]["unnamed_successors"][0]["successor"] == SUCCESSOR
    };
    let found = |stage: &Stage| {
        let status = stage.run(&["cloudflare", "status", "-o", "json"]).json();
        let findings = status["findings"].as_array().unwrap();
        findings
            .iter()
            .any(|it| it["id"] == "edge-successor-unnamed" && it["place"] == PLACE)
    };
    for forced in [false, true] {
        if forced {
            let more = ["--resume", "--force", "--reason", "a test"];
            let done = stage.rotate(&more).expect_code(0);
            assert!(done.stderr.contains(PLACE), "{}", done.stderr);
            assert_eq!(stage.record(NAME), Value::Null);
        }
        let (places, told) = status(&stage);
        assert_eq!(places[0], PLACE);
        assert!(
            told.contains("warning") && told.contains(SUCCESSOR),
            "{told}"
        );
        assert!(remarked(&stage) && found(&stage));
        let applied = stage.run(&["cloudflare", "apply"]).expect_code(0);
        assert!(applied.stdout.contains(SUCCESSOR), "{}", applied.stdout);
        assert!(stage.opens("token"));
    }
    configure(&stage, &[SUCCESSOR]);
    stage.run(&["cloudflare", "apply"]).expect_code(0);
    assert!(stage.opens("token"));
    let (places, told) = status(&stage);
    assert_eq!((places, told.as_str()), (json!([]), ""));
    assert!(!remarked(&stage) && !found(&stage));
}
