use postern_fixtures::TestPki;
use postern_pki::Certificate;

use super::*;

fn figure(metrics: &Metrics, now: u64, name: &str) -> String {
    let text = metrics.render(now);
    let line = text.lines().find(|line| line.starts_with(name));
    line.unwrap_or_else(|| panic!("{name} in {text}"))
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned()
}

fn request(decision: RecordDecision, reason: &str) -> Exchange<'_> {
    Exchange {
        kind: RecordKind::Request,
        application: Some("telemetry"),
        decision,
        reason,
        took: Duration::from_millis(3),
    }
}

#[test]
fn a_record_is_counted_by_application_decision_and_reason() {
    let metrics = Metrics::default();
    metrics.exchange(&request(RecordDecision::Permit, "permitted"));
    metrics.exchange(&request(RecordDecision::Permit, "upstream_unreachable"));
    metrics.exchange(&request(RecordDecision::Deny, "no_policy_matched"));
    metrics.exchange(&request(RecordDecision::Aborted, "revoked"));
    for (name, expected) in [
        (
            "postern_requests_total{application=\"telemetry\",decision=\"permit\"}",
            "2",
        ),
        (
            "postern_requests_total{application=\"telemetry\",decision=\"deny\"}",
            "1",
        ),
        (
            "postern_refusals_total{event=\"request\",reason=\"no_policy_matched\"}",
            "1",
        ),
        ("postern_aborts_total{reason=\"revoked\"}", "1"),
        (
            "postern_upstream_failures_total{application=\"telemetry\",reason=\"upstream_unreachable\"}",
            "1",
        ),
        (
            "postern_request_duration_seconds_count{application=\"telemetry\"}",
            "4",
        ),
    ] {
        assert_eq!(figure(&metrics, 0, name), expected, "{name}");
    }
}

#[test]
fn a_certificate_that_ends_soon_is_counted_once_and_until_it_ends() {
    let metrics = Metrics::default();
    let pki = TestPki::new();
    let leaf = Certificate::from_der(pki.client("device-1").der()).unwrap();
    let identity = leaf.identity(None);
    let day = 86_400;
    let end = identity.not_after;
    let within = |days: &str| format!("postern_certificates_seen_expiring{{within=\"{days}\"}}");
    metrics.seen.see(&identity, end - 40 * day);
    assert_eq!(figure(&metrics, end - 40 * day, &within("30d")), "0");
    for _ in 0..2 {
        metrics.seen.see(&identity, end - 6 * day);
    }
    assert_eq!(figure(&metrics, end - 6 * day, &within("1d")), "0");
    assert_eq!(figure(&metrics, end - 6 * day, &within("7d")), "1");
    assert_eq!(figure(&metrics, end - 6 * day, &within("30d")), "1");
    assert_eq!(figure(&metrics, end + 1, &within("30d")), "0");
}

#[test]
fn an_open_connection_is_counted_while_it_is_open() {
    let metrics = Metrics::default();
    let open = metrics.open_connection();
    assert_eq!(figure(&metrics, 0, "postern_connections "), "1");
    drop(open);
    assert_eq!(figure(&metrics, 0, "postern_connections "), "0");
}

#[test]
fn a_source_that_is_followed_no_more_is_forgotten() {
    let metrics = Metrics::default();
    let source = |name: &str, alarm: Option<&str>| SourceStatus {
        name: name.to_owned(),
        age: Some(Duration::from_secs(7)),
        alarm: alarm.map(str::to_owned),
    };
    metrics.sources(&[source("a", None), source("b", Some("stale"))]);
    assert_eq!(
        figure(&metrics, 0, "postern_source_age_seconds{source=\"a\"}"),
        "7"
    );
    assert_eq!(
        figure(&metrics, 0, "postern_source_alarm{source=\"b\"}"),
        "1"
    );
    metrics.sources(&[source("a", None)]);
    assert!(!metrics.render(0).contains("source=\"b\""));
}
