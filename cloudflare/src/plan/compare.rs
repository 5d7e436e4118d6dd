//! What a policy says there, held against what it should say.

use super::{PlannedPolicy, PlannedRule, Planner};
use crate::access::{AccessPolicy, AccessRule, RuleList};
use crate::ledger::ObjectKind;

/// How a policy that is there differs from what it should say.
pub(super) struct Comparison {
    pub(super) decision_differs: bool,
    /// Nobody is admitted by it who was not before.
    pub(super) only_takes_away: bool,
    /// For people.
    pub(super) differences: Vec<String>,
}

impl Planner<'_> {
    pub(super) fn compare(&self, there: &AccessPolicy, policy: &PlannedPolicy) -> Comparison {
        let mut comparison = Comparison {
            decision_differs: there.decision() != Some(policy.decision.as_str()),
            only_takes_away: policy.decision.admits(),
            differences: Vec::new(),
        };
        if there.name() != policy.name {
            let named = format!("name {:?} -> {:?}", there.name(), policy.name);
            comparison.differences.push(named);
        }
        for (list, wanted) in [
            (RuleList::Include, &policy.include),
            (RuleList::Require, &policy.require),
            (RuleList::Exclude, &policy.exclude),
        ] {
            let has = there.rules(list);
            let wanted_rules: Vec<Option<AccessRule>> =
                wanted.iter().map(|rule| self.resolved(rule)).collect();
            let added: Vec<String> = wanted
                .iter()
                .zip(&wanted_rules)
                .filter(|(_, rule)| rule.as_ref().is_none_or(|rule| !has.contains(rule)))
                .map(|(rule, _)| format!("+{rule}"))
                .collect();
            let removed: Vec<String> = has
                .iter()
                .filter(|rule| !wanted_rules.contains(&Some((*rule).clone())))
                .map(|rule| format!("-{}", self.named(rule)))
                .collect();
            if added.is_empty() && removed.is_empty() {
                continue;
            }
            comparison.only_takes_away &= match list {
                RuleList::Include => added.is_empty(),
                // A group that is not there yet has to be made first.
                RuleList::Require | RuleList::Exclude => {
                    removed.is_empty() && wanted_rules.iter().all(Option::is_some)
                }
            };
            let lines: Vec<String> = added.into_iter().chain(removed).collect();
            comparison
                .differences
                .push(format!("{} {}", list.key(), shortened(&lines)));
        }
        comparison
    }

    /// The rule as it stands there; none for a group that has no id yet.
    fn resolved(&self, rule: &PlannedRule) -> Option<AccessRule> {
        match rule {
            PlannedRule::Rule(rule) => Some(rule.clone()),
            PlannedRule::Group(name) => {
                let recorded = self.ledger.find(ObjectKind::Group, name);
                let id = recorded.and_then(|owned| owned.id.clone());
                let there = |id: &String| self.remote.groups.iter().any(|group| group.id() == id);
                id.filter(there).map(AccessRule::Group)
            }
        }
    }

    fn named(&self, rule: &AccessRule) -> PlannedRule {
        if let AccessRule::Group(id) = rule
            && let Some(group) = self.remote.groups.iter().find(|group| group.id() == id)
        {
            return PlannedRule::Group(group.name().to_owned());
        }
        PlannedRule::Rule(rule.clone())
    }
}

fn shortened(lines: &[String]) -> String {
    match lines.len() {
        0..=SHOWN => lines.join(" "),
        count => format!("{} and {} more", lines[..SHOWN].join(" "), count - SHOWN),
    }
}

const SHOWN: usize = 6;
