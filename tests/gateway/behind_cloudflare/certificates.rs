//! A forwarded certificate counts for the request that carries it, under the name that Access says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_fixtures::TestPki;
use postern_tests::{DEVICE, DEVICES, Identity, PATIENCE, TestGateway};
use serde_json::json;

use super::{ASSERTION, Behind, LOOPBACK, answer, ask};

const DER: &str = "cf-client-cert-der-base64";

fn der(identity: &Identity) -> String {
    STANDARD.encode(&identity.chain()[0])
}

/// The certificate as RFC 9440 writes it.
pub(crate) fn rfc_9440(identity: &Identity) -> String {
    format!(":{}:", der(identity))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_certificate_is_held_against_our_own_gate() {
    let behind = Behind::new(
        LOOPBACK,
        "client_certificate = \"cf-client-cert-der-base64\"",
    );
    let site = &behind.site;
    let (device, other) = (site.client(DEVICE), site.client("device-2.factory.corp"));
    let stranger = site.keep(&TestPki::new().client(DEVICE), "stranger");
    let gateway = TestGateway::run(site);
    let assertion = behind.assertion_of(DEVICE);
    let with = async |name: &str, value: &str| {
        ask(&behind, &gateway, &[(ASSERTION, &assertion), (name, value)]).await
    };

    let admitted = answer(
        &behind,
        &gateway,
        DEVICES,
        &[(ASSERTION, &assertion), (DER, &der(&device))],
    )
    .await;
    assert_eq!(admitted.status, 200);
    let received = site.upstream.only("/asked");
    assert_eq!(received.values("client-cert"), [rfc_9440(&device)]);
    let event = gateway.event_of(&admitted.request_id());
    assert!(
        event["serial"].is_string() && event["fingerprint"].is_string(),
        "{event}"
    );

    let refused = |status: u16, reason: &str| (status, reason.to_owned());
    assert_eq!(
        with(DER, &der(&other)).await,
        refused(401, "client_cert_mismatch")
    );
    assert_eq!(
        with(DER, &der(&stranger)).await,
        refused(401, "unknown_issuer")
    );
    assert_eq!(with(DER, "AAAA").await, refused(401, "malformed"));
    assert_eq!(
        with(DER, "not base64").await,
        refused(401, "client_cert_invalid")
    );
    let bare = ask(&behind, &gateway, &[(DER, &der(&device))]).await;
    assert_eq!(bare, refused(401, "jwt_missing"));
    // Not the header that Cloudflare was told to use: it could be the client's own.
    let ignored = answer(
        &behind,
        &gateway,
        DEVICES,
        &[(ASSERTION, &assertion), ("client-cert", &rfc_9440(&other))],
    )
    .await;
    assert_eq!(ignored.status, 200);
    let received = site.upstream.received();
    assert!(received.last().unwrap().values("client-cert").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_certificates_of_one_name_the_one_that_is_shown_decides() {
    let behind = Behind::new(LOOPBACK, "client_certificate = \"client-cert\"");
    let site = &behind.site;
    let old = site.issue(DEVICE, "service", "old");
    let gateway = TestGateway::run(site);
    let assertion = behind.assertion_of(DEVICE);
    let with = async |identity: &Identity| {
        let shown = rfc_9440(identity);
        ask(
            &behind,
            &gateway,
            &[(ASSERTION, &assertion), ("client-cert", &shown)],
        )
        .await
    };
    assert_eq!(with(&old).await.0, 200);
    site.revoke(DEVICE);
    let new = site.issue(DEVICE, "service", "new");
    let deadline = std::time::Instant::now() + PATIENCE;
    while with(&old).await != (401, "revoked".to_owned()) {
        assert!(std::time::Instant::now() < deadline, "it is never refused");
    }
    assert_eq!(with(&new).await.0, 200);
    // Without it nobody can say which of the two it is.
    let bare = ask(&behind, &gateway, &[(ASSERTION, &assertion)]).await;
    assert_eq!(bare, (401, "revoked".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_alone_is_held_against_patterns_the_deny_list_and_revoked_names() {
    let behind = Behind::new(LOOPBACK, "");
    let site = &behind.site;
    for name in [DEVICE, "device-renewed.factory.corp"] {
        site.client(name);
    }
    site.revoke(DEVICE);
    let superseded = [
        "cert",
        "revoke",
        "device-renewed.factory.corp",
        "--reason",
        "superseded",
    ];
    drop(site.postern.run(&superseded).expect_code(0));
    let gateway = TestGateway::run(site);
    let of = async |name: &str| {
        let assertion = behind.assertion_of(name);
        ask(&behind, &gateway, &[(ASSERTION, &assertion)]).await
    };
    assert_eq!(of("device-renewed.factory.corp").await.0, 200);
    assert_eq!(of("laptop-1").await, (403, "no_policy_matched".to_owned()));
    assert_eq!(
        of("device-stolen.factory.corp").await,
        (403, "excluded".to_owned())
    );
    assert_eq!(of(DEVICE).await, (401, "revoked".to_owned()));
    let event = gateway.event(|event| event["reason"] == "revoked");
    assert_eq!(event["common_name"], DEVICE);
    // A login for one application is none for another.
    let logs = behind.claims(postern_tests::LOGS, &json!({ "common_name": "laptop-1" }));
    let assertion = behind.key.sign(&logs);
    let admitted = answer(
        &behind,
        &gateway,
        postern_tests::LOGS,
        &[(ASSERTION, &assertion)],
    )
    .await;
    assert_eq!(admitted.status, 200);
    let elsewhere = ask(&behind, &gateway, &[(ASSERTION, &assertion)]).await;
    assert_eq!(elsewhere, (401, "jwt_wrong_audience".to_owned()));
}
