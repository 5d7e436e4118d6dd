//! Policies: ours are made, changed and placed; others' are moved with consent and never edited.

use std::collections::{BTreeMap, BTreeSet};

use super::apps::Apps;
use super::authorities::recovered;
use super::found::{Found, find};
use super::groups::{Groups, Purpose, grouped, prefix};
use super::{Action, AppTarget, Class, Consent, PlannedPolicy, PlannedRule, Planner, precedence};
use crate::access::{AccessPolicy, AccessRule, RuleList};
use crate::desired::{DesiredApplication, DesiredPolicy, Manager};
use crate::ledger::{ObjectKind, Owned};
use crate::limits::{INLINE_NAMES, RULES_PER_APPLICATION};

impl Planner<'_> {
    pub(super) fn policies(&mut self, apps: &Apps, groups: &Groups) {
        for application in &self.desired.applications {
            match apps.get(&application.name) {
                Some(AppTarget::Known(app)) => self.in_app(application, app, groups),
                Some(made @ AppTarget::Made(_)) => {
                    for (policy, place) in application.policies.iter().zip(1..) {
                        self.create(
                            application,
                            made.clone(),
                            policy,
                            planned(policy, place, groups),
                        );
                    }
                }
                None => {}
            }
        }
    }

    fn in_app(&mut self, application: &DesiredApplication, app: &str, groups: &Groups) {
        let remote = self.remote;
        let there = remote.policies.get(app).map_or(&[][..], Vec::as_slice);
        let mut ours: Vec<Option<&AccessPolicy>> = Vec::new();
        for policy in &application.policies {
            match self.ours(application, app, policy, there) {
                Ok(found) => ours.push(found),
                // Told as a conflict: nothing of this application can be placed.
                Err(Exists) => return,
            }
        }
        let ids: BTreeSet<&str> = ours.iter().flatten().map(|policy| policy.id()).collect();
        self.count_rules(application, there, &ids);
        let places = self.places(application, app, there, &ids);
        self.move_ours(application, app, &ours, &places, there);
        for ((policy, found), place) in application.policies.iter().zip(ours).zip(places) {
            let planned = planned(policy, place, groups);
            match found {
                None => {
                    let app = AppTarget::Known(app.to_owned());
                    self.create(application, app, policy, planned);
                }
                Some(found) => self.update(application, app, (found, policy), planned),
            }
        }
    }

    /// An application holds only so many rules over all of its policies.
    fn count_rules(
        &mut self,
        application: &DesiredApplication,
        there: &[AccessPolicy],
        ours: &BTreeSet<&str>,
    ) {
        let of = |policy: &AccessPolicy| -> usize {
            RuleList::ALL
                .iter()
                .map(|list| policy.rules(*list).len())
                .sum()
        };
        let others: usize = there
            .iter()
            .filter(|it| !ours.contains(it.id()))
            .map(of)
            .sum();
        let wanted: usize = application.policies.iter().map(rule_count).sum();
        if others + wanted > RULES_PER_APPLICATION {
            let why = format!(
                "{wanted} rules of ours and {others} others: an application holds {RULES_PER_APPLICATION}"
            );
            let remedy = "write a pattern with `edge = \"expand\"`, which uses rule groups, or split the application";
            self.conflict(format!("app {}", application.name), &why, remedy);
        }
    }

    /// The policy of ours that is there; ours from the policy file or from `token create`.
    fn ours<'r>(
        &mut self,
        application: &DesiredApplication,
        app: &str,
        policy: &DesiredPolicy,
        there: &'r [AccessPolicy],
    ) -> Result<Option<&'r AccessPolicy>, Exists> {
        let key = policy_key(app, &policy.name);
        let by_token = self.ledger.find(ObjectKind::TokenPolicy, &key).is_some();
        let kind = if by_token {
            ObjectKind::TokenPolicy
        } else {
            ObjectKind::Policy
        };
        match find(self.ledger, (kind, &key), &policy.name, there.iter()) {
            Found::Ours(found) => Ok(Some(found)),
            Found::Recovered(found) => {
                let owned = recovered(self.ledger.find(kind, &key), found);
                let part = format!(" / policy {:?}", policy.name);
                self.change_in(
                    application,
                    &part,
                    Class::Bookkeeping,
                    Action::Recover(owned),
                );
                Ok(Some(found))
            }
            Found::Foreign(found) if application.manager == Manager::Postern => {
                self.exists(application, "policy", &policy.name, found.id());
                Err(Exists)
            }
            Found::Foreign(found) => Ok(Some(found)),
            Found::Absent => Ok(None),
        }
    }

    /// A number for each policy of ours, in file order.
    fn places(
        &mut self,
        application: &DesiredApplication,
        app: &str,
        there: &[AccessPolicy],
        ours: &BTreeSet<&str>,
    ) -> Vec<u64> {
        let count = application.policies.len();
        let others = self.others(there, ours);
        let taken: Vec<u64> = others
            .iter()
            .filter_map(|policy| policy.precedence())
            .collect();
        let free = precedence::free_places(&taken.iter().copied().collect(), count);
        let can_move = others.iter().all(|policy| !policy.is_reusable());
        for (from, to) in precedence::make_room(&taken, count) {
            let at = others
                .iter()
                .find(|policy| policy.precedence() == Some(from));
            let Some(policy) = at else { continue };
            let part = format!(" / policy {:?} (not ours)", policy.name());
            if !can_move {
                self.plan.remarks.push(format!(
                    "app {}{part} keeps place {from}: a reusable policy of the application cannot be moved by its own precedence",
                    application.name
                ));
                continue;
            }
            let action = Action::PlacePolicy {
                app: app.to_owned(),
                id: policy.id().to_owned(),
                from,
                to,
            };
            self.change_in(application, &part, Class::Reorder, action);
        }
        match self.consents.reorder {
            Consent::Given if can_move => (1..).take(count).collect(),
            Consent::Given | Consent::NotGiven => free,
        }
    }

    /// The policies that keep their places: not those of ours that are deleted first.
    fn others<'r>(
        &self,
        there: &'r [AccessPolicy],
        ours: &BTreeSet<&str>,
    ) -> Vec<&'r AccessPolicy> {
        let stays = |policy: &&AccessPolicy| {
            !ours.contains(policy.id()) && !self.ledger.owns(ObjectKind::Policy, policy.id())
        };
        there.iter().filter(stays).collect()
    }

    fn move_ours(
        &mut self,
        application: &DesiredApplication,
        app: &str,
        ours: &[Option<&AccessPolicy>],
        places: &[u64],
        there: &[AccessPolicy],
    ) {
        let wanted: BTreeMap<&str, (u64, u64)> = ours
            .iter()
            .zip(places)
            .filter_map(|(policy, to)| {
                let policy = (*policy)?;
                Some((policy.id(), (policy.precedence()?, *to)))
            })
            .collect();
        let others = self.others(there, &wanted.keys().copied().collect());
        let fixed = match self.consents.reorder {
            // They have moved away by then.
            Consent::Given => BTreeSet::new(),
            Consent::NotGiven => others
                .iter()
                .filter_map(|policy| policy.precedence())
                .collect(),
        };
        for (id, from, to) in precedence::moves(&wanted, &fixed) {
            let name = there
                .iter()
                .find(|policy| policy.id() == id)
                .map_or("", AccessPolicy::name);
            let part = format!(" / policy {name:?}");
            let action = Action::PlacePolicy {
                app: app.to_owned(),
                id: id.to_owned(),
                from,
                to,
            };
            self.change_in(application, &part, Class::Ordinary, action);
        }
    }

    fn create(
        &mut self,
        application: &DesiredApplication,
        app: AppTarget,
        desired: &DesiredPolicy,
        policy: PlannedPolicy,
    ) {
        if policy.include.is_empty() {
            return;
        }
        let part = format!(" / policy {:?}", policy.name);
        let action = Action::CreatePolicy { app, policy };
        self.change_in(application, &part, widening(desired), action);
    }

    fn update(
        &mut self,
        application: &DesiredApplication,
        app: &str,
        (there, desired): (&AccessPolicy, &DesiredPolicy),
        policy: PlannedPolicy,
    ) {
        let part = format!(" / policy {:?}", policy.name);
        let (app, id) = (app.to_owned(), there.id().to_owned());
        if policy.include.is_empty() {
            // Nobody is left: an empty list must never mean everyone.
            if let Some(owned) = self.owner_of(&id) {
                let (kind, key) = (owned.kind, owned.key.clone());
                let action = Action::DeletePolicy { app, id, kind, key };
                self.change_in(application, &part, Class::TakesAway, action);
            }
            return;
        }
        let compared = self.compare(there, &policy);
        if compared.decision_differs {
            let text = there.decision().unwrap_or("nothing");
            let mut differences = compared.differences.clone();
            differences.push(format!("decision {text} -> {}", policy.decision));
            let action = Action::UpdatePolicy {
                app,
                id,
                policy,
                differences,
            };
            return self.change_in(application, &part, Class::DecisionChange, action);
        }
        if compared.differences.is_empty() {
            return;
        }
        let class = match compared.only_takes_away {
            true => Class::TakesAway,
            false => widening(desired),
        };
        let action = Action::UpdatePolicy {
            app,
            id,
            policy,
            differences: compared.differences,
        };
        self.change_in(application, &part, class, action);
    }

    fn compare(&self, there: &AccessPolicy, policy: &PlannedPolicy) -> Comparison {
        let mut comparison = Comparison {
            decision_differs: there.decision() != Some(policy.decision.as_str()),
            only_takes_away: policy.decision.admits(),
            differences: Vec::new(),
        };
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

    fn owner_of(&self, id: &str) -> Option<&Owned> {
        let policy = self.ledger.by_id(ObjectKind::Policy, id);
        policy.or_else(|| self.ledger.by_id(ObjectKind::TokenPolicy, id))
    }

    /// Policies and groups of ours that the file has no more. What `token create` added beside the
    /// file stays: it goes with its token.
    pub(super) fn leftovers(&mut self, apps: &Apps, groups: &Groups) {
        let wanted: BTreeSet<String> = self
            .desired
            .applications
            .iter()
            .filter_map(|application| match apps.get(&application.name) {
                Some(AppTarget::Known(app)) => Some((application, app)),
                Some(AppTarget::Made(_)) | None => None,
            })
            .flat_map(|(application, app)| {
                application
                    .policies
                    .iter()
                    .map(move |policy| policy_key(app, &policy.name))
            })
            .collect();
        let remote = self.remote;
        for owned in self.ledger.of_kind(ObjectKind::Policy) {
            let (Some(id), Some(app)) = (&owned.id, &owned.parent) else {
                continue;
            };
            let there = remote.policies.get(app).into_iter().flatten();
            if there.clone().any(|policy| policy.id() == id) && !wanted.contains(&owned.key) {
                let action = Action::DeletePolicy {
                    app: app.clone(),
                    id: id.clone(),
                    kind: owned.kind,
                    key: owned.key.clone(),
                };
                let target = format!("policy {:?}", owned.name);
                self.change(target, Class::TakesAway, action);
            }
        }
        let kept: BTreeSet<&String> = groups.values().flatten().collect();
        for owned in self.ledger.of_kind(ObjectKind::Group) {
            let Some(id) = &owned.id else { continue };
            let there = remote.groups.iter().any(|group| group.id() == id);
            if there && !kept.contains(&owned.key) {
                let action = Action::DeleteGroup {
                    key: owned.key.clone(),
                    id: id.clone(),
                };
                self.change(format!("group {:?}", owned.name), Class::TakesAway, action);
            }
        }
    }
}

