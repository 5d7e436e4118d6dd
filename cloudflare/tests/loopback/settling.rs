//! What Cloudflare does in the background is waited for.

use postern_cloudflare::access::HostnameSetting;
use postern_cloudflare::{ApiErrorKind, Scope};

use crate::scripted::{Reply, Scripted, ok, refused};

fn account() -> Scope {
    Scope::Account("acc".to_owned())
}

fn busy() -> Reply {
    let message = "access.api.error.conflict: previous certificate settings still being updated";
    refused(409, 12132, message)
}

fn attached() -> Reply {
    refused(
        400,
        0,
        "access.api.error.conflict: certificate has active associations",
    )
}

fn certificate(hosts: &str) -> Reply {
    ok(&format!(
        r#"{{"id":"9c","associated_hostnames":[{hosts}]}}"#
    ))
}

fn settings() -> [HostnameSetting; 1] {
    [HostnameSetting::forwarding("app.example.com")]
}

#[tokio::test]
async fn settings_are_written_again_while_the_last_ones_deploy() {
    let server = Scripted::start(vec![busy(), busy(), ok("[]")]).await;
    let client = server.client();
    client
        .put_hostname_settings(&account(), &settings())
        .await
        .unwrap();
    assert_eq!(
        server.lines(),
        vec!["PUT /accounts/acc/access/certificates/settings"; 3]
    );
}

#[tokio::test]
async fn settings_that_never_deploy_are_told() {
    let server = Scripted::start(vec![busy(); 20]).await;
    let client = server.client();
    let busy = client
        .put_hostname_settings(&account(), &settings())
        .await
        .unwrap_err();
    assert!(matches!(busy.kind, ApiErrorKind::SettingsBusy), "{busy}");
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn a_ca_is_detached_before_it_is_deleted() {
    let host = r#""app.example.com""#;
    let script = vec![
        certificate(host),
        certificate(""),
        certificate(host),
        certificate(""),
        attached(),
        attached(),
        ok(r#"{"id":"9c"}"#),
    ];
    let server = Scripted::start(script).await;
    let deleted = server
        .client()
        .delete_mtls_ca(&account(), "9c")
        .await
        .unwrap();
    assert!(deleted);
    let steps = ["GET", "PUT", "GET", "GET", "DELETE", "DELETE", "DELETE"];
    let path = "/accounts/acc/access/certificates/9c";
    assert_eq!(server.lines(), steps.map(|step| format!("{step} {path}")));
    assert_eq!(server.seen()[1].body, r#"{"associated_hostnames":[]}"#);
}

#[tokio::test]
async fn a_ca_that_stays_attached_is_told_after_five_tries() {
    let mut script = vec![certificate("")];
    script.extend(vec![attached(); 9]);
    let server = Scripted::start(script).await;
    let told = server
        .client()
        .delete_mtls_ca(&account(), "9c")
        .await
        .unwrap_err();
    assert!(
        matches!(told.kind, ApiErrorKind::ActiveAssociations),
        "{told}"
    );
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn a_ca_that_is_gone_is_no_error() {
    let gone = || refused(404, 0, "access.api.error.not_found");
    let server = Scripted::start(vec![gone(), certificate(""), gone()]).await;
    let client = server.client();
    for _ in 0..2 {
        assert!(!client.delete_mtls_ca(&account(), "9c").await.unwrap());
    }
}
