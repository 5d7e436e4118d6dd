//! What is revoked here, and what the edge makes of it.

use std::time::{Duration, Instant};

use postern_fixtures::access::CertificateForwarding;
use postern_tests::{DEVICES, Identity, LOGS, PATIENCE, Seen, skip_without, visit};
use serde_json::Value;

use super::{Front, Way, stopped_at_the_edge};

#[test]
fn a_revocation_that_the_edge_does_not_know_of_holds_at_the_gateway_and_apply_takes_it_to_the_edge()
{
    if skip_without("curl") {
        return;
    }
    let front = Front::new();
    let [stolen, other, press] =
        ["device-1", "device-2", "press-1"].map(|name| front.site.client(name));
    front.run(&["cloudflare", "apply"]);
    for (host, client) in [(DEVICES, &stolen), (LOGS, &press)] {
        assert_eq!(front.visit(host, "/", Some(client)).status, 200);
    }
    for name in ["device-1", "press-1"] {
        front.run(&["cert", "revoke", name, "--no-edge"]);
    }
    for (host, client) in [(DEVICES, &stolen), (LOGS, &press)] {
        let refused = front.becomes(401, || front.visit(host, "/", Some(client)));
        assert_eq!(refused.json()["reason"], "revoked");
        assert_eq!(front.event(&refused)["reason"], "revoked");
    }

    front.run(&["cloudflare", "apply"]);
    for (host, client) in [(DEVICES, &stolen), (LOGS, &press)] {
        let refused = front.visit(host, "/", Some(client));
        assert!(stopped_at_the_edge(&refused), "{refused:?}");
    }
    assert_eq!(front.visit(DEVICES, "/", Some(&other)).status, 200);
}

#[test]
fn an_answer_that_is_under_way_through_the_edge_ends_with_the_revocation() {
    if skip_without("curl") {
        return;
    }
    let front = Front::new();
    let device = front.site.client("device-1");
    std::thread::scope(|scope| {
        scope.spawn(|| front.visit(DEVICES, "/endless", Some(&device)));
        let deadline = Instant::now() + PATIENCE;
        while front.site.upstream.count() == 0 {
            assert!(Instant::now() < deadline, "it does not begin");
            std::thread::sleep(Duration::from_millis(20));
        }
        front.run(&["cert", "revoke", "device-1", "--no-edge"]);
        let event = front.gateway.event(|event| event["decision"] == "aborted");
        assert_eq!(
            (&event["reason"], &event["common_name"]),
            (&"revoked".into(), &"device-1".into())
        );
    });
}

/// Two requests on one connection, and the gateway's events of them.
fn twice(front: &Front, client: &Identity) -> [(Seen, Value); 2] {
    let urls = ["first", "second"].map(|path| format!("https://{DEVICES}/{path}"));
    let seen = visit(&front.emulator, &[&urls[0], &urls[1]], Some(client), &[]);
    let both: Vec<_> = seen
        .into_iter()
        .map(|seen| (seen.clone(), front.event(&seen)))
        .collect();
    both.try_into().unwrap()
}

#[test]
fn where_the_first_request_alone_carries_the_certificate_the_name_decides_the_others() {
    if skip_without("curl") {
        return;
    }
    let front = Front::over(Way::Address, CertificateForwarding::FirstRequest);
    let [device, laptop, recalled] =
        ["device-1", "laptop-1", "device-99"].map(|name| front.site.client(name));
    let check = |client: &Identity, status: u16, reason: &str| {
        let [first, second] = twice(&front, client);
        for (seen, event) in [&first, &second] {
            assert_eq!(seen.status, status, "{event}");
            assert_eq!(event["reason"], reason, "{event}");
            assert_eq!(event["common_name"], first.1["common_name"]);
        }
        assert!(first.1["fingerprint"].is_string(), "{}", first.1);
        assert!(second.1["fingerprint"].is_null(), "{}", second.1);
    };
    check(&device, 200, "permitted");
    check(&laptop, 403, "no_policy_matched");
    check(&recalled, 403, "excluded");
    front.run(&["cert", "revoke", "device-1", "--no-edge"]);
    front.becomes(401, || front.visit(DEVICES, "/", Some(&device)));
    let [first, second] = twice(&front, &device);
    for (seen, event) in [first, second] {
        assert_eq!(
            (seen.status, &event["reason"]),
            (401, &"revoked".into()),
            "{event}"
        );
    }
}

#[test]
fn where_every_request_carries_the_certificate_it_decides_each_of_them() {
    if skip_without("curl") {
        return;
    }
    let front = Front::new();
    let device = front.site.client("device-1");
    for (seen, event) in twice(&front, &device) {
        assert_eq!(seen.status, 200, "{event}");
        assert!(event["fingerprint"].is_string(), "{event}");
    }
    // The old certificate is stolen; of two with one name the one that is shown decides.
    let old = device;
    front.run(&[
        "cert",
        "revoke",
        "--cert",
        "clients/device-1.crt",
        "--no-edge",
    ]);
    let new = front.site.issue("device-1", "service", "new");
    front.becomes(401, || front.visit(DEVICES, "/", Some(&old)));
    for (seen, event) in twice(&front, &new) {
        assert_eq!(seen.status, 200, "{event}");
    }
}
