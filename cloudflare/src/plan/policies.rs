//! Policies: ours are made, changed and placed; others' are moved with consent and never edited.

use std::collections::BTreeSet;

use super::apps::Apps;
use super::authorities::recovered;
use super::found::{Found, find};
use super::groups::{Groups, Purpose, grouped, prefix};
use super::places::InApp;
use super::{Action, AppTarget, Class, Consent, PlannedPolicy, PlannedRule, Planner};
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
        self.count_rules(application, there, &ours);
        let places = self.places(application, InApp { app, there }, &ours);
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
        ours: &[Option<&AccessPolicy>],
    ) {
        let is_ours =
            |policy: &AccessPolicy| ours.iter().flatten().any(|it| it.id() == policy.id());
        let of = |policy: &AccessPolicy| -> usize {
            RuleList::ALL
                .iter()
                .map(|list| policy.rules(*list).len())
                .sum()
        };
        let others: usize = there.iter().filter(|it| !is_ours(it)).map(of).sum();
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
        let kind = self.kind_of(&key);
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
        let kind = match &app {
            AppTarget::Known(app) => self.kind_of(&policy_key(app, &policy.name)),
            AppTarget::Made(_) => ObjectKind::Policy,
        };
        let action = Action::CreatePolicy { kind, app, policy };
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
                let why = "nobody is left whom it admits";
                let action = Action::DeletePolicy {
                    app,
                    id,
                    kind,
                    key,
                    why,
                };
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
            // Both are needed where the policy relies on a WAF rule too.
            let class = match (widening(desired), self.consents.waf) {
                (Class::ReliesOnWaf, Consent::NotGiven) => Class::ReliesOnWaf,
                _ => Class::DecisionChange,
            };
            return self.change_in(application, &part, class, action);
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

    /// A policy that came with its token stays the token's.
    fn kind_of(&self, key: &str) -> ObjectKind {
        match self.ledger.find(ObjectKind::TokenPolicy, key) {
            Some(_) => ObjectKind::TokenPolicy,
            None => ObjectKind::Policy,
        }
    }

    fn owner_of(&self, id: &str) -> Option<&Owned> {
        let policy = self.ledger.by_id(ObjectKind::Policy, id);
        policy.or_else(|| self.ledger.by_id(ObjectKind::TokenPolicy, id))
    }
}

/// What a policy is recorded by.
pub fn policy_key(app: &str, name: &str) -> String {
    format!("{app}/{name}")
}

/// A policy of the name is there and not ours.
struct Exists;

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
