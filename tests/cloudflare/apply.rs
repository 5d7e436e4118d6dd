//! Plan, apply, adopt, teardown.

use postern_fixtures::access::{At, Effect, Fault, Options, Plan};
use serde_json::json;

use crate::support::{Account, CONFIG};

#[test]
fn plan_says_what_each_side_enforces_and_ends_with_10_then_apply_brings_it_to_0() {
    let account = Account::new();
    let plan = account.run(&["cloudflare", "plan"]).expect_code(10);
    assert!(
        plan.stdout.contains("edge:          2 exact common names"),
        "{}",
        plan.stdout
    );
    assert!(
        plan.stdout
            .contains("gateway only:  common_name_pattern = '^probe-[0-9]+$'"),
        "{}",
        plan.stdout
    );
    assert!(
        plan.stdout.contains("Enterprise"),
        "said before any write: {}",
        plan.stdout
    );
    let writes = account.emulator.requests();
    assert!(
        writes.iter().all(|(method, ..)| method == "GET"),
        "{writes:?}"
    );
    drop(account.run(&["cloudflare", "apply"]).expect_code(0));
    let again = account.json(&["cloudflare", "plan"]);
    assert_eq!(again["changes"], json!([]));
    assert_eq!(again["schema"], "postern.cloudflare-plan/1");
    let settings = account.look("access/certificates/settings");
    assert_eq!(settings[0]["client_certificate_forwarding"], true);
    account.check_contract();
}

#[test]
fn a_dry_run_writes_nothing() {
    let account = Account::new();
    drop(
        account
            .run(&["cloudflare", "apply", "--dry-run"])
            .expect_code(10),
    );
    assert_eq!(account.look("access/apps"), json!([]));
}

