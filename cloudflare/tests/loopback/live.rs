//! The live probe against an emulated account.

use std::time::Duration;

use postern_cloudflare::doctor::{How, LiveReport, Throwaway, live_probe, live_probe_questions};
use postern_fixtures::TestPki;
use postern_fixtures::access::{Effect, Emulator, Fault, Options, Plan};
use serde_json::json;

use crate::emulated::Emulated;

fn throwaway(host: Option<&str>) -> Throwaway {
    Throwaway {
        run: "1".to_owned(),
        ca: TestPki::new().root().pem(),
        other_ca: TestPki::new().root().pem(),
        host: host.map(str::to_owned),
    }
}

fn quick(plan: Plan) -> Options {
    Options {
        plan,
        deploy_delay: Duration::from_millis(10),
        detach_delay: Duration::from_millis(100),
        ..Options::default()
    }
}

const LISTS: [&str; 5] = [
    "apps",
    "certificates",
    "groups",
    "policies",
    "service_tokens",
];

fn names(emulator: &Emulator, lists: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    for list in lists {
        let listed = emulator.as_somebody_else("GET", &format!("access/{list}"), json!(null));
        let objects = listed.as_array().cloned().unwrap_or_default();
        names.extend(
            objects
                .iter()
                .map(|it| it["name"].to_string().replace('"', "")),
        );
    }
    names
}

fn observed<'a>(report: &'a LiveReport, id: &str) -> &'a str {
    let mut answers = report.answers.iter();
    let answer = answers.find(|answer| answer.id == id);
    &answer
        .unwrap_or_else(|| panic!("{id}: {report:?}"))
        .observed
}

#[tokio::test]
async fn everything_that_is_tried_is_answered_and_nothing_is_left() {
    let emulated = Emulated::start(quick(Plan::Enterprise));
    let foreign = json!({ "name": "theirs", "include": [{ "everyone": {} }] });
    emulated
        .emulator
        .as_somebody_else("POST", "access/groups", foreign);
    let with = throwaway(Some("postern-live-probe.example.com"));
    let report = live_probe(&emulated.client, &emulated.account(), &with).await;
    assert_eq!(report.left_behind, Vec::<String>::new());
    assert_eq!(names(&emulated.emulator, &LISTS), ["theirs"]);
    let questions = live_probe_questions();
    let tried = questions
        .iter()
        .filter(|question| question.how != How::ByHand);
    for question in tried {
        let observed = observed(&report, question.id);
        let failed = observed.contains("could not be tried") || observed.contains("not tried");
        assert!(!failed, "{}: {observed}", question.id);
    }
    assert!(observed(&report, "active-associations").contains("active associations"));
    assert!(observed(&report, "token-in-use").contains("12139"));
    assert_eq!(
        observed(&report, "secret-form"),
        "`cfast_`, then 48 characters"
    );
    assert!(observed(&report, "duplicate-ca").starts_with("409"));
}

#[tokio::test]
async fn without_a_host_nothing_is_tried_that_needs_one() {
    let emulated = Emulated::start(quick(Plan::Enterprise));
    let report = live_probe(&emulated.client, &emulated.account(), &throwaway(None)).await;
    let tried: Vec<_> = report.answers.iter().map(|answer| answer.id).collect();
    for question in live_probe_questions() {
        let expected = question.how == How::Additive;
        assert_eq!(tried.contains(&question.id), expected, "{}", question.id);
    }
    let calls = emulated.emulator.exchanges();
    assert!(!calls.iter().any(|call| call.path.contains("/access/apps/")));
}

#[tokio::test]
async fn an_account_without_access_mtls_answers_the_rest() {
    let emulated = Emulated::start(quick(Plan::Free));
    let report = live_probe(&emulated.client, &emulated.account(), &throwaway(None)).await;
    assert!(observed(&report, "mtls-upload").contains("not_enabled"));
    assert!(observed(&report, "duplicate-ca").starts_with("not tried"));
    assert!(observed(&report, "rotate-without-overlap").starts_with("accepted"));
    let lists = ["apps", "groups", "policies", "service_tokens"];
    assert_eq!(names(&emulated.emulator, &lists), Vec::<String>::new());
}

#[tokio::test]
async fn what_an_interrupted_run_left_is_deleted_by_the_next_and_foreign_objects_are_not() {
    let emulated = Emulated::start(quick(Plan::Enterprise));
    let mint = |name: &str| {
        let token = json!({ "name": name, "duration": "1h" });
        emulated
            .emulator
            .as_somebody_else("POST", "access/service_tokens", token);
    };
    mint("postern-live-probe-0-rotated");
    mint("payroll-ci-prod");
    let report = live_probe(&emulated.client, &emulated.account(), &throwaway(None)).await;
    assert_eq!(names(&emulated.emulator, &LISTS), ["payroll-ci-prod"]);
    assert!(report.left_behind.is_empty(), "{report:?}");
}

#[tokio::test]
async fn what_cannot_be_deleted_is_told() {
    let emulated = Emulated::start(quick(Plan::Enterprise));
    let mut refused = Fault::on("DELETE", "*/access/groups/*", Effect::Forbidden);
    refused.times = 100;
    emulated.emulator.inject(refused);
    let report = live_probe(&emulated.client, &emulated.account(), &throwaway(None)).await;
    assert!(
        report
            .left_behind
            .iter()
            .any(|left| left.starts_with("Group ")),
        "{report:?}"
    );
    let left = names(&emulated.emulator, &LISTS);
    assert!(
        left.iter()
            .all(|name| name.starts_with("postern-live-probe-1-")),
        "{left:?}"
    );
}
