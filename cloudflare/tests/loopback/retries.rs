//! Which calls are sent again, and which are not.

use std::time::{Duration, Instant};

use postern_cloudflare::access::{App, NewServiceToken};
use postern_cloudflare::{ApiErrorKind, Client, Pace, Scope};
use tokio::net::TcpListener;

use crate::scripted::{Reply, Scripted, answer, ok, options};

fn account() -> Scope {
    Scope::Account("acc".to_owned())
}

fn token() -> NewServiceToken {
    NewServiceToken {
        name: "n".to_owned(),
        duration: "2160h".to_owned(),
    }
}

fn too_many(retry_after: &str) -> Reply {
    answer(429, &format!("retry-after: {retry_after}\r\n"), "")
}

const MINTED: &str = r#"{"id":"9c","client_id":"88.access","client_secret":"s"}"#;

#[tokio::test]
async fn what_can_be_repeated_survives_failures_and_cut_connections() {
    let object = || ok(r#"{"id":"9c"}"#);
    let failures = [answer(500, "", ""), Reply::Cut, answer(503, "", "<html>")];
    let mut script = Vec::new();
    for last in [object(), object(), object()] {
        script.extend(failures.clone());
        script.push(last);
    }
    let server = Scripted::start(script).await;
    let client = server.client();
    assert!(client.app(&account(), "9c").await.unwrap().is_some());
    let app = App::self_hosted("n", "app.example.com");
    client.update_app(&account(), "9c", &app).await.unwrap();
    assert!(client.delete_app(&account(), "9c").await.unwrap());
    assert_eq!(client.calls(), 12);
}

#[tokio::test]
async fn a_failure_that_stays_is_told_after_four_tries() {
    let server = Scripted::start(vec![answer(502, "", ""); 9]).await;
    let failed = server.client().app(&account(), "9c").await.unwrap_err();
    assert!(failed.kind.may_have_taken_effect(), "{failed}");
    assert_eq!(
        failed.to_string(),
        "GET /accounts/acc/access/apps/9c: Cloudflare failed with 502: no reason given; whether \
         it took effect is not known"
    );
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_mint_that_may_have_taken_effect_is_never_sent_twice() {
    for reply in [
        answer(500, "", ""),
        Reply::Cut,
        ok(r#"{"id":"9c"}"#),
        answer(200, "", ""),
    ] {
        let server = Scripted::start(vec![reply.clone(), ok(MINTED)]).await;
        let failed = server
            .client()
            .create_service_token(&account(), &token())
            .await;
        let failed = failed.unwrap_err();
        assert!(failed.kind.may_have_taken_effect(), "{reply:?}: {failed}");
        assert_eq!(server.seen().len(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_mint_that_is_not_answered_in_time_is_never_sent_twice() {
    let server = Scripted::start(vec![Reply::Hang, ok(MINTED)]).await;
    // Half of it is for connecting, which a loaded machine must manage.
    let options = options(server.base(), Duration::from_secs(2));
    let client = Client::new(options).unwrap();
    let failed = client
        .create_service_token(&account(), &token())
        .await
        .unwrap_err();
    assert!(matches!(failed.kind, ApiErrorKind::NoAnswer(_)), "{failed}");
    assert_eq!(server.seen().len(), 1);
    assert_eq!(client.calls(), 1);
}

#[tokio::test]
async fn a_mint_that_the_limit_refused_is_sent_again() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let server = Scripted::start(vec![too_many("0"), too_many(date), ok(MINTED)]).await;
    let minted = server
        .client()
        .create_service_token(&account(), &token())
        .await
        .unwrap();
    assert_eq!(minted.token.id(), "9c");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_mint_that_reached_nobody_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/client/v4", listener.local_addr().unwrap());
    drop(listener);
    let pace = Pace {
        retry: Duration::from_millis(2),
        ..Pace::default()
    };
    let options = options(&base, Duration::from_secs(20));
    let client = Client::with_pace(options, pace).unwrap();
    let failed = client
        .create_service_token(&account(), &token())
        .await
        .unwrap_err();
    assert!(
        matches!(failed.kind, ApiErrorKind::Unreachable(_)),
        "{failed}"
    );
    assert!(!failed.kind.may_have_taken_effect());
    assert_eq!(client.calls(), 4);
}

#[tokio::test]
async fn a_wait_of_more_than_300_s_is_told_instead() {
    let server = Scripted::start(vec![too_many("301"), ok("{}")]).await;
    let failed = server.client().app(&account(), "9c").await.unwrap_err();
    let told = "GET /accounts/acc/access/apps/9c: the call limit is used up; try again in 301 s";
    assert_eq!(failed.to_string(), told);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_call_over_the_budget_waits_for_it() {
    let server = Scripted::start(vec![ok(r#"{"id":"9c"}"#); 4]).await;
    let window = Duration::from_millis(300);
    let pace = Pace {
        calls: 3,
        window,
        ..Pace::default()
    };
    let client = server.client_with(pace);
    let start = Instant::now();
    for _ in 0..4 {
        client.app(&account(), "9c").await.unwrap();
    }
    // Never sooner; how much later is the machine's business.
    assert!(start.elapsed() >= window);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Scripted::start(vec![ok(r#"{"id":"9c"}"#)]).await;
    let location = format!("location: {}/x\r\n", elsewhere.base());
    let server = Scripted::start(vec![answer(307, &location, "")]).await;
    let refused = server.client().app(&account(), "9c").await.unwrap_err();
    assert!(matches!(
        refused.kind,
        ApiErrorKind::Refused { status: 307, .. }
    ));
    assert!(elsewhere.seen().is_empty());
}
