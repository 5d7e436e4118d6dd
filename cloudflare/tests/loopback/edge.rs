//! The client sets an application up, and the probe asks the edge whether it holds.

use std::time::Duration;

use postern_cloudflare::access::{
    AccessPolicy, AccessRule, App, LoginQuery, MintedToken, NewServiceToken, ServiceTokenUpdate,
    TokenSecret,
};
use postern_cloudflare::probe::{CredentialHeader, Passage, Probe, ProbeOptions, Verdict};
use postern_fixtures::access::Options;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::emulated::Emulated;

const HOST: &str = "app.example.com";

/// An application with one token in one policy.
struct Site {
    emulated: Emulated,
    app: App,
    policy: AccessPolicy,
    minted: MintedToken,
}

impl Site {
    async fn with_decision(decision: &str) -> Self {
        let emulated = Emulated::start(Options {
            edge: Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0))),
            ..Options::default()
        });
        let (client, account) = (&emulated.client, emulated.account());
        let new = NewServiceToken {
            name: "payroll-ci-prod".to_owned(),
            duration: "2160h".to_owned(),
        };
        let minted = client.create_service_token(&account, &new).await;
        let minted = minted.expect("an account has room for one token");
        let app = client
            .create_app(&account, &App::self_hosted("payroll", HOST))
            .await;
        let app = app.expect("an account has room for one application");
        let policy = policy(decision, minted.token.id());
        let policy = client.create_app_policy(&account, app.id(), &policy).await;
        let policy = policy.expect("the policy is well-formed");
        Self {
            emulated,
            app,
            policy,
            minted,
        }
    }

    fn probe(&self, secret: &TokenSecret, header: CredentialHeader) -> Probe {
        let options = ProbeOptions {
            header,
            attempts: 1,
            timeout: Duration::from_secs(30),
            propagation: Duration::ZERO,
            extra_roots: self.emulated.emulator.edge_root(),
            resolve: self.emulated.emulator.edge(),
            ..ProbeOptions::default()
        };
        let url = format!("https://{HOST}/health");
        let probe = Probe::new(&url, self.minted.token.client_id(), secret, options);
        probe.expect("the token is a header value")
    }

    async fn verdict(&self, secret: &TokenSecret) -> Verdict {
        let probe = self.probe(secret, CredentialHeader::Pair);
        probe.run(|_| {}).await.verdict
    }

    async fn set_strict(&self, strict: bool) {
        let body = json!({ "strict_service_token_auth": strict });
        let emulator = &self.emulated.emulator;
        emulator.as_somebody_else("PUT", "access/organizations", body);
    }

    async fn set_enabled(&self, enabled: bool) {
        let update = ServiceTokenUpdate {
            enabled: Some(enabled),
            ..ServiceTokenUpdate::default()
        };
        let account = self.emulated.account();
        let client = &self.emulated.client;
        let updated = client
            .update_service_token(&account, self.minted.token.id(), &update)
            .await;
        assert_eq!(updated.expect("the token exists").is_enabled(), enabled);
    }
}

fn policy(decision: &str, token: &str) -> AccessPolicy {
    let rule = AccessRule::ServiceToken(token.to_owned()).to_json();
    let policy = json!({
        "name": "payroll-ci-prod (service token)", "decision": decision, "include": [rule],
        "precedence": 1,
    });
    AccessPolicy::try_from(policy).expect("it is an object")
}

#[tokio::test]
async fn a_token_in_a_service_auth_policy_passes() {
    let site = Site::with_decision("non_identity").await;
    assert_eq!(site.verdict(&site.minted.secret).await, Verdict::Passed);
}

#[tokio::test]
async fn a_disabled_token_and_a_wrong_secret_do_not_pass() {
    let site = Site::with_decision("non_identity").await;
    site.set_strict(true).await;
    let wrong = TokenSecret::from("cfast_wrong".to_owned());
    assert_eq!(site.verdict(&wrong).await, Verdict::Unauthenticated);
    site.set_enabled(false).await;
    let verdict = site.verdict(&site.minted.secret).await;
    assert_eq!(verdict, Verdict::Unauthenticated);
    site.set_enabled(true).await;
    assert_eq!(site.verdict(&site.minted.secret).await, Verdict::Passed);
}

