//! One good assertion in one header, or nothing: with curl, as `cloudflared` asks.

use postern_fixtures::TeamKey;
use postern_tests::{DEVICE, DEVICES, LOGS, Output, TestGateway, skip_without};
use serde_json::{Value, json};

use super::{ASSERTION, Behind, CLIENT, TUNNEL, audience, now};

/// One GET over plain HTTP, the headers as they are given.
fn curl(behind: &Behind, gateway: &TestGateway, headers: &[String]) -> Output {
    let url = format!("http://{DEVICES}:{}/asked", gateway.port());
    let address = format!("Cf-Connecting-IP: {CLIENT}");
    let mut args = vec!["--write-out", "\n%{http_code}", &url, "--header", &address];
    for header in headers {
        args.extend(["--header", header]);
    }
    gateway.curl(&behind.site, &args)
}

fn header(token: &str) -> String {
    format!("{ASSERTION}: {token}")
}

/// A certificate login with some claims changed, signed by the team.
fn signed(behind: &Behind, changed: Value) -> String {
    behind.key.sign(&login(behind, changed))
}

fn login(behind: &Behind, mut changed: Value) -> Value {
    changed["common_name"] = DEVICE.into();
    behind.claims(DEVICES, &changed)
}

/// Headers that prove nothing, and what they are refused for.
fn bad(behind: &Behind) -> Vec<(Vec<String>, &'static str)> {
    let good = signed(behind, json!({}));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (_, payload) = head.split_once('.').unwrap();
    // {"alg":"none","kid":"key-1"}
    let none = format!("eyJhbGciOiJub25lIiwia2lkIjoia2V5LTEifQ.{payload}.");
    let two = json!({ "payload": payload, "signatures": [signature, signature] }).to_string();
    let confused = behind.key.sign_confused(&login(behind, json!({})));
    let other_team = json!({ "iss": "https://evil.cloudflareaccess.com" });
    let other_application = json!({ "aud": [audience(LOGS)] });
    let of = |kid| TeamKey::new(kid).sign(&login(behind, json!({})));
    let one = |token: &str| vec![header(token)];
    vec![
        (one(&none), "jwt_invalid"),
        (one(&confused), "jwt_invalid"),
        (one(&signed(behind, other_team)), "jwt_wrong_issuer"),
        (
            one(&signed(behind, other_application)),
            "jwt_wrong_audience",
        ),
        (
            one(&signed(behind, json!({ "exp": now() - 60 }))),
            "jwt_expired",
        ),
        (
            one(&signed(behind, json!({ "nbf": now() + 3600 }))),
            "jwt_not_yet_valid",
        ),
        (one(&of("key-2")), "jwt_invalid"),
        (one(&of("key-1")), "jwt_invalid"),
        (one(&two), "jwt_invalid"),
        (one(&format!("{good}{}", "A".repeat(20_000))), "jwt_invalid"),
        (vec![header(&good), header(&good)], "jwt_invalid"),
        (one(&format!("{good},{good}")), "jwt_invalid"),
        (
            vec![format!("Cookie: CF_Authorization={good}")],
            "jwt_missing",
        ),
        (vec![], "jwt_missing"),
    ]
}

#[test]
fn a_request_without_one_good_assertion_is_refused() {
    if skip_without("curl") {
        return;
    }
    let behind = Behind::new(TUNNEL, "");
    let gateway = TestGateway::run(&behind.site);
    for (headers, reason) in bad(&behind) {
        let output = curl(&behind, &gateway, &headers).stdout;
        assert!(output.ends_with("\n401"), "{reason}: {output}");
        assert!(output.contains(&format!("\"{reason}\"")), "{output}");
    }
    // A megabyte is more than a request's head may have, and is not looked at.
    let large = header(&"A".repeat(1 << 20));
    std::fs::write(behind.site.path("large"), large).unwrap();
    let output = curl(&behind, &gateway, &["@large".to_owned()]);
    assert!(!output.stdout.ends_with("\n200"), "{output:?}");
    assert_eq!(behind.site.upstream.count(), 0);
}

#[test]
fn one_good_assertion_is_enough_and_goes_no_further() {
    if skip_without("curl") {
        return;
    }
    let behind = Behind::new(TUNNEL, "");
    let gateway = TestGateway::run(&behind.site);
    // The cookie beside it is not looked at, whatever it says.
    let cookie = "Cookie: CF_Authorization=nonsense".to_owned();
    let good = header(&signed(&behind, json!({})));
    let output = curl(&behind, &gateway, &[good, cookie]).stdout;
    assert!(output.ends_with("\n200"), "{output}");
    let received = behind.site.upstream.only("/asked");
    assert_eq!(received.values("x-forwarded-for"), [CLIENT]);
    for name in ["cf-access-jwt-assertion", "cf-connecting-ip", "client-cert"] {
        assert!(received.values(name).is_empty(), "{received:?}");
    }
    let event = gateway.event(|event| event["decision"] == "permit");
    assert_eq!(event["via"], "cloudflare");
    assert_eq!(event["method"], "mtls");
    assert_eq!(event["common_name"], DEVICE);
    assert_eq!(event["peer"], CLIENT);
}
