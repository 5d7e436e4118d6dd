//! Doctor against emulated accounts that lack something.

use postern_cloudflare::ApiErrorKind;
use postern_cloudflare::doctor::{
    DoctorReport, LAYOUTS_WITHOUT_MTLS, MtlsAvailability, Standing, Weight, examine,
};
use postern_fixtures::TestPki;
use postern_fixtures::access::{ApiTokenKind, Options, Permission, PermissionGroup, Plan};
use serde_json::json;
use time::OffsetDateTime;

use crate::emulated::Emulated;
use crate::scripted::{Scripted, ok, refused};

async fn report(options: Options) -> DoctorReport {
    let emulated = Emulated::start(options);
    examined(&emulated).await
}

async fn examined(emulated: &Emulated) -> DoctorReport {
    let now = OffsetDateTime::now_utc();
    let report = examine(&emulated.client, &emulated.account(), now)
        .await
        .expect("the emulator answers");
    let calls = emulated.emulator.exchanges();
    let writes = |method: &str, path: &str| method != "GET" && !path.ends_with("/graphql");
    let written = calls.iter().find(|call| writes(&call.method, &call.path));
    assert!(written.is_none(), "{written:?}");
    let token = emulated.emulator.api_token();
    let told = serde_json::to_string(&report).expect("a report is JSON");
    assert!(!told.contains(&token), "{told}");
    report
}

fn standing(report: &DoctorReport, what: &str) -> Standing {
    let mut findings = report.findings.iter();
    let found = findings.find(|finding| finding.what.starts_with(what));
    found
        .unwrap_or_else(|| panic!("{what}: {report:?}"))
        .standing
}

const MTLS: &str = "Access: Mutual TLS Certificates";
const APPS: &str = "Access: Apps and Policies";
const TOKENS: &str = "Access: Service Tokens";
const GROUPS: &str = "Access: Organizations";
const AUDIT: &str = "Access: Audit Logs";
const ANALYTICS: &str = "Account Analytics";

#[tokio::test]
async fn a_token_that_may_do_everything_misses_nothing() {
    let report = report(Options::default()).await;
    assert_eq!(standing(&report, "API token"), Standing::Ok);
    for read_only in [AUDIT, ANALYTICS] {
        assert_eq!(standing(&report, read_only), Standing::Ok);
    }
    for unknown in [MTLS, APPS, TOKENS, GROUPS] {
        assert_eq!(standing(&report, unknown), Standing::Unknown, "{unknown}");
    }
    assert_eq!(
        report.team_domain.as_deref(),
        Some("example.cloudflareaccess.com")
    );
}

#[tokio::test]
async fn each_missing_permission_is_named_and_no_other() {
    let groups = [
        (PermissionGroup::MutualTlsCertificates, MTLS),
        (PermissionGroup::AppsAndPolicies, APPS),
        (PermissionGroup::ServiceTokens, TOKENS),
        (PermissionGroup::AuditLogs, AUDIT),
        (PermissionGroup::AccountAnalytics, ANALYTICS),
    ];
    for (missing, name) in groups {
        let others = groups.iter().filter(|(group, _)| *group != missing);
        let mut permissions: Vec<_> = others.map(|(group, _)| Permission::write(*group)).collect();
        permissions.push(Permission::write(PermissionGroup::Organizations));
        let report = report(Options {
            permissions: Some(permissions),
            ..Options::default()
        })
        .await;
        let named: Vec<_> = report
            .findings
            .iter()
            .filter(|it| it.weight == Weight::Needed && it.standing == Standing::Missing)
            .collect();
        assert_eq!(named.len(), 1, "{named:?}");
        assert!(named[0].what.starts_with(name), "{named:?}");
        assert!(named[0].remedy.as_deref().unwrap().contains(name));
        assert!(!report.is_healthy());
    }
}

#[tokio::test]
async fn an_account_without_access_mtls_is_told_so_with_what_works_without() {
    let report = report(Options {
        plan: Plan::Free,
        ..Options::default()
    })
    .await;
    assert!(report.mtls.is_missing(), "{:?}", report.mtls);
    assert!(report.mtls.sentence().contains("Enterprise"));
    assert_eq!(standing(&report, MTLS), Standing::Unknown);
    assert!(LAYOUTS_WITHOUT_MTLS[0].contains("service tokens at the edge"));
    assert!(LAYOUTS_WITHOUT_MTLS[1].contains("DNS-only"));
}

