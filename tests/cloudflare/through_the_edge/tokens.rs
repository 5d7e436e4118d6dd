//! A token that Cloudflare minted, and the gateway's own word on it.

use std::time::SystemTime;

use postern_ca::{
    Actor, CertificateAuthority, EdgeObject, EdgeObjectKind, Home, Profiles, ServiceTokenSecret,
    TokenRecord,
};
use postern_policy::TokenName;
use postern_tests::{MIXED, Seen, skip_without};
use serde_json::{Map, json};

use super::{Front, stopped_at_the_edge};

const TOKEN: &str = "ci-deploy-prod";

/// Mints the token at Cloudflare and records it here; its two headers.
fn mint(front: &Front) -> [(&'static str, String); 2] {
    let body = json!({ "name": TOKEN, "duration": "2160h" });
    let minted = front
        .emulator
        .as_somebody_else("POST", "access/service_tokens", body);
    let text = |key: &str| minted[key].as_str().unwrap().to_owned();
    let secret = ServiceTokenSecret::minted_elsewhere(text("client_secret").into()).unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let home = Home::at(front.site.path("postern-home"));
    let authority =
        CertificateAuthority::open(home, Profiles::built_in(), Actor::current()).unwrap();
    let token = TokenRecord {
        name: TokenName::parse(TOKEN).unwrap(),
        client_id: text("client_id"),
        class: "ci".to_owned(),
        owner: None,
        labels: "{}".to_owned(),
        enabled: true,
        secrets: vec![secret.hash()],
        created_at: now,
        created_by: "test".to_owned(),
        expires_at: now + 90 * 86_400,
    };
    authority
        .unlock(None, now)
        .unwrap()
        .add_token(token, now)
        .unwrap();
    let object = EdgeObject {
        account: front.emulator.account_id(),
        kind: EdgeObjectKind::ServiceToken,
        key: TOKEN.to_owned(),
        remote_id: Some(text("id")),
        name: TOKEN.to_owned(),
        parent: None,
        data: Map::new(),
        intended_at: now,
        recorded_at: Some(now),
        recorded_by: "test".to_owned(),
    };
    authority.store().upsert_edge_object(object).unwrap();
    [
        ("CF-Access-Client-Id", text("client_id")),
        ("CF-Access-Client-Secret", text("client_secret")),
    ]
}

fn ask(front: &Front, token: &[(&str, String)]) -> Seen {
    let headers: Vec<_> = token
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    front.visit_with(MIXED, "/asked", None, &headers)
}

#[test]
fn a_token_minted_at_cloudflare_is_good_on_both_sides_and_disabled_here_it_is_refused_here() {
    if skip_without("curl") {
        return;
    }
    let front = Front::new();
    let token = mint(&front);
    let seen = ask(&front, &token);
    assert!(
        stopped_at_the_edge(&seen),
        "no policy names it yet: {seen:?}"
    );
    front.run(&["cloudflare", "apply"]);
    let seen = front.becomes(200, || ask(&front, &token));
    let event = front.event(&seen);
    assert_eq!(
        (&event["method"], &event["policy"]),
        (&"service_token".into(), &"ci".into())
    );
    assert_eq!(event["client_id"], token[0].1, "{event}");
    let received = front.site.upstream.only("/asked");
    assert!(!received.text().contains(&token[1].1), "{received:?}");

    front.run(&["token", "disable", TOKEN]);
    let refused = front.becomes(401, || ask(&front, &token));
    assert_eq!(front.event(&refused)["reason"], "token_disabled");
}
