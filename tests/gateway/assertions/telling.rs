//! Whom an assertion is about, and who gets one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_tests::{DEVICE, DEVICES, LOGS, MIXED, PLAIN, Sha256, TestGateway, skip_without};
use serde_json::json;

use super::{AUDIENCE, Asserting, HEADER, OTHER_AUDIENCE, assertion, read, received};
use crate::behind_cloudflare::{Behind, answer, audience, now};

const COOKIE: &str = "CF_Authorization";

/// `x5t#S256` of a certificate.
fn thumbprint(der: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(der);
    let hex = digest.finish();
    let octets: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    URL_SAFE_NO_PAD.encode(octets)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_told_like_access_tells_it_and_bound_to_the_assertion() {
    let asserting = Asserting::new(None, "");
    let gateway = TestGateway::run(&asserting.site);
    let device = asserting.site.client(DEVICE);
    let cookie = format!("a=1; {COOKIE}=evil; b=2");
    let claimed = [
        (HEADER, "evil"),
        ("CF_ACCESS_JWT_ASSERTION", "evil"),
        ("cookie", cookie.as_str()),
    ];
    let site = &asserting.site;
    let before = now();
    let received = received(site, &gateway, DEVICES, Some(&device), "/told", &claimed).await;
    let after = now();
    assert!(!received.text().contains("evil"), "{}", received.text());
    let assertion = assertion(&received);
    let (header, claims) = read(&assertion);
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("RS256"), &json!("JWT"))
    );
    let exp = claims["exp"].as_u64().unwrap();
    assert!(
        exp > before && exp <= after + 60,
        "{before} {claims} {after}"
    );
    let iat = claims["iat"].as_u64().unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": asserting.issuer, "aud": [AUDIENCE, OTHER_AUDIENCE], "type": "app", "sub": "",
            "iat": iat, "nbf": iat, "exp": exp, "common_name": DEVICE,
            "cnf": { "x5t#S256": thumbprint(&device.chain()[0]) },
        })
    );
    assert!(iat <= after && exp - iat <= 60);
    let cookies = format!("{COOKIE}={assertion}; a=1; b=2");
    assert_eq!(received.values("cookie"), [cookies]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_policy_admitted_is_told_and_not_who_else_was_proven() {
    let asserting = Asserting::new(None, "");
    let site = &asserting.site;
    let (id, secret) = site.token("ci-deploy-prod");
    let gateway = TestGateway::run(site);
    let token = [
        ("cf-access-client-id", id.as_str()),
        ("cf-access-client-secret", secret.as_str()),
    ];
    // Valid, and no device: the token is what lets it in.
    let stranger = site.client("stranger.example.com");
    let of_token = received(site, &gateway, MIXED, Some(&stranger), "/token", &token).await;
    let claims = read(&assertion(&of_token)).1;
    assert_eq!(
        (&claims["common_name"], claims.get("cnf")),
        (&json!(id), None)
    );
    let device = site.client(DEVICE);
    let of_device = received(site, &gateway, MIXED, Some(&device), "/device", &token).await;
    assert_eq!(read(&assertion(&of_device)).1["common_name"], DEVICE);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_name_and_who_did_not_ask_gets_no_assertion() {
    let asserting = Asserting::new(None, "");
    let site = &asserting.site;
    site.edit_config("192.0.2.0/24", "127.0.0.0/8");
    let hosts = format!("hosts = [\"{PLAIN}\"]");
    let wants = format!("{hosts}\nidentity = [\"jwt\", \"jwt-cookie\"]\naudience = [\"a\"]");
    site.edit_config(&hosts, &wants);
    let gateway = TestGateway::run(site);
    let device = site.client(DEVICE);
    let evil = format!("{COOKIE}=evil");
    let claimed = [(HEADER, "evil"), ("cookie", evil.as_str())];
    let nobody = received(site, &gateway, PLAIN, None, "/nobody", &claimed).await;
    let others = received(site, &gateway, LOGS, Some(&device), "/others", &claimed).await;
    for received in [nobody, others] {
        assert!(received.values(HEADER).is_empty(), "{}", received.text());
        assert!(received.values("cookie").is_empty(), "{}", received.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_cloudflare_the_upstream_gets_ours_and_never_cloudflares() {
    if skip_without("openssl") {
        return;
    }
    let port = postern_tests::free_port();
    let behind = Behind::new(
        r#"["127.0.0.0/8"]"#,
        &format!(
            "identity = \"admit\"\njwks = \"jwks.json\"\n[gateway.assertions]\nissuer = \"https://ours.example.com\"\n\
             jwks_listen = \"127.0.0.1:{port}\""
        ),
    );
    let hosts = format!("hosts = [\"{DEVICES}\"]");
    behind
        .site
        .edit_config(&hosts, &format!("{hosts}\nidentity = [\"jwt\"]"));
    let gateway = TestGateway::run(&behind.site);
    let theirs = behind.assertion_of(DEVICE);
    let asked = answer(&behind, &gateway, DEVICES, &[(HEADER, &theirs)]).await;
    assert_eq!(asked.status, 200);
    let claims = read(&assertion(&behind.site.upstream.only("/asked"))).1;
    assert_eq!(claims["iss"], "https://ours.example.com");
    // Without `audience` it is the application's own tag.
    assert_eq!(claims["aud"], json!([audience(DEVICES)]));
    assert_eq!(
        (&claims["common_name"], claims.get("cnf")),
        (&json!(DEVICE), None)
    );

    let person = behind.claims(
        DEVICES,
        &json!({ "email": "a@example.com", "sub": "7335d417" }),
    );
    let person = behind.key.sign(&person);
    let cookie = format!("{COOKIE}={person}");
    let headers = [(HEADER, person.as_str()), ("cookie", cookie.as_str())];
    let asked = answer(&behind, &gateway, DEVICES, &headers).await;
    assert_eq!(asked.status, 200);
    let last = behind.site.upstream.received().pop().unwrap();
    assert!(!last.text().contains(&person), "{}", last.text());
    assert!(last.values(HEADER).is_empty());
}