#[tokio::test]
async fn an_uploaded_ca_proves_access_mtls_and_an_empty_list_proves_nothing() {
    let emulated = Emulated::start(Options::default());
    let empty = examined(&emulated).await.mtls;
    assert!(matches!(empty, MtlsAvailability::Unknown(_)), "{empty:?}");
    let ca = json!({ "name": "ca", "certificate": TestPki::new().root().pem() });
    emulated
        .emulator
        .as_somebody_else("POST", "access/certificates", ca);
    let uploaded = examined(&emulated).await.mtls;
    let evidence = "1 CA(s) are uploaded".to_owned();
    assert_eq!(uploaded, MtlsAvailability::Available(evidence));
}

#[tokio::test]
async fn a_token_that_is_not_accepted_ends_the_examination() {
    for kind in [ApiTokenKind::Disabled, ApiTokenKind::Expired] {
        let report = report(Options {
            api_token: kind,
            ..Options::default()
        })
        .await;
        assert_eq!(report.findings.len(), 1);
        assert_eq!(standing(&report, "API token"), Standing::Missing);
        assert!(matches!(report.mtls, MtlsAvailability::Unknown(_)));
    }
}

#[tokio::test]
async fn a_users_token_is_as_good_as_an_accounts() {
    let report = report(Options {
        api_token: ApiTokenKind::User,
        ..Options::default()
    })
    .await;
    assert_eq!(standing(&report, "API token"), Standing::Ok);
}

#[tokio::test]
async fn a_strict_organization_is_seen_as_strict() {
    let emulated = Emulated::start(Options::default());
    for strict in [false, true] {
        let body = json!({ "strict_service_token_auth": strict });
        emulated
            .emulator
            .as_somebody_else("PUT", "access/organizations", body);
        let report = examined(&emulated).await;
        assert_eq!(report.strict_service_token_auth, Some(strict));
        let expected = if strict {
            Standing::Ok
        } else {
            Standing::Missing
        };
        assert_eq!(standing(&report, "strict"), expected);
    }
}

#[tokio::test]
async fn an_api_out_of_reach_is_no_report() {
    let server = Scripted::start(Vec::new()).await;
    let account = postern_cloudflare::Scope::Account("acc".to_owned());
    let now = OffsetDateTime::UNIX_EPOCH;
    let failed = examine(&server.client(), &account, now).await.unwrap_err();
    assert!(matches!(failed.kind, ApiErrorKind::NoAnswer(_)), "{failed}");
}

/// The emulator has no `tokens/{id}`: what a token says of itself comes from a script.
#[tokio::test]
async fn what_the_token_says_of_itself_tells_whether_it_may_write() {
    let policies = r#"{"policies":[{"effect":"allow","permission_groups":[
        {"name":"Access: Apps and Policies Write"},{"name":"Access: Service Tokens Read"}]}]}"#;
    let events = r#"{"data":{"viewer":{"accounts":[]}},"errors":null}"#;
    let script = vec![
        ok(r#"{"id":"t","status":"active"}"#),
        ok(r#"[{"id":"acc","name":"Example","type":"enterprise"}]"#),
        ok("[]"),
        ok(r#"{"auth_domain":"team.cloudflareaccess.com"}"#),
        ok("[]"),
        ok(r#"[{"alert_type":"expiring_service_token_alert","enabled":true}]"#),
        ok(policies),
        ok("[]"),
        ok("[]"),
        ok("[]"),
        refused(403, 10000, "Authentication error"),
        ok("[]"),
        crate::scripted::answer(200, "", events),
        ok("[]"),
        ok(r#"[{"id":"acc","name":"Example","type":"enterprise"}]"#),
        ok("[]"),
    ];
    let server = Scripted::start(script).await;
    let account = postern_cloudflare::Scope::Account("acc".to_owned());
    let now = OffsetDateTime::now_utc();
    let report = examine(&server.client(), &account, now).await.unwrap();
    assert_eq!(standing(&report, "account"), Standing::Ok);
    assert_eq!(standing(&report, "alert"), Standing::Ok);
    assert_eq!(standing(&report, APPS), Standing::Ok);
    assert_eq!(standing(&report, TOKENS), Standing::Insufficient);
    assert_eq!(standing(&report, MTLS), Standing::Insufficient);
    assert_eq!(standing(&report, GROUPS), Standing::Missing);
    assert!(
        matches!(report.mtls, MtlsAvailability::Available(_)),
        "{:?}",
        report.mtls
    );
}