#[test]
fn a_pattern_without_a_strategy_stops_everything_and_names_the_choices() {
    let account = Account::new();
    account.configure(&CONFIG.replace("edge = \"expand\"\n", ""));
    let refused = account.run(&["cloudflare", "apply"]).expect_code(6);
    assert!(
        refused.stderr.contains("telemetry / factory"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("\"certificate+gateway\""),
        "{}",
        refused.stderr
    );
    assert_eq!(account.emulator.exchanges().len(), 0, "nothing is sent");
}

#[test]
fn waf_prints_an_anchored_expression_and_pushes_nothing_without_consent() {
    let account = Account::new();
    account.configure(&CONFIG.replace("edge = \"expand\"", "edge = \"waf\""));
    let plan = account.json(&["cloudflare", "plan"]);
    let remark = plan["statements"][0]["remarks"][0].as_str().unwrap();
    let expected = r#"cf.tls_client_auth.cert_subject_dn_rfc2253 matches "(^|[^\\\\],)CN=(?:device-[0-9]+)(,|$)""#;
    assert!(remark.contains(expected), "{remark}");
    let withheld = |plan: &serde_json::Value| plan["withheld"].as_array().unwrap().len();
    assert_eq!(withheld(&plan), 1);
    assert_eq!(plan["withheld"][0]["class"], "relies_on_waf");
    drop(account.run(&["cloudflare", "apply"]).expect_code(10));
    let policies = format!("access/apps/{}/policies", account.app_id());
    assert_eq!(account.look(&policies).as_array().unwrap().len(), 1);
    drop(
        account
            .run(&["cloudflare", "apply", "--waf-in-place"])
            .expect_code(0),
    );
    assert_eq!(account.look(&policies).as_array().unwrap().len(), 2);
    // Once consented to, it stays without being said again.
    let later = account.json(&["cloudflare", "plan"]);
    assert_eq!((&later["changes"], withheld(&later)), (&json!([]), 0));
}

#[test]
fn a_stranger_of_our_name_stops_apply_until_it_is_adopted() {
    let account = Account::new();
    let group = json!({ "name": "postern admitted telemetry/factory #1",
        "include": [{ "common_name": { "common_name": "theirs" } }] });
    account
        .emulator
        .as_somebody_else("POST", "access/groups", group);
    let stopped = account.run(&["cloudflare", "apply"]).expect_code(5);
    assert!(stopped.stdout.contains("adopt group"), "{}", stopped.stdout);
    assert_eq!(
        account.look("access/apps"),
        json!([]),
        "nothing was written"
    );
    let dry = account
        .run(&["cloudflare", "adopt", "--all", "--dry-run"])
        .expect_code(0);
    assert!(
        dry.stdout.contains("postern admitted telemetry/factory #1"),
        "{}",
        dry.stdout
    );
    drop(account.run(&["cloudflare", "apply"]).expect_code(5));
    drop(
        account
            .run(&["cloudflare", "adopt", "--all"])
            .expect_code(0),
    );
    drop(account.run(&["cloudflare", "apply"]).expect_code(0));
    let groups = account.look("access/groups");
    assert_eq!(groups[0]["include"].as_array().unwrap().len(), 2);
}

#[test]
fn a_lost_record_is_rebuilt_by_adopting_and_then_nothing_differs() {
    let account = Account::applied();
    mint(&account);
    let forget = "DELETE FROM edge_objects;";
    let sql = account
        .postern
        .tool("sqlite3", &["postern-home/postern.db", forget]);
    if sql.code != Some(0) {
        postern_tests::note_skip("sqlite3");
        return;
    }
    drop(account.run(&["cloudflare", "apply"]).expect_code(5));
    drop(
        account
            .run(&["cloudflare", "adopt", "--all"])
            .expect_code(0),
    );
    drop(account.run(&["cloudflare", "plan"]).expect_code(0));
    drop(
        account
            .run(&["token", "delete", "payments-deploy-prod"])
            .expect_code(0),
    );
    assert_eq!(account.look("access/service_tokens"), json!([]));
}

#[test]
fn apply_stops_at_the_first_failure_says_what_was_done_and_goes_on_when_run_again() {
    let account = Account::new();
    let failure = Effect::ServerError {
        status: 500,
        at: At::After,
    };
    account
        .emulator
        .inject(Fault::on("POST", "*/access/groups", failure));
    let stopped = account.run(&["cloudflare", "apply"]).expect_code(7);
    assert!(
        stopped.stderr.contains("done: 3 of 6 changes"),
        "{}",
        stopped.stderr
    );
    assert!(
        stopped.stderr.contains("run it again"),
        "{}",
        stopped.stderr
    );
    let plan = account.run(&["cloudflare", "plan"]).expect_code(10);
    assert!(plan.stdout.contains("answer never came"), "{}", plan.stdout);
    drop(account.run(&["cloudflare", "apply"]).expect_code(0));
    drop(account.run(&["cloudflare", "plan"]).expect_code(0));
    assert_eq!(account.look("access/groups").as_array().unwrap().len(), 1);
    account.check_contract();
}

#[test]
fn a_killed_apply_is_finished_by_the_next_one() {
    for calls in [6_u64, 8, 10, 12] {
        let account = Account::new();
        // The call hangs after it took effect, and then the process is gone.
        let hang = Effect::Timeout { at: At::After };
        account.emulator.inject(Fault::at_call(calls, hang));
        let mut child = account.command(&["cloudflare", "apply"]).spawn().unwrap();
        for _ in 0..400 {
            let sent = account.emulator.exchanges().len();
            if u64::try_from(sent).unwrap() >= calls {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        account.emulator.clear_faults();
        drop(account.run(&["cloudflare", "apply"]).expect_code(0));
        drop(account.run(&["cloudflare", "plan"]).expect_code(0));
        assert_eq!(
            account.look("access/apps").as_array().unwrap().len(),
            1,
            "call {calls}"
        );
        assert_eq!(
            account.look("access/groups").as_array().unwrap().len(),
            1,
            "call {calls}"
        );
    }
}

#[test]
fn an_account_without_mtls_is_told_before_any_write() {
    let options = Options {
        plan: Plan::Free,
        ..Options::default()
    };
    let account = Account::with(options);
    let stopped = account.run(&["cloudflare", "apply"]).expect_code(5);
    assert!(
        stopped.stdout.contains("service tokens at the edge"),
        "{}",
        stopped.stdout
    );
    let calls = account.emulator.requests();
    assert!(
        calls.iter().all(|(method, ..)| method == "GET"),
        "{calls:?}"
    );
}

#[test]
fn a_chain_of_another_ca_is_uploaded_from_a_file_and_a_key_in_it_is_refused() {
    let account = Account::new();
    let pki = postern_fixtures::TestPki::new();
    let chain = pki.root().pem() + &pki.intermediate().pem();
    let file = account.postern.path("chain.pem");
    std::fs::write(&file, &chain).unwrap();
    account.configure(&CONFIG.replace("ca_name", "chain = \"chain.pem\"\nca_name"));
    drop(account.run(&["cloudflare", "apply"]).expect_code(0));
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    std::fs::write(&file, chain + &key).unwrap();
    let refused = account.run(&["cloudflare", "plan"]).expect_code(6);
    assert!(refused.stderr.contains("private key"), "{}", refused.stderr);
}

#[test]
fn teardown_deletes_what_is_ours_and_nothing_else() {
    let account = Account::applied();
    let other = json!({ "name": "others", "include": [{ "everyone": {} }] });
    account
        .emulator
        .as_somebody_else("POST", "access/groups", other);
    let refused = account.run(&["cloudflare", "teardown"]).expect_code(2);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    let yes = ["cloudflare", "teardown", "--yes", "--reason", "moving"];
    drop(account.run(&yes).expect_code(0));
    assert_eq!(account.look("access/certificates"), json!([]));
    assert_eq!(account.look("access/groups").as_array().unwrap().len(), 1);
    let policies = format!("access/apps/{}/policies", account.app_id());
    assert_eq!(account.look(&policies), json!([]));
}

#[test]
fn the_api_token_is_in_no_output_and_no_file_of_ours() {
    let account = Account::new();
    let output = account
        .command(&["cloudflare", "apply"])
        .env("POSTERN_LOG", "trace")
        .output()
        .unwrap();
    let token = account.emulator.api_token();
    let printed = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8_lossy(&printed).contains(&token));
    let search = ["-r", "-l", "-a", &token, "."];
    assert_eq!(account.postern.tool("grep", &search).stdout, "");
}

#[test]
fn twenty_applies_at_once_make_everything_once() {
    let account = Account::new();
    let spawn = |_| account.command(&["cloudflare", "apply"]).output();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..20)
            .map(|number| scope.spawn(move || spawn(number)))
            .collect();
        for run in running {
            let output = run.join().unwrap().unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{told}");
        }
    });
    assert_eq!(account.look("access/apps").as_array().unwrap().len(), 1);
    assert_eq!(account.look("access/groups").as_array().unwrap().len(), 1);
    assert_eq!(
        account
            .look("access/certificates")
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_policy_that_came_with_its_token_is_not_taken_for_a_leftover_of_the_file() {
    let account = Account::applied();
    mint(&account);
    drop(account.run(&["cloudflare", "plan"]).expect_code(0));
    let named = "[[application.policy]]\nname = \"deploy\"\ndecision = \"non_identity\"\n\
                 include = [{ service_token = \"payments-deploy-prod\" }]\nexclude = [{ ip = \"192.0.2.0/24\" }]\n";
    account.configure(&format!("{CONFIG}\n{named}"));
    let plan = account.json(&["cloudflare", "plan"]);
    assert_eq!(plan["changes"][0]["action"], "update_policy", "{plan:#}");
    drop(account.run(&["cloudflare", "apply"]).expect_code(0));
    account.configure(CONFIG);
    drop(
        account
            .run(&["token", "delete", "payments-deploy-prod"])
            .expect_code(0),
    );
    drop(account.run(&["cloudflare", "plan"]).expect_code(0));
}

/// A token at Cloudflare, with its policy in the application.
fn mint(account: &Account) {
    let create = [
        "token",
        "create",
        "payments-deploy-prod",
        "--at",
        "cloudflare",
        "--class",
        "ci",
        "--owner",
        "payments",
        "--app",
        "telemetry.example.com",
        "--out",
        "token.json",
    ];
    drop(account.run(&create).expect_code(0));
}
