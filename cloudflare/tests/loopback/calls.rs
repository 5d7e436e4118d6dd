//! What goes out, and what comes back of it.

use postern_cloudflare::access::{LoginQuery, MtlsCertificateUpdate, ServiceTokenUpdate};
use postern_cloudflare::{ApiErrorKind, Scope};
use serde_json::{Value, json};

use crate::scripted::{Scripted, answer, ok, refused};

fn account() -> Scope {
    Scope::Account("acc".to_owned())
}

#[tokio::test]
async fn a_list_is_read_to_its_empty_page() {
    let page = |ids: &str| ok(ids);
    let script = vec![
        page(r#"[{"id":"1"},{"id":"2"}]"#),
        page(r#"[{"id":"2"},{"id":"3"}]"#),
        page("[]"),
    ];
    let server = Scripted::start(script).await;
    let apps = server.client().apps(&account()).await.unwrap();
    let ids: Vec<_> = apps.iter().map(|app| app.id()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!(
        server.lines(),
        [1, 2, 3].map(|page| format!("GET /accounts/acc/access/apps?page={page}&per_page=50"))
    );
}

#[tokio::test]
async fn only_a_404_says_that_there_is_no_such_object() {
    let script = vec![
        refused(404, 0, "access.api.error.not_found"),
        refused(404, 7003, "No route for the URI"),
        refused(403, 10000, "Authentication error"),
    ];
    let server = Scripted::start(script).await;
    let client = server.client();
    let zone = Scope::Zone("z".to_owned());
    assert!(client.group(&zone, "9c").await.unwrap().is_none());
    for _ in 0..2 {
        client.group(&zone, "9c").await.unwrap_err();
    }
    assert_eq!(server.lines(), vec!["GET /zones/z/access/groups/9c"; 3]);
}

#[tokio::test]
async fn an_empty_id_is_never_sent_and_proves_no_absence() {
    let server = Scripted::start(Vec::new()).await;
    let client = server.client();
    let nobody = Scope::Account(String::new());
    for refused in [
        client.app(&account(), "").await.unwrap_err(),
        client.delete_app(&account(), "..").await.unwrap_err(),
        client.apps(&nobody).await.unwrap_err(),
    ] {
        assert!(
            matches!(refused.kind, ApiErrorKind::Refused { .. }),
            "{refused}"
        );
    }
    assert_eq!(client.calls(), 0);
}

#[tokio::test]
async fn an_update_names_only_what_changes() {
    let server = Scripted::start(vec![ok(r#"{"id":"9c"}"#), ok(r#"{"id":"9c"}"#)]).await;
    let client = server.client();
    let disable = ServiceTokenUpdate {
        enabled: Some(false),
        ..ServiceTokenUpdate::default()
    };
    client
        .update_service_token(&account(), "9c", &disable)
        .await
        .unwrap();
    let no_hosts = MtlsCertificateUpdate {
        name: None,
        associated_hostnames: Vec::new(),
    };
    client
        .update_certificate(&account(), "9c", &no_hosts)
        .await
        .unwrap();
    let sent: Vec<Value> = server
        .seen()
        .iter()
        .map(|seen| serde_json::from_str(&seen.body).unwrap())
        .collect();
    assert_eq!(
        sent,
        [
            json!({ "enabled": false }),
            json!({ "associated_hostnames": [] })
        ]
    );
}

#[tokio::test]
async fn a_rotation_always_says_when_the_old_secret_ends() {
    let minted = r#"{"id":"9c","client_id":"88.access","client_secret":"s"}"#;
    let server = Scripted::start(vec![ok(minted)]).await;
    let until = "2026-11-24T16:00:00Z";
    let minted = server
        .client()
        .rotate_service_token("acc", "9c", until)
        .await
        .unwrap();
    assert_eq!(minted.secret.expose(), "s");
    let seen = &server.seen()[0];
    assert!(
        seen.line
            .contains("/accounts/acc/access/service_tokens/9c/rotate")
    );
    let sent: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(sent, json!({ "previous_client_secret_expires_at": until }));
}

#[tokio::test]
async fn deleting_takes_any_success_and_what_is_gone_already() {
    let script = vec![
        answer(202, "", r#"{"success":true,"result":{"id":"9c"}}"#),
        answer(200, "", ""),
        refused(404, 0, "access.api.error.not_found"),
        refused(400, 12139, "access.api.error.service_token_in_use"),
    ];
    let server = Scripted::start(script).await;
    let client = server.client();
    for gone_now in [true, true, false] {
        let deleted = client.delete_service_token(&account(), "9c").await.unwrap();
        assert_eq!(deleted, gone_now);
    }
    let in_use = client
        .delete_service_token(&account(), "9c")
        .await
        .unwrap_err();
    assert!(matches!(in_use.kind, ApiErrorKind::TokenInUse), "{in_use}");
}

#[tokio::test]
async fn the_api_token_is_verified_at_its_account_then_at_its_user() {
    let script = vec![
        refused(401, 1000, "Invalid API Token"),
        ok(r#"{"id":"t","status":"active","expires_on":"2027-01-01T00:00:00Z"}"#),
    ];
    let server = Scripted::start(script).await;
    let verified = server.client().verify_token("acc").await.unwrap();
    assert_eq!(verified.status, "active");
    assert_eq!(
        server.lines(),
        ["GET /accounts/acc/tokens/verify", "GET /user/tokens/verify"]
    );
}

#[tokio::test]
async fn login_events_are_asked_of_graphql_and_repeated_as_a_read() {
    let events = r#"{"data":{"viewer":{"accounts":[{"accessLoginRequestsAdaptiveGroups":[
        {"dimensions":{"datetime":"t","cfRayId":"r"}}]}]}},"errors":null}"#;
    let script = vec![answer(502, "", ""), answer(200, "", events)];
    let server = Scripted::start(script).await;
    let query = LoginQuery {
        since: "a".to_owned(),
        until: "b".to_owned(),
        service_token_id: Some("9c".to_owned()),
    };
    let events = server.client().login_events("acc", &query).await.unwrap();
    assert_eq!(events[0].cf_ray_id, "r");
    let sent: Value = serde_json::from_str(&server.seen()[1].body).unwrap();
    assert_eq!(sent["variables"]["accountTag"], "acc");
}

#[tokio::test]
async fn a_failure_under_a_good_status_is_a_failure() {
    let failed = || refused(200, 12139, "access.api.error.service_token_in_use");
    let server = Scripted::start(vec![failed(), failed()]).await;
    let client = server.client();
    let deleted = client
        .delete_service_token(&account(), "9c")
        .await
        .unwrap_err();
    assert!(
        matches!(deleted.kind, ApiErrorKind::TokenInUse),
        "{deleted}"
    );
    let read = client.service_token(&account(), "9c").await.unwrap_err();
    assert!(matches!(read.kind, ApiErrorKind::TokenInUse), "{read}");
}

#[tokio::test]
async fn more_logins_than_one_query_gives_are_asked_for_from_the_last_one_on() {
    let page = |from: u32, to: u32| {
        let events = (from..to).map(|number| {
            format!(r#"{{"dimensions":{{"datetime":"{number:06}","cfRayId":"{number}"}}}}"#)
        });
        let events = events.collect::<Vec<_>>().join(",");
        let accounts = format!(r#"[{{"accessLoginRequestsAdaptiveGroups":[{events}]}}]"#);
        answer(
            200,
            "",
            &format!(r#"{{"data":{{"viewer":{{"accounts":{accounts}}}}}}}"#),
        )
    };
    let server = Scripted::start(vec![page(0, 10_000), page(9_999, 10_007)]).await;
    let query = LoginQuery {
        since: "000000".to_owned(),
        until: "b".to_owned(),
        service_token_id: None,
    };
    let events = server.client().login_events("acc", &query).await.unwrap();
    assert_eq!(events.len(), 10_007);
    let sent: Value = serde_json::from_str(&server.seen()[1].body).unwrap();
    assert_eq!(sent["variables"]["datetimeStart"], "009999");
}

#[tokio::test]
async fn an_answer_that_is_not_cloudflares_proves_no_deletion_and_no_absence() {
    let page = "<html>not here</html>";
    let answers = [404, 200, 404].map(|status| answer(status, "", page));
    let server = Scripted::start(answers.into()).await;
    let client = server.client();
    for refused in [
        client.app(&account(), "9c").await.unwrap_err(),
        client.delete_app(&account(), "9c").await.unwrap_err(),
        client.delete_app(&account(), "9c").await.unwrap_err(),
    ] {
        assert!(
            matches!(refused.kind, ApiErrorKind::Unreadable(_)),
            "{refused}"
        );
    }
}
