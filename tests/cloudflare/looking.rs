//! Status, doctor, export: what only looks.

use postern_fixtures::access::{Level, Options, Permission, PermissionGroup};
use serde_json::json;

use crate::support::Account;

#[test]
fn status_names_what_is_wrong_with_an_id_and_a_remedy() {
    let account = Account::applied();
    drop(account.run(&["cloudflare", "status"]).expect_code(0));
    let policies = format!("access/apps/{}/policies", account.app_id());
    for (place, decision, include) in [
        (
            5,
            "allow",
            json!([{ "common_name": { "common_name": "device-1" } }]),
        ),
        (6, "bypass", json!([{ "ip": { "ip": "192.0.2.0/24" } }])),
        (
            7,
            "non_identity",
            json!([{ "any_valid_service_token": {} }]),
        ),
    ] {
        let name = format!("theirs {place}");
        let policy =
            json!({ "name": name, "decision": decision, "precedence": place, "include": include });
        account.emulator.as_somebody_else("POST", &policies, policy);
    }
    let status = account
        .run(&["cloudflare", "status", "-o", "json"])
        .expect_code(6)
        .json();
    let ids: Vec<&str> = status["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "edge-machine-under-allow",
            "edge-bypass",
            "edge-any-valid-service-token"
        ]
    );
    assert!(
        status["findings"][0]["remedy"]
            .as_str()
            .unwrap()
            .contains("non_identity")
    );
}

#[test]
fn a_name_that_is_revoked_here_and_admitted_by_somebody_elses_policy_is_a_finding() {
    let account = Account::applied();
    let policies = format!("access/apps/{}/policies", account.app_id());
    let theirs = json!({ "name": "lab", "decision": "non_identity", "precedence": 9,
        "include": [{ "common_name": { "common_name": "device-1" } }] });
    account.emulator.as_somebody_else("POST", &policies, theirs);
    drop(account.run(&["cert", "revoke", "device-1"]).expect_code(0));
    let status = account
        .run(&["cloudflare", "status", "-o", "json"])
        .expect_code(6)
        .json();
    assert_eq!(status["findings"][0]["id"], "edge-name-revoked");
    assert_eq!(status["findings"][0]["place"], "telemetry / lab");
}

#[test]
fn doctor_says_which_permission_is_missing_and_never_a_value() {
    let only_apps = Permission {
        group: PermissionGroup::AppsAndPolicies,
        level: Level::Write,
    };
    let account = Account::with(Options {
        permissions: Some(vec![only_apps]),
        ..Options::default()
    });
    let doctor = account.run(&["cloudflare", "doctor"]).expect_code(4);
    assert!(
        doctor
            .stdout
            .contains("MISSING       Access: Service Tokens Write"),
        "{}",
        doctor.stdout
    );
    assert!(!doctor.stdout.contains(&account.emulator.api_token()));
    let asked = account.emulator.requests();
    // A GraphQL query is a POST that reads.
    let reads =
        |(method, path, _): &(String, String, Option<u16>)| method == "GET" || path == "/graphql";
    assert!(asked.iter().all(reads), "{asked:?}");
}

#[test]
fn the_live_probe_answers_and_leaves_nothing_behind() {
    let account = Account::new();
    let probed = account
        .run(&["cloudflare", "doctor", "--live-probe", "-o", "json"])
        .expect_code(0)
        .json();
    assert!(
        !probed["live_probe"]["answers"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    for path in [
        "access/certificates",
        "access/apps",
        "access/groups",
        "access/service_tokens",
    ] {
        assert_eq!(account.look(path), json!([]), "{path}");
    }
    let questions = account
        .run(&["cloudflare", "doctor", "--questions"])
        .expect_code(0);
    assert!(
        questions.stdout.contains("assumed until then"),
        "{}",
        questions.stdout
    );
}

#[test]
fn the_terraform_export_imports_what_is_ours() {
    let account = Account::applied();
    let export = account
        .run(&["cloudflare", "export", "terraform"])
        .expect_code(0)
        .stdout;
    assert_eq!(export.matches("import {").count(), 3, "{export}");
    for resource in ["mtls_certificate", "group", "application"] {
        let resource = format!("resource \"cloudflare_zero_trust_access_{resource}\"");
        assert!(export.contains(&resource), "{export}");
    }
    assert!(!export.contains("PRIVATE KEY"));
}
