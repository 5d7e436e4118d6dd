//! After a rotation in parallel: the file that does not know the second token yet.

use serde_json::{Value, json};

use crate::support::{HOST, NAME, Stage};

/// The application as the file has it, with a policy that names these tokens.
fn configure(stage: &Stage, tokens: &[&str]) {
    let rules = tokens
        .iter()
        .map(|name| format!("{{ service_token = \"{name}\" }}"));
    let rules = rules.collect::<Vec<_>>().join(", ");
    let text = format!(
        "[cloudflare]\n[[application]]\nname = \"api\"\nhosts = [\"{HOST}\"]\n\
         upstream = \"http://127.0.0.1:9000\"\ncloudflare = {{ app = \"{}\" }}\n\
         [[application.policy]]\nname = \"machines\"\ndecision = \"non_identity\"\n\
         include = [{rules}]\n",
        stage.app
    );
    std::fs::write(stage.postern.path("postern.toml"), text).unwrap();
}

#[test]
fn a_successor_that_the_file_does_not_name_is_told_everywhere_and_apply_leaves_it_alone() {
    const SUCCESSOR: &str = "ci-deploy-prod-v2";
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