/// What a policy is recorded by.
pub fn policy_key(app: &str, name: &str) -> String {
    format!("{app}/{name}")
}

/// A policy of the name is there and not ours.
struct Exists;

struct Comparison {
    decision_differs: bool,
    only_takes_away: bool,
    differences: Vec<String>,
}

/// The class of a change that may admit somebody.
fn widening(policy: &DesiredPolicy) -> Class {
    match policy.after_waf {
        Some(_) => Class::ReliesOnWaf,
        None => Class::Ordinary,
    }
}

fn planned(policy: &DesiredPolicy, place: u64, groups: &Groups) -> PlannedPolicy {
    let rules = |list: &[AccessRule]| -> Vec<PlannedRule> {
        list.iter().cloned().map(PlannedRule::Rule).collect()
    };
    let (mut include, mut require, mut exclude) = (
        rules(&policy.include),
        rules(&policy.require),
        rules(&policy.exclude),
    );
    let mut is_grouped = false;
    for (purpose, _) in grouped(policy) {
        let names = groups.get(&prefix(policy, purpose)).into_iter().flatten();
        let list = match purpose {
            Purpose::Admitted => &mut include,
            Purpose::Required => &mut require,
            Purpose::Revoked => {
                is_grouped = true;
                &mut exclude
            }
        };
        list.extend(names.cloned().map(PlannedRule::Group));
    }
    if !is_grouped {
        let names = policy.revoked.iter().cloned().map(AccessRule::CommonName);
        exclude.extend(names.map(PlannedRule::Rule));
        let mut seen = Vec::new();
        exclude.retain(|rule| {
            !seen.contains(rule) && {
                seen.push(rule.clone());
                true
            }
        });
    }
    // Nobody satisfies a requirement of no names.
    if policy.required.as_ref().is_some_and(BTreeSet::is_empty) {
        include.clear();
    }
    PlannedPolicy {
        name: policy.name.clone(),
        decision: policy.decision,
        include,
        require,
        exclude,
        precedence: place,
    }
}

/// The rules that stand in the policy itself; names in groups do not count.
fn rule_count(policy: &DesiredPolicy) -> usize {
    let inline = policy.include.len() + policy.require.len() + policy.exclude.len();
    inline + policy.revoked.len().min(INLINE_NAMES)
}

fn shortened(lines: &[String]) -> String {
    match lines.len() {
        0..=SHOWN => lines.join(" "),
        count => format!("{} and {} more", lines[..SHOWN].join(" "), count - SHOWN),
    }
}

const SHOWN: usize = 6;
