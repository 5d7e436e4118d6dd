//! Every kind of object is made, listed, read, changed and deleted in an emulated account.

use std::time::{Duration, Instant};

use postern_cloudflare::ApiErrorKind;
use postern_cloudflare::access::{
    AccessGroup, AccessPolicy, AccessRule, App, HostnameSetting, MtlsCertificateUpdate,
    NewMtlsCertificate, NewServiceToken, RuleList,
};
use postern_fixtures::TestPki;
use postern_fixtures::access::{At, Effect, Fault, Options};
use serde_json::json;

use crate::emulated::Emulated;

fn slow_to_settle() -> Options {
    Options {
        deploy_delay: Duration::from_millis(120),
        detach_delay: Duration::from_millis(120),
        ..Options::default()
    }
}

fn setting(forwarding: bool) -> HostnameSetting {
    HostnameSetting {
        client_certificate_forwarding: forwarding,
        ..HostnameSetting::forwarding("app.example.com")
    }
}

#[tokio::test]
async fn a_ca_lives_and_goes_although_each_change_takes_its_time() {
    let emulated = Emulated::start(slow_to_settle());
    let scope = emulated.account();
    let client = &emulated.client;
    let new = NewMtlsCertificate {
        name: "ca".to_owned(),
        certificate: TestPki::new().root().pem(),
        associated_hostnames: vec!["app.example.com".to_owned()],
    };
    let made = client.create_certificate(&scope, &new).await.unwrap();
    let update = MtlsCertificateUpdate {
        name: Some("renamed".to_owned()),
        associated_hostnames: vec!["app.example.com".to_owned()],
    };
    client
        .update_certificate(&scope, made.id(), &update)
        .await
        .unwrap();
    let settings = [setting(true)];
    client
        .put_hostname_settings(&scope, &settings)
        .await
        .unwrap();
    assert_eq!(client.hostname_settings(&scope).await.unwrap(), settings);
    let listed = client.certificates(&scope).await.unwrap();
    assert_eq!(listed[0].name(), "renamed");
    let refused = client
        .delete_certificate(&scope, made.id())
        .await
        .unwrap_err();
    assert!(
        matches!(refused.kind, ApiErrorKind::ActiveAssociations),
        "{refused}"
    );
    assert!(client.delete_mtls_ca(&scope, made.id()).await.unwrap());
    assert!(
        client
            .certificate(&scope, made.id())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn an_application_and_its_policies_live_and_go() {
    let emulated = Emulated::start(Options::default());
    let scope = emulated.account();
    let client = &emulated.client;
    let app = App::self_hosted("payroll", "app.example.com");
    let app = client.create_app(&scope, &app).await.unwrap();
    let rule = AccessRule::CommonName("device-1".to_owned()).to_json();
    let policy = json!({
        "name": "device-1 (mTLS)", "decision": "non_identity", "include": [rule],
        "precedence": 1,
    });
    let policy = AccessPolicy::try_from(policy).unwrap();
    let policy = client
        .create_app_policy(&scope, app.id(), &policy)
        .await
        .unwrap();
    let mut read = client.app(&scope, app.id()).await.unwrap().unwrap();
    read.set("session_duration", json!("30m"));
    let updated = client
        .update_app(&scope, app.id(), &read.for_update())
        .await
        .unwrap();
    assert_eq!(updated.session_duration(), Some("30m"));
    let mut changed = policy.clone();
    changed.set("include", json!([AccessRule::Certificate.to_json()]));
    client
        .update_app_policy(&scope, app.id(), policy.id(), &changed)
        .await
        .unwrap();
    let kept = client.app_policies(&scope, app.id()).await.unwrap();
    assert_eq!(kept[0].rules(RuleList::Include), [AccessRule::Certificate]);
    assert!(
        client
            .delete_app_policy(&scope, app.id(), policy.id())
            .await
            .unwrap()
    );
    let gone = client
        .app_policy(&scope, app.id(), policy.id())
        .await
        .unwrap();
    assert!(gone.is_none());
    assert!(client.delete_app(&scope, app.id()).await.unwrap());
    assert!(client.apps(&scope).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_token_that_a_group_names_goes_after_the_group() {
    let emulated = Emulated::start(Options::default());
    let (client, account) = (&emulated.client, emulated.account());
    let new = NewServiceToken {
        name: "n".to_owned(),
        duration: "2160h".to_owned(),
    };
    let minted = client.create_service_token(&account, &new).await.unwrap();
    let id = minted.token.id();
    let rule = AccessRule::ServiceToken(id.to_owned()).to_json();
    let group = json!({ "name": "fleet", "include": [rule] });
    let group = AccessGroup::try_from(group).unwrap();
    let group = client.create_group(&account, &group).await.unwrap();
    let refused = client.delete_service_token(&account, id).await.unwrap_err();
    assert!(
        matches!(refused.kind, ApiErrorKind::TokenInUse),
        "{refused}"
    );
    assert!(client.delete_group(&account, group.id()).await.unwrap());
    let refreshed = client
        .refresh_service_token(&emulated.emulator.account_id(), id)
        .await;
    assert!(refreshed.unwrap().expires_at() > minted.token.expires_at());
    assert!(client.delete_service_token(&account, id).await.unwrap());
    assert!(!client.delete_service_token(&account, id).await.unwrap());
}

#[tokio::test]
async fn a_list_of_several_pages_is_whole_and_a_hidden_object_is_found_by_its_id() {
    let emulated = Emulated::start(Options::default());
    let (client, account) = (&emulated.client, emulated.account());
    let mut made = Vec::new();
    for number in 0..120 {
        let rule = json!({ "common_name": { "common_name": format!("device-{number}") } });
        let group = json!({ "name": format!("group {number}"), "include": [rule] });
        let group = emulated
            .emulator
            .as_somebody_else("POST", "access/groups", group);
        made.push(group["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(client.groups(&account).await.unwrap().len(), 120);
    emulated.emulator.hide_from_lists(&made[60]);
    let listed = client.groups(&account).await.unwrap();
    assert!(listed.iter().all(|group| group.id() != made[60]));
    assert!(client.group(&account, &made[60]).await.unwrap().is_some());
}

#[tokio::test]
async fn a_mint_that_took_effect_without_an_answer_is_told_and_made_once() {
    let emulated = Emulated::start(Options::default());
    let (client, account) = (&emulated.client, emulated.account());
    let new = NewServiceToken {
        name: "n".to_owned(),
        duration: "2160h".to_owned(),
    };
    let cut = Effect::Cut { at: At::After };
    emulated
        .emulator
        .inject(Fault::on("POST", "*/access/service_tokens", cut));
    let failed = client
        .create_service_token(&account, &new)
        .await
        .unwrap_err();
    assert!(failed.kind.may_have_taken_effect(), "{failed}");
    assert_eq!(client.service_tokens(&account).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_delete_that_took_effect_without_an_answer_is_a_success() {
    let emulated = Emulated::start(Options::default());
    let (client, account) = (&emulated.client, emulated.account());
    let group = json!({ "name": "fleet", "include": [{ "certificate": {} }] });
    let group = emulated
        .emulator
        .as_somebody_else("POST", "access/groups", group);
    let cut = Effect::Cut { at: At::After };
    emulated
        .emulator
        .inject(Fault::on("DELETE", "*/access/groups/*", cut));
    // The second try finds nothing: it is gone, whoever did it.
    let id = group["id"].as_str().unwrap();
    assert!(!client.delete_group(&account, id).await.unwrap());
    assert!(client.group(&account, id).await.unwrap().is_none());
}

#[tokio::test]
async fn the_limit_of_the_account_is_waited_for() {
    let emulated = Emulated::start(Options::default());
    let used_up = Effect::TooManyCalls { retry_after: 1 };
    emulated.emulator.inject(Fault::at_call(1, used_up));
    let start = Instant::now();
    emulated
        .client
        .organization(&emulated.account())
        .await
        .unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    let calls = emulated.emulator.requests();
    let statuses: Vec<_> = calls.iter().map(|(_, _, status)| *status).collect();
    assert_eq!(statuses, [Some(429), Some(200)]);
}
