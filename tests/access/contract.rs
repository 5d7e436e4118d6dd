//! The judge itself: what breaks Cloudflare's schema is found.

use postern_tests::{Contract, Violation};
use serde_json::{Value, json};

const ACCOUNT: &str = "/accounts/023e105f4ecef8ad9ca31a8372d0c353";

fn success(result: Value) -> Value {
    json!({ "success": true, "errors": [], "messages": [], "result": result })
}

#[test]
fn ten_deliberately_wrong_requests_break_the_contract() {
    let Some(contract) = Contract::load() else {
        return;
    };
    let wrong = [
        // A path that Access does not have.
        ("GET", "access/tokens", Value::Null),
        // A method that the resource does not have.
        ("DELETE", "access/organizations", Value::Null),
        // A page that is no number.
        ("GET", "access/apps?page=first", Value::Null),
        // A parameter that nobody knows.
        ("GET", "access/groups?cursor=9c", Value::Null),
        // A CA without its certificate.
        ("POST", "access/certificates", json!({ "name": "devices" })),
        // A regex for a rule: one that Access does not have.
        (
            "POST",
            "access/groups",
            json!({ "name": "fleet", "include": [{ "common_name_pattern": { "pattern": "d.*" } }] }),
        ),
        // A rule with two keys.
        (
            "POST",
            "access/groups",
            json!({ "name": "fleet", "include": [{ "everyone": {}, "certificate": {} }] }),
        ),
        // The dashboard's word for a decision.
        (
            "POST",
            "access/policies",
            json!({ "name": "p", "decision": "service_auth", "include": [{ "certificate": {} }] }),
        ),
        // A rotation whose end is no time.
        (
            "POST",
            "access/service_tokens/f174e90a-fafe-4643-bbbc-4a0ed4fc8415/rotate",
            json!({ "previous_client_secret_expires_at": "in an hour" }),
        ),
        // An application without its domain.
        (
            "PUT",
            "access/apps/f174e90a-fafe-4643-bbbc-4a0ed4fc8415",
            json!({ "type": "self_hosted", "name": "api" }),
        ),
        // A setting that leaves one of its three fields out.
        (
            "PUT",
            "access/certificates/settings",
            json!({ "settings": [{ "hostname": "api.example.com", "china_network": false }] }),
        ),
        // A body where there is none to be.
        (
            "POST",
            "access/service_tokens/f174e90a-fafe-4643-bbbc-4a0ed4fc8415/refresh",
            json!({ "duration": "8760h" }),
        ),
    ];
    for (method, path, body) in wrong {
        let judged = contract.check_request(method, &format!("{ACCOUNT}/{path}"), &body);
        assert!(judged.is_err(), "{method} {path} {body} passed");
    }
}

#[test]
fn ten_deliberately_wrong_answers_break_the_contract() {
    let Some(contract) = Contract::load() else {
        return;
    };
    let app = json!({ "id": "f174e90a-fafe-4643-bbbc-4a0ed4fc8415", "type": "self_hosted" });
    let failure = json!({
        "success": false, "errors": [{ "code": 7003, "message": "m" }], "messages": [],
    });
    let wrong = [
        // 200 where the contract has 202, 201 and 202.
        (
            "PUT",
            "access/certificates/settings",
            200,
            success(json!([])),
        ),
        ("POST", "access/groups", 200, success(json!({}))),
        (
            "DELETE",
            "access/apps/f174e90a-fafe-4643-bbbc-4a0ed4fc8415",
            200,
            success(json!({})),
        ),
        // No envelope.
        ("GET", "access/groups", 200, json!([])),
        // `success: false` with status 200.
        (
            "GET",
            "access/groups",
            200,
            json!({ "success": false, "errors": [], "messages": [] }),
        ),
        // A failure without `result: null`.
        ("GET", "access/groups", 404, failure),
        // An error number below 1000.
        (
            "GET",
            "access/groups",
            404,
            json!({
                "success": false, "errors": [{ "code": 404, "message": "m" }], "messages": [],
                "result": null,
            }),
        ),
        // An object where a list is due.
        ("GET", "access/service_tokens", 200, success(json!({}))),
        // An application without its domain.
        ("POST", "access/apps", 201, success(app)),
        // A time that is none.
        (
            "GET",
            "access/certificates",
            200,
            success(json!([{ "expires_on": "soon" }])),
        ),
        // A policy whose rule is none of Access's.
        (
            "GET",
            "access/policies",
            200,
            success(json!([{ "include": [{ "cn": {} }] }])),
        ),
    ];
    for (method, path, status, body) in wrong {
        let judged = contract.check_response(method, &format!("{ACCOUNT}/{path}"), status, &body);
        assert!(judged.is_err(), "{method} {path} {status} {body} passed");
    }
}

#[test]
fn the_judge_says_where_and_why() {
    let Some(contract) = Contract::load() else {
        return;
    };
    let path = format!("{ACCOUNT}/access/certificates/settings");
    let body = json!({ "settings": [{ "hostname": 1 }] });
    let violations = contract.check_request("PUT", &path, &body).unwrap_err();
    let at_hostname = |one: &Violation| one.to_string().contains("/settings/0/hostname");
    assert!(violations.iter().any(at_hostname), "{violations:?}");
    let nowhere = contract.check_request("GET", "/nowhere", &Value::Null);
    assert_eq!(
        nowhere,
        Err(vec![Violation::NoOperation("GET /nowhere".to_owned())])
    );
}

#[test]
fn what_is_right_passes() {
    let Some(contract) = Contract::load() else {
        return;
    };
    let body = json!({ "settings": [
        { "hostname": "a.example.com", "china_network": false, "client_certificate_forwarding": true },
    ] });
    let settings = format!("{ACCOUNT}/access/certificates/settings");
    contract.check_request("PUT", &settings, &body).unwrap();
    contract
        .check_response("PUT", &settings, 202, &success(json!([])))
        .unwrap();
    let groups = format!("{ACCOUNT}/access/groups?page=2&per_page=50");
    contract
        .check_request("GET", &groups, &Value::Null)
        .unwrap();
    let zone =
        success(json!([{ "id": "023e105f4ecef8ad9ca31a8372d0c353", "name": "example.com" }]));
    contract
        .check_response("GET", "/zones", 200, &zone)
        .unwrap_err(); // more is required
}