#[tokio::test]
async fn a_token_under_allow_gets_the_login_page_and_is_told_why() {
    let site = Site::with_decision("allow").await;
    site.set_strict(false).await;
    let verdict = site.verdict(&site.minted.secret).await;
    assert_eq!(verdict, Verdict::LoginPage);
    assert!(verdict.explanation().contains("decision is `allow`"));
}

#[tokio::test]
async fn a_token_that_is_in_no_policy_is_forbidden_where_the_organization_is_strict() {
    let site = Site::with_decision("non_identity").await;
    site.set_strict(true).await;
    let (client, account) = (&site.emulated.client, site.emulated.account());
    let gone = client
        .delete_app_policy(&account, site.app.id(), site.policy.id())
        .await
        .unwrap();
    assert!(gone);
    assert_eq!(site.verdict(&site.minted.secret).await, Verdict::Forbidden);
}

#[tokio::test]
async fn both_secrets_pass_while_a_rotation_overlaps_and_the_old_one_not_after() {
    let site = Site::with_decision("non_identity").await;
    site.set_strict(true).await;
    let account = site.emulated.emulator.account_id();
    let until = (OffsetDateTime::now_utc() + time::Duration::hours(1))
        .format(&Rfc3339)
        .unwrap();
    let client = &site.emulated.client;
    let id = site.minted.token.id();
    let rotated = client
        .rotate_service_token(&account, id, &until)
        .await
        .unwrap();
    for secret in [&site.minted.secret, &rotated.secret] {
        assert_eq!(site.verdict(secret).await, Verdict::Passed);
    }
    site.emulated.emulator.advance(Duration::from_secs(3_700));
    assert_eq!(
        site.verdict(&site.minted.secret).await,
        Verdict::Unauthenticated
    );
    assert_eq!(site.verdict(&rotated.secret).await, Verdict::Passed);
}

#[tokio::test]
async fn one_header_is_enough_where_the_application_reads_it() {
    let site = Site::with_decision("non_identity").await;
    let (client, account) = (&site.emulated.client, site.emulated.account());
    let read = client.app(&account, site.app.id()).await.unwrap();
    let mut update = read.expect("it was made").for_update();
    update.set("read_service_tokens_from_header", json!("Authorization"));
    client
        .update_app(&account, site.app.id(), &update)
        .await
        .unwrap();
    let probe = site.probe(&site.minted.secret, CredentialHeader::Authorization);
    assert_eq!(probe.run(|_| {}).await.verdict, Verdict::Passed);
}

#[tokio::test]
async fn the_edges_echo_has_the_jwt() {
    let site = Site::with_decision("non_identity").await;
    let probe = site.probe(&site.minted.secret, CredentialHeader::Pair);
    let echo = probe.echo().await.unwrap();
    let jwt = echo
        .headers
        .iter()
        .find(|it| it.name == "Cf-Access-Jwt-Assertion");
    assert_eq!(jwt.unwrap().passage, Passage::Arrived);
}

#[tokio::test]
async fn a_login_with_the_token_is_in_the_log() {
    let site = Site::with_decision("non_identity").await;
    site.verdict(&site.minted.secret).await;
    let now = OffsetDateTime::now_utc();
    let at = |shift: time::Duration| (now + shift).format(&Rfc3339).unwrap();
    let query = |token: &str| LoginQuery {
        since: at(time::Duration::minutes(-5)),
        until: at(time::Duration::minutes(5)),
        service_token_id: Some(token.to_owned()),
    };
    let account = site.emulated.emulator.account_id();
    let client = &site.emulated.client;
    let id = site.minted.token.id();
    let events = client.login_events(&account, &query(id)).await.unwrap();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].service_token_id, id);
    assert_eq!(events[0].is_successful_login, 1);
    let others = client
        .login_events(&account, &query("another"))
        .await
        .unwrap();
    assert!(others.is_empty(), "{others:?}");
}
