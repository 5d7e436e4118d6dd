//! What our own client sends is held against Cloudflare's schema, call by call.

use std::time::Duration;

use postern_cloudflare::access::{
    AccessGroup, AccessPolicy, AccessRule, App, HostnameSetting, MtlsCertificateUpdate,
    NewMtlsCertificate, NewServiceToken, ServiceTokenUpdate,
};
use postern_cloudflare::doctor::{Throwaway, live_probe};
use postern_cloudflare::{ApiToken, Client, ClientOptions, Pace, Scope};
use postern_fixtures::TestPki;
use postern_fixtures::access::{Emulator, Options};
use postern_tests::Contract;
use serde_json::{Value, json};

#[tokio::test]
async fn every_call_of_our_client_and_every_answer_to_it_keep_the_contract() {
    let Some(contract) = Contract::load() else {
        return;
    };
    let account = Account::start();
    account.certificates().await;
    account.applications_and_policies().await;
    account.groups_and_tokens().await;
    account.surroundings().await;
    let calls = account.emulator.exchanges();
    let judged = contract.expect_all(&calls);
    assert!(judged >= 40, "{judged}");
}

/// What it tries on purpose is wrong in meaning only, never in form.
#[tokio::test]
async fn the_live_probe_keeps_the_contract() {
    let Some(contract) = Contract::load() else {
        return;
    };
    let account = Account::start();
    let with = Throwaway {
        run: "1".to_owned(),
        ca: TestPki::new().root().pem(),
        other_ca: TestPki::new().root().pem(),
        host: Some("postern-live-probe.example.com".to_owned()),
    };
    let report = live_probe(&account.client, &account.scope, &with).await;
    assert!(report.left_behind.is_empty(), "{report:?}");
    let judged = contract.expect_all(&account.emulator.exchanges());
    assert!(judged >= 30, "{judged}");
}

struct Account {
    emulator: Emulator,
    client: Client,
    scope: Scope,
}

impl Account {
    fn start() -> Self {
        let emulator = Emulator::start(Options {
            deploy_delay: Duration::from_millis(20),
            detach_delay: Duration::from_millis(20),
            ..Options::default()
        })
        .unwrap();
        let options = ClientOptions {
            base: emulator.api(),
            token: ApiToken::from(emulator.api_token()),
            timeout: Duration::from_secs(30),
        };
        let pace = Pace {
            settle: Duration::from_millis(50),
            ..Pace::default()
        };
        Self {
            client: Client::with_pace(options, pace).unwrap(),
            scope: Scope::Account(emulator.account_id()),
            emulator,
        }
    }

    async fn certificates(&self) {
        let (client, scope) = (&self.client, &self.scope);
        let hosts = vec!["app.example.com".to_owned()];
        let new = NewMtlsCertificate {
            name: "ca".to_owned(),
            certificate: TestPki::new().root().pem(),
            associated_hostnames: hosts.clone(),
        };
        let made = client.create_certificate(scope, &new).await.unwrap();
        let update = MtlsCertificateUpdate {
            name: None,
            associated_hostnames: hosts,
        };
        client
            .update_certificate(scope, made.id(), &update)
            .await
            .unwrap();
        let setting = HostnameSetting::forwarding("app.example.com");
        client
            .put_hostname_settings(scope, &[setting])
            .await
            .unwrap();
        client.hostname_settings(scope).await.unwrap();
        client.certificates(scope).await.unwrap();
        client
            .delete_certificate(scope, made.id())
            .await
            .unwrap_err();
        assert!(client.delete_mtls_ca(scope, made.id()).await.unwrap());
    }

    async fn applications_and_policies(&self) {
        let (client, scope) = (&self.client, &self.scope);
        let app = App::self_hosted("payroll", "app.example.com");
        let app = client.create_app(scope, &app).await.unwrap();
        let policy = policy(&[AccessRule::CommonName("device-1".to_owned())]);
        let policy = client
            .create_app_policy(scope, app.id(), &policy)
            .await
            .unwrap();
        let read = client.app(scope, app.id()).await.unwrap().unwrap();
        client
            .update_app(scope, app.id(), &read.for_update())
            .await
            .unwrap();
        let read = client
            .app_policy(scope, app.id(), policy.id())
            .await
            .unwrap();
        let mut changed = read.unwrap();
        for server_side in ["id", "created_at", "updated_at", "reusable"] {
            changed.remove(server_side);
        }
        client
            .update_app_policy(scope, app.id(), policy.id(), &changed)
            .await
            .unwrap();
        client.app_policies(scope, app.id()).await.unwrap();
        client.reusable_policies(scope).await.unwrap();
        assert!(
            client
                .reusable_policy(scope, NOBODY)
                .await
                .unwrap()
                .is_none()
        );
        client
            .delete_app_policy(scope, app.id(), policy.id())
            .await
            .unwrap();
        client.apps(scope).await.unwrap();
        assert!(client.delete_app(scope, app.id()).await.unwrap());
        assert!(client.app(scope, app.id()).await.unwrap().is_none());
    }

    async fn groups_and_tokens(&self) {
        let (client, scope) = (&self.client, &self.scope);
        let new = NewServiceToken {
            name: "payroll-ci-prod".to_owned(),
            duration: "2160h".to_owned(),
        };
        let minted = client.create_service_token(scope, &new).await.unwrap();
        let id = minted.token.id();
        let rule = AccessRule::ServiceToken(id.to_owned()).to_json();
        let group = json!({ "name": "fleet", "include": [rule] });
        let mut group = AccessGroup::try_from(group).unwrap();
        let made = client.create_group(scope, &group).await.unwrap();
        client.delete_service_token(scope, id).await.unwrap_err();
        group.set("include", json!([{ "certificate": {} }]));
        client.update_group(scope, made.id(), &group).await.unwrap();
        client.group(scope, made.id()).await.unwrap();
        client.groups(scope).await.unwrap();
        client.delete_group(scope, made.id()).await.unwrap();
        let account = self.emulator.account_id();
        let end = "2027-01-01T00:00:00Z";
        client
            .rotate_service_token(&account, id, end)
            .await
            .unwrap();
        client.refresh_service_token(&account, id).await.unwrap();
        let disable = ServiceTokenUpdate {
            enabled: Some(false),
            previous_client_secret_expires_at: Some(end.to_owned()),
            ..ServiceTokenUpdate::default()
        };
        client
            .update_service_token(scope, id, &disable)
            .await
            .unwrap();
        client.service_tokens(scope).await.unwrap();
        client.service_token(scope, id).await.unwrap();
        assert!(client.delete_service_token(scope, id).await.unwrap());
    }

    async fn surroundings(&self) {
        let (client, account) = (&self.client, self.emulator.account_id());
        client.organization(&self.scope).await.unwrap();
        client.verify_token(&account).await.unwrap();
        client.account(&account).await.unwrap();
        client.zones().await.unwrap();
        client.zone(&self.emulator.zone_id()).await.unwrap();
        let since = "2026-01-01T00:00:00Z";
        client.access_requests(&account, since, 10).await.unwrap();
    }
}

fn policy(rules: &[AccessRule]) -> AccessPolicy {
    let include: Vec<Value> = rules.iter().map(AccessRule::to_json).collect();
    let policy = json!({
        "name": "device-1 (mTLS)", "decision": "non_identity", "include": include,
        "precedence": 1,
    });
    AccessPolicy::try_from(policy).unwrap()
}

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
