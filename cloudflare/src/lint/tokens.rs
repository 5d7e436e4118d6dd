//! Findings about service tokens.

use std::collections::{BTreeMap, BTreeSet};

use super::{EdgeFinding, EdgeLint, Subject, finding};
use crate::access::{AccessRule, RuleList, ServiceToken, unix_seconds};

pub(super) fn lint(subject: &Subject<'_>) -> Vec<EdgeFinding> {
    let uses = uses(subject);
    let mut findings = Vec::new();
    for token in &subject.remote.tokens {
        let place = format!("token {}", token.name());
        let apps = uses.get(token.id()).map_or(0, BTreeSet::len);
        if apps == 0 {
            findings.push(finding(
                EdgeLint::TokenUnused,
                place,
                "no policy names it: it opens nothing, and clean-up by inactivity may delete it",
                "`postern token create` adds a policy for each --app; or delete it",
            ));
            continue;
        }
        if apps > 1 {
            findings.push(finding(
                EdgeLint::TokenShared,
                place.clone(),
                format!("it opens {apps} applications: one leak opens all of them"),
                "one token for each use",
            ));
        }
        if let Some(why) = dead(token, subject.now) {
            findings.push(finding(
                EdgeLint::TokenDead,
                place,
                format!("a policy names it, and it {why}"),
                "`postern token renew`, `postern token enable`, or take it out of the policy",
            ));
        }
    }
    findings
}

/// Each policy of the file that a rotation in parallel has left behind.
pub(super) fn successors(subject: &Subject<'_>) -> Vec<EdgeFinding> {
    let statements = subject.statements.iter();
    let unnamed =
        statements.flat_map(|statement| statement.unnamed.iter().map(move |it| (statement, it)));
    unnamed
        .map(|(statement, unnamed)| {
            finding(
                EdgeLint::SuccessorUnnamed,
                format!("{} / {}", statement.application, statement.policy),
                unnamed.to_string(),
                format!(
                    "write `{{ service_token = \"{}\" }}` into the policy",
                    unnamed.successor
                ),
            )
        })
        .collect()
}

/// The applications that each token opens, directly or through a rule group.
fn uses<'a>(subject: &Subject<'a>) -> BTreeMap<String, BTreeSet<&'a str>> {
    let mut groups: BTreeMap<&str, Vec<AccessRule>> = BTreeMap::new();
    for group in &subject.remote.groups {
        groups.insert(group.id(), group.rules(RuleList::Include));
    }
    let mut uses: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (app, policies) in &subject.remote.policies {
        for rule in policies
            .iter()
            .flat_map(|policy| policy.rules(RuleList::Include))
        {
            let through = match &rule {
                AccessRule::Group(id) => groups.get(id.as_str()).cloned().unwrap_or_default(),
                AccessRule::Certificate
                | AccessRule::CommonName(_)
                | AccessRule::ServiceToken(_)
                | AccessRule::AnyValidServiceToken
                | AccessRule::Ip(_)
                | AccessRule::Geo(_)
                | AccessRule::Everyone
                | AccessRule::Email(_)
                | AccessRule::Other(_) => vec![rule],
            };
            for rule in through {
                if let AccessRule::ServiceToken(id) = rule {
                    uses.entry(id).or_default().insert(app.as_str());
                }
            }
        }
    }
    uses
}

fn dead(token: &ServiceToken, now: u64) -> Option<&'static str> {
    if !token.is_enabled() {
        return Some("is disabled");
    }
    let ends = unix_seconds(token.expires_at()?)?;
    (ends <= now).then_some("has ended")
}
