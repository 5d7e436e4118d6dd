use std::slice::from_ref;

use postern_policy::{ApplicationName, TokenName};
use serde_json::{Value, json};

use super::*;
use crate::access::{AccessPolicy, App, ServiceToken};
use crate::desired::UnnamedSuccessor;

fn ids(policies: &[Value], tokens: &[Value]) -> Vec<&'static str> {
    let app: App =
        serde_json::from_value(json!({ "id": "a", "name": "app", "session_duration": "1h" }))
            .unwrap();
    let policies: Vec<AccessPolicy> = policies
        .iter()
        .map(|it| serde_json::from_value(it.clone()).unwrap())
        .collect();
    let tokens: Vec<ServiceToken> = tokens
        .iter()
        .map(|it| serde_json::from_value(it.clone()).unwrap())
        .collect();
    let remote = Remote {
        apps: vec![app],
        policies: [(String::from("a"), policies)].into(),
        tokens,
        ..Remote::default()
    };
    let dead_names = DeadNames {
        revoked: [String::from("stolen")].into(),
        ended: [String::from("old")].into(),
    };
    let subject = Subject {
        desired: &Desired::default(),
        statements: &[],
        remote: &remote,
        ledger: &Ledger::default(),
        dead_names: &dead_names,
        now: 1_800_000_000,
    };
    lint(&subject)
        .iter()
        .map(|finding| finding.lint.id())
        .collect()
}

fn policy(decision: &str, include: Value) -> Value {
    json!({ "id": "p", "name": "p", "decision": decision, "include": include })
}

#[test]
fn each_trap_has_its_id() {
    let token = json!([{ "service_token": { "token_id": "t" } }]);
    for (decision, include, id) in [
        (
            "bypass",
            json!([{ "ip": { "ip": "192.0.2.1" } }]),
            "edge-bypass",
        ),
        (
            "allow",
            json!([{ "certificate": {} }]),
            "edge-machine-under-allow",
        ),
        ("allow", token, "edge-machine-under-allow"),
        ("non_identity", json!([{ "everyone": {} }]), "edge-everyone"),
        (
            "non_identity",
            json!([{ "any_valid_service_token": {} }]),
            "edge-any-valid-service-token",
        ),
        (
            "non_identity",
            json!([{ "common_name": { "common_name": "stolen" } }]),
            "edge-name-revoked",
        ),
        (
            "non_identity",
            json!([{ "common_name": { "common_name": "old" } }]),
            "edge-name-ended",
        ),
        (
            "allow",
            json!([{ "email": { "email": "deploy-bot@example.com" } }]),
            "edge-robot-email",
        ),
        (
            "non_identity",
            json!([{ "service_token": { "token_id": "8.access" } }]),
            "edge-client-id-as-token-id",
        ),
    ] {
        assert_eq!(
            ids(&[policy(decision, include.clone())], &[]),
            [id],
            "{decision} {include}"
        );
    }
}

#[test]
fn a_name_that_is_excluded_and_a_person_are_no_findings() {
    let excluded = json!({ "id": "p", "name": "p", "decision": "non_identity",
        "include": [{ "common_name": { "common_name": "stolen" } }],
        "exclude": [{ "common_name": { "common_name": "stolen" } }] });
    let person = policy(
        "allow",
        json!([{ "email": { "email": "abbot@example.com" } }]),
    );
    assert_eq!(ids(&[excluded, person], &[]), Vec::<&str>::new());
}

#[test]
fn a_token_is_used_once_and_alive() {
    let token = |id: &str, more: Value| {
        let mut token = json!({ "id": id, "name": id });
        token
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        token
    };
    let uses = policy(
        "non_identity",
        json!([{ "service_token": { "token_id": "t" } }]),
    );
    assert_eq!(
        ids(from_ref(&uses), &[token("t", json!({}))]),
        Vec::<&str>::new()
    );
    assert_eq!(
        ids(from_ref(&uses), &[token("t", json!({ "enabled": false }))]),
        ["edge-token-dead"]
    );
    let ended = json!({ "expires_at": "2020-01-01T00:00:00Z" });
    assert_eq!(ids(&[uses], &[token("t", ended)]), ["edge-token-dead"]);
    assert_eq!(ids(&[], &[token("t", json!({}))]), ["edge-token-unused"]);
}

#[test]
fn a_policy_that_a_rotation_has_left_behind_is_found() {
    let [token, successor] =
        ["ci-a-prod", "ci-a-prod-v2"].map(|name| TokenName::parse(name).unwrap());
    let statement = Statement {
        application: ApplicationName::parse("api").unwrap(),
        policy: String::from("machines"),
        edge: Vec::new(),
        gateway_only: Vec::new(),
        remarks: Vec::new(),
        unnamed: vec![UnnamedSuccessor { token, successor }],
    };
    let subject = Subject {
        desired: &Desired::default(),
        statements: from_ref(&statement),
        remote: &Remote::default(),
        ledger: &Ledger::default(),
        dead_names: &DeadNames::default(),
        now: 1_800_000_000,
    };
    let findings = lint(&subject);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].lint.id(), "edge-successor-unnamed");
    assert_eq!(findings[0].place, "api / machines");
    assert!(findings[0].remedy.contains("ci-a-prod-v2"));
}
