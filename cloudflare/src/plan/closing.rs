//! What closes the edge to names, looking only at what is there and ours: no policy file is asked,
//! so neither a mistake in it nor a change that waits there stands in the way.

use std::collections::BTreeSet;

use super::groups::members;
use super::{Action, Change, Class};
use crate::access::{AccessGroup, AccessPolicy, AccessRule, RuleList};
use crate::ledger::{Ledger, ObjectKind};
use crate::remote::Remote;

/// The changes after which no policy of ours admits these names: out of their groups, and excluded
/// where a policy admits them otherwise, or where nobody would be left in a group.
pub fn closing(remote: &Remote, ledger: &Ledger, names: &BTreeSet<String>) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut emptied = BTreeSet::new();
    for group in remote
        .groups
        .iter()
        .filter(|it| ledger.owns(ObjectKind::Group, it.id()))
    {
        let (out, kept): (BTreeSet<String>, BTreeSet<String>) = members(group)
            .into_iter()
            .partition(|name| names.contains(name));
        if out.is_empty() || !is_for_admission(group, remote) {
            continue;
        }
        if kept.is_empty() {
            // A group of nobody cannot be: its policies exclude the names instead.
            emptied.insert(group.id());
            continue;
        }
        let action = Action::UpdateGroup {
            name: group.name().to_owned(),
            id: group.id().to_owned(),
            removed: out.len(),
            added: 0,
            strangers: 0,
            names: kept,
        };
        changes.push(taking_away(format!("group {:?}", group.name()), action));
    }
    for (app, policies) in &remote.policies {
        for policy in policies.iter().filter(|it| ledger.owns_policy(it.id())) {
            let admitted = names.iter().filter(|name| {
                // What leaves its group needs no exclusion.
                let stays = |rule: &AccessRule| {
                    let AccessRule::Group(id) = rule else {
                        // Whom everyone's door admits is admitted without any certificate too.
                        return *rule != AccessRule::Everyone;
                    };
                    emptied.contains(id.as_str()) || !ledger.owns(ObjectKind::Group, id)
                };
                is_admitted(policy, name, remote, stays)
            });
            let names: BTreeSet<String> = admitted.cloned().collect();
            if !names.is_empty() {
                let action = Action::ExcludeNames {
                    app: app.clone(),
                    id: policy.id().to_owned(),
                    names,
                };
                changes.push(taking_away(format!("policy {:?}", policy.name()), action));
            }
        }
    }
    changes
}

/// The policies that a certificate of this name passes, as `application / policy`.
pub fn admitting(remote: &Remote, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for app in &remote.apps {
        for policy in remote.policies.get(app.id()).into_iter().flatten() {
            if is_admitted(policy, name, remote, |_| true) {
                found.push(format!("{} / {}", app.name(), policy.name()));
            }
        }
    }
    found
}

/// The policies of one application that list a name, alone or in a group, as `application / policy`.
/// Those that admit any certificate are not among them: no change of a name closes them.
pub fn listing(remote: &Remote, app: &str, name: &str) -> Vec<String> {
    let lists =
        |rule: &AccessRule| matches!(rule, AccessRule::CommonName(_) | AccessRule::Group(_));
    let app_name = remote.apps.iter().find(|it| it.id() == app);
    let app_name = app_name.map_or(app, |it| it.name());
    let policies = remote.policies.get(app).into_iter().flatten();
    policies
        .filter(|policy| is_admitted(policy, name, remote, lists))
        .map(|policy| format!("{app_name} / {}", policy.name()))
        .collect()
}

/// Whether a certificate of this name counts in a policy, by the rules that `counts` lets count,
/// and is not excluded there.
fn is_admitted(
    policy: &AccessPolicy,
    name: &str,
    remote: &Remote,
    counts: impl Fn(&AccessRule) -> bool,
) -> bool {
    let matches = |rule: &AccessRule| matches(rule, name, remote);
    let admits = matches!(policy.decision(), Some("non_identity" | "bypass"));
    let mut asked = policy.rules(RuleList::Include);
    asked.extend(policy.rules(RuleList::Require));
    admits
        && asked.iter().any(|rule| counts(rule) && matches(rule))
        && !policy.rules(RuleList::Exclude).iter().any(matches)
}

fn matches(rule: &AccessRule, name: &str, remote: &Remote) -> bool {
    matches_within(rule, name, remote, NESTING)
}

/// Groups may hold groups; deeper than anybody nests them, one counts as a match.
fn matches_within(rule: &AccessRule, name: &str, remote: &Remote, depth: u32) -> bool {
    match rule {
        AccessRule::Certificate | AccessRule::Everyone => true,
        AccessRule::CommonName(exact) => exact == name,
        AccessRule::Group(_) if depth == 0 => true,
        AccessRule::Group(id) => {
            let group = remote.groups.iter().find(|group| group.id() == id);
            let rules = group.map(|group| group.rules(RuleList::Include));
            let mut rules = rules.into_iter().flatten();
            rules.any(|rule| matches_within(&rule, name, remote, depth - 1))
        }
        AccessRule::ServiceToken(_)
        | AccessRule::AnyValidServiceToken
        | AccessRule::Ip(_)
        | AccessRule::Geo(_)
        | AccessRule::Email(_)
        | AccessRule::Other(_) => false,
    }
}

/// Whether a policy admits by this group; one that is excluded keeps its names.
fn is_for_admission(group: &AccessGroup, remote: &Remote) -> bool {
    let rule = AccessRule::Group(group.id().to_owned());
    let mut policies = remote.policies.values().flatten();
    policies.any(|policy| {
        let admits = matches!(policy.decision(), Some("non_identity" | "bypass"));
        let lists = [RuleList::Include, RuleList::Require];
        admits && lists.iter().any(|list| policy.rules(*list).contains(&rule))
    })
}

fn taking_away(target: String, action: Action) -> Change {
    Change {
        target,
        class: Class::TakesAway,
        action,
    }
}

const NESTING: u32 = 8;
