//! Every way that a gateway may tell Cloudflare from everybody else, with an edge at the other end.

use postern_fixtures::access::CertificateForwarding;
use postern_tests::{DEVICES, skip_without};
use serde_json::Value;

use super::{Front, Way, stopped_at_the_edge};

#[test]
fn by_a_certificate_and_through_a_tunnel_the_same_clients_get_in() {
    if skip_without("curl") {
        return;
    }
    for way in [Way::OriginPull, Way::Tunnel] {
        let front = Front::over(way, CertificateForwarding::EveryRequest);
        let [device, laptop] = ["device-1", "laptop-1"].map(|name| front.site.client(name));
        let seen = front.visit(DEVICES, "/", Some(&device));
        assert_eq!(seen.status, 200, "{way:?}: {seen:?}");
        let event = front.event(&seen);
        assert_eq!(
            (&event["policy"], &event["via"]),
            (&"factory".into(), &"cloudflare".into())
        );
        assert!(event["fingerprint"].is_string(), "{event}");
        let seen = front.visit(DEVICES, "/", Some(&laptop));
        assert_eq!(seen.status, 403, "{way:?}: {seen:?}");
        assert_eq!(front.event(&seen)["reason"], "no_policy_matched");
        let seen = front.visit(DEVICES, "/", None);
        assert!(stopped_at_the_edge(&seen), "{way:?}: {seen:?}");
    }
}

#[test]
fn the_keys_that_the_team_changes_to_are_fetched_when_they_first_sign() {
    if skip_without("curl") {
        return;
    }
    let front = Front::new();
    let device = front.site.client("device-1");
    assert_eq!(front.visit(DEVICES, "/", Some(&device)).status, 200);
    front
        .emulator
        .as_somebody_else("POST", "access/keys/rotate", Value::Null);
    let seen = front.visit(DEVICES, "/", Some(&device));
    assert_eq!(seen.status, 200, "{seen:?}");
}
