//! Behind Cloudflare: the connection is Cloudflare's, every request proves who it is from, and what
//! was found out about one client is never taken for another.

mod assertions;
mod certificates;
mod configuration;
mod keys;
mod peers;
mod streams;

use std::time::{SystemTime, UNIX_EPOCH};

use postern_fixtures::TeamKey;
use postern_tests::{Answer, Client, DEVICES, Protocol, Site, TestGateway, config};
use serde_json::{Value, json};

const TEAM: &str = "example.cloudflareaccess.com";
const CLIENT: &str = "203.0.113.7";
const ASSERTION: &str = "Cf-Access-Jwt-Assertion";
/// Addresses that the tests connect from.
const LOOPBACK: &str = r#"["127.0.0.0/8"]"#;
const TUNNEL: &str = r#""tunnel""#;

/// A site with a team in front of it.
pub(crate) struct Behind {
    pub(crate) site: Site,
    pub(crate) key: TeamKey,
}

impl Behind {
    /// With this `peer`, and more lines in the table.
    pub(crate) fn new(peer: &str, more: &str) -> Self {
        let behind = Self {
            site: Site::new(),
            key: TeamKey::new("key-1"),
        };
        std::fs::write(behind.site.path("jwks.json"), TeamKey::jwks(&[&behind.key])).unwrap();
        let identity = if more.contains("identity") {
            ""
        } else {
            "identity = \"refuse\""
        };
        let jwks = if more.contains("jwks") {
            ""
        } else {
            "jwks = \"jwks.json\""
        };
        behind.configure(&format!(
            "[gateway.behind_cloudflare]\npeer = {peer}\nteam_domain = \"{TEAM}\"\n\
             {identity}\n{jwks}\n{more}\n"
        ));
        if peer == TUNNEL {
            for setting in ["certificate = \"gateway", "key         = \"gateway"] {
                behind.site.edit_config(setting, &format!("# {setting}"));
            }
        }
        behind
    }

    /// Writes the configuration: this table, and an audience for every application.
    pub(crate) fn configure(&self, table: &str) {
        let upstream = self.site.upstream.authority();
        let plain = config(&upstream, table);
        let mut parts = plain.split("\n[[application]]");
        let mut text = parts.next().unwrap().to_owned();
        for part in parts {
            let host = part.split("hosts = [\"").nth(1).unwrap();
            let aud = audience(host.split('"').next().unwrap());
            text +=
                &format!("\n[[application]]{part}\n[application.cloudflare]\naud = \"{aud}\"\n");
        }
        self.site.write_config(&text);
    }

    /// What Access claims of a login for this host, with some claims changed.
    pub(crate) fn claims(&self, host: &str, changed: &Value) -> Value {
        let now = now();
        let mut claims = json!({
            "iss": format!("https://{TEAM}"), "aud": [audience(host)], "exp": now + 600,
            "iat": now, "type": "app", "sub": "",
        });
        for (claim, value) in changed.as_object().unwrap() {
            claims[claim] = value.clone();
        }
        claims
    }

    /// The assertion that Access makes of the holder of a certificate.
    pub(crate) fn assertion_of(&self, name: &str) -> String {
        let claims = self.claims(DEVICES, &json!({ "common_name": name }));
        self.key.sign(&claims)
    }
}

/// The tag of the application on this host.
pub(crate) fn audience(host: &str) -> String {
    let digits: String = host.bytes().map(|octet| format!("{octet:02x}")).collect();
    format!("{digits:0<64}")[..64].to_owned()
}

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Status and reason of one GET over TLS, with what Cloudflare adds to every request.
pub(crate) async fn ask(
    behind: &Behind,
    gateway: &TestGateway,
    headers: &[(&str, &str)],
) -> (u16, String) {
    let answer = answer(behind, gateway, DEVICES, headers).await;
    (answer.status, reason(&answer))
}

pub(crate) async fn answer(
    behind: &Behind,
    gateway: &TestGateway,
    host: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let client = Client::connect(&behind.site, gateway, host, None, Protocol::Http2).await;
    let mut all = vec![("Cf-Connecting-IP", CLIENT)];
    all.extend(headers);
    client.unwrap().get_with("/asked", &all).await.unwrap()
}

pub(crate) fn reason(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["reason"].as_str().unwrap_or("-").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_in_where_the_file_says_so_and_nowhere_else() {
    let mut behind = Behind::new(LOOPBACK, "identity = \"refuse\"");
    let person = behind.claims(
        DEVICES,
        &json!({ "email": "a@example.com", "sub": "7335d417" }),
    );
    let assertion = behind.key.sign(&person);
    let gateway = TestGateway::run(&behind.site);
    let refused = ask(&behind, &gateway, &[(ASSERTION, &assertion)]).await;
    assert_eq!(refused, (403, "identity_refused".to_owned()));
    gateway.stop();
    behind = Behind {
        key: behind.key,
        ..Behind::new(LOOPBACK, "identity = \"admit\"")
    };
    std::fs::write(behind.site.path("jwks.json"), TeamKey::jwks(&[&behind.key])).unwrap();
    let gateway = TestGateway::run(&behind.site);
    assert_eq!(
        ask(&behind, &gateway, &[(ASSERTION, &assertion)]).await.0,
        200
    );
    let event = gateway.event(|event| event["decision"] == "permit");
    assert_eq!(event["method"], "login");
    assert!(!event.to_string().contains("a@example.com"), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_at_cloudflare_as_long_as_it_is_good_here() {
    let behind = Behind::new(LOOPBACK, "");
    let (id, _secret) = behind.site.token("ci-deploy-prod");
    let gateway = TestGateway::run(&behind.site);
    let host = postern_tests::MIXED;
    let of = |id: &str| {
        behind
            .key
            .sign(&behind.claims(host, &json!({ "common_name": id })))
    };
    let ask = async |assertion: String| {
        let answer = answer(&behind, &gateway, host, &[(ASSERTION, &assertion)]).await;
        (answer.status, reason(&answer))
    };
    assert_eq!(ask(of(&id)).await.0, 200);
    let event = gateway.event(|event| event["decision"] == "permit");
    assert_eq!(event["method"], "service_token");
    assert_eq!(event["client_id"], id);
    let unknown = ask(of("0123456789abcdef0123456789abcdef.access")).await;
    assert_eq!(unknown, (401, "token_invalid".to_owned()));
    let disable = ["token", "disable", "ci-deploy-prod"];
    drop(behind.site.postern.run(&disable).expect_code(0));
    let disabled = |event: &Value| event["reason"] == "token_disabled";
    let deadline = std::time::Instant::now() + postern_tests::PATIENCE;
    while ask(of(&id)).await.0 == 200 {
        assert!(std::time::Instant::now() < deadline, "it is never refused");
    }
    gateway.event(disabled);
}
