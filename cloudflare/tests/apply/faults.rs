//! Whatever goes wrong at whichever call, the next run finishes, and nobody else's objects change.

use postern_fixtures::access::{At, Effect, Fault, Struck};
use serde_json::{Value, json};

use crate::support::{Site, TWO_POLICIES};

fn with_people(site: Site) -> Site {
    let app =
        json!({ "type": "self_hosted", "name": "Telemetry", "domain": "telemetry.example.com" });
    let app = site.emulator.as_somebody_else("POST", "access/apps", app);
    let path = format!("access/apps/{}/policies", app["id"].as_str().unwrap());
    let people = json!({ "name": "people", "decision": "allow", "precedence": 7,
        "include": [{ "email_domain": { "domain": "example.com" } }] });
    site.emulator.as_somebody_else("POST", &path, people);
    let other = json!({ "name": "others", "include": [{ "everyone": {} }] });
    site.emulator
        .as_somebody_else("POST", "access/groups", other);
    site
}

/// Everything that was there before us.
fn foreign(site: &Site) -> Value {
    let of = |path: &str, names: &[&str]| -> Vec<Value> {
        let all = site.all(path).into_iter();
        all.filter(|it| names.contains(&it["name"].as_str().unwrap_or_default()))
            .collect()
    };
    let policies = format!("access/apps/{}/policies", site.app_id());
    json!([of(&policies, &["people"]), of("access/groups", &["others"])])
}

fn names(site: &Site, path: &str) -> Vec<String> {
    let mut names: Vec<String> = site
        .all(path)
        .iter()
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Runs until nothing is left to do; what fails in between must say so.
async fn run_with(effect: Effect, call: u64) {
    let mut site = with_people(Site::impatient(TWO_POLICIES));
    let before = foreign(&site);
    site.emulator.inject(Fault::at_call(call, effect));
    let mut failed = false;
    for _ in 0..3 {
        let Ok(plan) = site.plan().await else {
            failed = true;
            continue;
        };
        // A CA list that may not be read looks like an account without mTLS: told, not written.
        if effect == Effect::Forbidden && !plan.conflicts.is_empty() {
            failed = true;
            continue;
        }
        assert_eq!(plan.conflicts, [], "call {call}, {effect:?}");
        let applied = site.apply(&plan).await;
        if applied.failure.is_some() {
            failed = true;
            assert!(applied.done < plan.changes.len());
        }
    }
    assert!(
        failed || !is_lost_post(&site, effect),
        "call {call}, {effect:?}: reported as a success"
    );
    site.emulator.clear_faults();
    site.assert_settled().await;
    // A PUT of an application carries links to all of its policies: where the server itself keeps
    // only half of them, what it lost was told, and only ours can be put back.
    if effect == Effect::Partial {
        return;
    }
    assert_eq!(foreign(&site), before, "call {call}, {effect:?}");
    assert_eq!(
        names(&site, "access/certificates"),
        ["Device CA"],
        "call {call}, {effect:?}"
    );
    assert_eq!(
        names(&site, "access/groups"),
        ["others", "postern admitted telemetry/factory #1"],
        "call {call}, {effect:?}"
    );
    assert_eq!(names(&site, "access/apps"), ["Telemetry"]);
    let policies = format!("access/apps/{}/policies", site.app_id());
    assert_eq!(
        names(&site, &policies),
        [
            "ci-deploy-prod (service token)",
            "factory (mTLS)",
            "people",
            "probes (mTLS)"
        ],
        "call {call}, {effect:?}"
    );
}

/// A POST is not repeated, so what became of it must be told; a limit is waited for, and half of a
/// success is another test's.
fn is_lost_post(site: &Site, effect: Effect) -> bool {
    let absorbed = matches!(effect, Effect::TooManyCalls { .. } | Effect::Partial);
    let mut calls = site.emulator.exchanges().into_iter();
    !absorbed && calls.any(|call| call.struck == Struck::ByFault && call.method == "POST")
}

async fn at_each_call(effect: Effect) {
    let calls = {
        let mut site = with_people(Site::populated(TWO_POLICIES));
        site.converge().await;
        u64::try_from(site.emulator.exchanges().len()).unwrap()
    };
    assert!(calls > 15, "{calls}");
    for call in 1..=calls {
        run_with(effect, call).await;
    }
}

#[tokio::test]
async fn a_timeout_before_or_after_the_effect_of_each_call() {
    at_each_call(Effect::Timeout { at: At::Before }).await;
    at_each_call(Effect::Timeout { at: At::After }).await;
}

#[tokio::test]
async fn a_cut_connection_before_or_after_the_effect_of_each_call() {
    at_each_call(Effect::Cut { at: At::Before }).await;
    at_each_call(Effect::Cut { at: At::After }).await;
}

#[tokio::test]
async fn a_server_error_before_or_after_the_effect_of_each_call() {
    at_each_call(Effect::ServerError {
        status: 500,
        at: At::Before,
    })
    .await;
    at_each_call(Effect::ServerError {
        status: 502,
        at: At::After,
    })
    .await;
}

#[tokio::test]
async fn a_used_up_limit_at_each_call() {
    at_each_call(Effect::TooManyCalls { retry_after: 0 }).await;
}

#[tokio::test]
async fn a_lost_permission_at_each_call() {
    at_each_call(Effect::Forbidden).await;
}

#[tokio::test]
async fn a_partial_success_at_each_call() {
    at_each_call(Effect::Partial).await;
}

#[tokio::test]
async fn a_post_whose_answer_never_came_is_reported_as_a_failure_and_not_sent_twice() {
    let mut site = with_people(Site::populated(TWO_POLICIES));
    let cut = Effect::Cut { at: At::After };
    site.emulator
        .inject(Fault::on("POST", "*/access/groups", cut));
    let plan = site.plan().await.unwrap();
    let applied = site.apply(&plan).await;
    let (change, error) = applied.failure.expect("no success for an unknown result");
    assert_eq!(change.action.kind(), "create_group");
    assert!(error.to_string().contains("not known"), "{error}");
    let posts = site.emulator.requests().into_iter();
    let posts = posts.filter(|(method, path, _)| method == "POST" && path.ends_with("groups"));
    assert_eq!(posts.count(), 1);
}

#[tokio::test]
async fn a_success_of_which_only_half_is_true_is_reported_as_partial() {
    let mut site = with_people(Site::populated(TWO_POLICIES));
    site.emulator
        .inject(Fault::on("POST", "*/access/groups", Effect::Partial));
    let plan = site.plan().await.unwrap();
    let (_, error) = site
        .apply(&plan)
        .await
        .failure
        .expect("half of the names are missing");
    assert!(
        error.to_string().contains("1 of 2 entries of `include`"),
        "{error}"
    );
    site.converge().await;
}
