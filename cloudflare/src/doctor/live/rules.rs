//! Experiments with rules and policies that nothing uses.

use serde_json::{Value, json};

use super::bench::{Bench, Kind, told};
use crate::access::AccessRule;
use crate::client::Scope;
use crate::error::ApiError;

pub(super) async fn pattern_as_common_name(bench: &mut Bench<'_>) -> Result<String, ApiError> {
    let mut answers = Vec::new();
    for (what, name) in [
        ("glob", "postern-probe-*"),
        ("regex", "^postern-probe-[0-9]+$"),
    ] {
        let rule = AccessRule::CommonName(name.to_owned());
        let answer = group(bench, what, &rule).await?;
        answers.push(format!("{name}: {answer}"));
    }
    Ok(answers.join("; "))
}

pub(super) async fn bad_rule(bench: &mut Bench<'_>) -> Result<String, ApiError> {
    let nobody = "00000000-0000-4000-8000-000000000000";
    let rule = AccessRule::ServiceToken(nobody.to_owned());
    group(bench, "bad", &rule).await
}

/// A reusable policy that no application uses admits nobody.
pub(super) async fn everyone(bench: &mut Bench<'_>) -> Result<String, ApiError> {
    if matches!(bench.scope, Scope::Zone(_)) {
        return Ok("not tried: reusable policies are an account's".to_owned());
    }
    let policy = policy(&bench.name("everyone"), &AccessRule::Everyone);
    Ok(told(&bench.make(Kind::ReusablePolicy, &policy).await?))
}

pub(super) async fn taken_precedence(bench: &mut Bench<'_>) -> Result<String, ApiError> {
    let host = bench.with.host.clone().unwrap_or_default();
    let app = json!({ "type": "self_hosted", "name": bench.name("app"), "domain": host });
    let made = bench.make(Kind::App, &app).await?;
    let Some(id) = bench.last(Kind::App).filter(|_| made.status < 300) else {
        return Ok(format!("the application: {}", told(&made)));
    };
    let mut answers = Vec::new();
    for what in ["first", "second"] {
        let rule = AccessRule::CommonName("postern-probe-nobody".to_owned());
        let mut policy = policy(&bench.name(what), &rule);
        policy["precedence"] = json!(1);
        let below = ["apps", &id, "policies"];
        let answer = bench
            .observe(reqwest::Method::POST, &below, Some(&policy))
            .await?;
        answers.push(format!("{what}: {}", told(&answer)));
    }
    let policies = bench.client.app_policies(bench.scope, &id).await?;
    let places = policies.iter().map(|policy| policy.precedence());
    let places: Vec<_> = places
        .map(|it| it.map_or("none".to_owned(), |it| it.to_string()))
        .collect();
    Ok(format!(
        "{}; places then: {}",
        answers.join("; "),
        places.join(", ")
    ))
}

async fn group(bench: &mut Bench<'_>, what: &str, rule: &AccessRule) -> Result<String, ApiError> {
    let body = json!({ "name": bench.name(what), "include": [rule.to_json()] });
    Ok(told(&bench.make(Kind::Group, &body).await?))
}

fn policy(name: &str, rule: &AccessRule) -> Value {
    json!({ "name": name, "decision": "non_identity", "include": [rule.to_json()] })
}
