//! What each of the two enforcers says to a certificate.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_fixtures::TestPki;
use postern_tests::{DEVICES, LOGS, skip_without};

use super::{Front, stopped_at_the_edge};

#[test]
fn the_edge_admits_any_certificate_of_the_ca_and_the_gateway_those_that_the_policy_names() {
    if skip_without("curl") {
        return;
    }
    let front = Front::new();
    let [device, laptop, recalled] =
        ["device-1", "laptop-1", "device-99"].map(|name| front.site.client(name));

    let admitted = front.visit(DEVICES, "/device", Some(&device));
    assert_eq!(admitted.status, 200, "{admitted:?}");
    let received = front.site.upstream.only("/device");
    let shown = format!(":{}:", STANDARD.encode(&device.chain()[0]));
    assert_eq!(received.values("client-cert"), [shown]);
    let event = front.event(&admitted);
    assert_eq!(event["policy"], "factory", "{event}");
    assert_eq!(event["via"], "cloudflare", "{event}");

    let refused = front.visit(DEVICES, "/laptop", Some(&laptop));
    assert_eq!(
        (refused.status, &refused.json()["reason"]),
        (403, &"no_policy_matched".into())
    );
    assert_eq!(front.event(&refused)["common_name"], "laptop-1");
    let refused = front.visit(DEVICES, "/recalled", Some(&recalled));
    assert_eq!(
        (refused.status, &refused.json()["reason"]),
        (403, &"excluded".into())
    );
    let event = front.event(&refused);
    assert_eq!(
        (&event["policy"], &event["common_name"]),
        (&"factory".into(), &"device-99".into())
    );
    assert_eq!(front.site.upstream.count(), 1);
}

#[test]
fn a_certificate_that_ended_or_leads_to_another_ca_stops_at_the_edge() {
    if skip_without("curl") {
        return;
    }
    let front = Front::new();
    let device = front.site.client("device-1");
    let stranger = front
        .site
        .keep(&TestPki::new().client("device-1"), "stranger");
    assert_eq!(front.visit(DEVICES, "/", Some(&device)).status, 200);
    // Its line comes a moment after the answer.
    front.gateway.event(|event| event["event"] == "request");
    let before = front.gateway.events().len();
    let seen = front.visit(DEVICES, "/", Some(&stranger));
    assert!(stopped_at_the_edge(&seen), "{seen:?}");
    let seen = front.visit(DEVICES, "/", None);
    assert!(stopped_at_the_edge(&seen), "{seen:?}");
    front.emulator.advance(Duration::from_secs(400 * 86_400));
    let seen = front.visit(DEVICES, "/", Some(&device));
    assert!(stopped_at_the_edge(&seen), "{seen:?}");
    assert_eq!(front.gateway.events().len(), before);
}

#[test]
fn a_new_device_of_an_expanded_pattern_waits_for_the_next_sync() {
    if skip_without("curl") {
        return;
    }
    let front = Front::new();
    let press = front.site.client("press-1");
    let seen = front.visit(LOGS, "/", Some(&press));
    assert!(stopped_at_the_edge(&seen), "{seen:?}");
    front.run(&["cloudflare", "sync", "--once"]);
    let seen = front.visit(LOGS, "/", Some(&press));
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(front.event(&seen)["policy"], "presses");
    // The other application's pattern is the gateway's: nothing had to be brought to the edge.
    let device = front.site.client("device-1");
    assert_eq!(front.visit(DEVICES, "/", Some(&device)).status, 200);
}
