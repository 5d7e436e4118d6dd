//! A token that Cloudflare minted, and the gateway's own word on it.

use std::fs;

use postern_tests::{MIXED, Seen, skip_without};
use serde_json::Value;

use super::{Front, stopped_at_the_edge};

const TOKEN: &str = "ci-deploy-prod";

/// Mints the token at Cloudflare, as an operator does; its two headers.
fn mint(front: &Front) -> [(&'static str, String); 2] {
    let create = [
        "token",
        "create",
        TOKEN,
        "--at",
        "cloudflare",
        "--class",
        "ci",
        "--owner",
        "payments",
        "--out",
        "token.json",
        "--format",
        "json",
    ];
    front.run(&create);
    let file = fs::read(front.site.path("token.json")).unwrap();
    let credentials: Value = serde_json::from_slice(&file).unwrap();
    let text = |key: &str| credentials[key].as_str().unwrap().to_owned();
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

    // Cloudflare is out of reach: gateways refuse it all the same, and the edge is open.
    let disabled = front.site.postern.run(&["token", "disable", TOKEN]);
    assert_eq!(disabled.code, Some(7), "{}", disabled.stderr);
    let refused = front.becomes(401, || ask(&front, &token));
    assert_eq!(front.event(&refused)["reason"], "token_disabled");
}
