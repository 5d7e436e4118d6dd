//! What is ours and wanted no more, or gone.

use std::collections::BTreeSet;

use super::apps::Apps;
use super::found::{Found, Listed, find};
use super::groups::{Groups, Purpose, prefix};
use super::policies::policy_key;
use super::{Action, AppTarget, Class, Planner};
use crate::desired::{DesiredApplication, Manager};
use crate::ledger::{ObjectKind, Owned};
use crate::remote::Mtls;

impl Planner<'_> {
    /// Policies and groups of ours that the file has no more. What `token create` added beside the
    /// file stays: it goes with its token. In an application that another tool manages they are
    /// only told.
    pub(super) fn leftovers(&mut self, apps: &Apps, groups: &Groups) {
        let known: Vec<(&DesiredApplication, &String)> = self
            .desired
            .applications
            .iter()
            .filter_map(|application| match apps.get(&application.name) {
                Some(AppTarget::Known(app)) => Some((application, app)),
                Some(AppTarget::Made(_)) | None => None,
            })
            .collect();
        let wanted: BTreeSet<String> = known
            .iter()
            .flat_map(|(application, app)| {
                let policies = application.policies.iter();
                policies.map(move |policy| policy_key(app, &policy.name))
            })
            .collect();
        let managed: BTreeSet<&String> = known
            .iter()
            .filter(|(application, _)| application.manager != Manager::Postern)
            .map(|(_, app)| *app)
            .collect();
        self.policies_left(&wanted, &managed);
        self.plan.managed_elsewhere = managed.into_iter().cloned().collect();
        self.groups_left(groups);
    }

    fn policies_left(&mut self, wanted: &BTreeSet<String>, managed: &BTreeSet<&String>) {
        let remote = self.remote;
        for owned in self.ledger.of_kind(ObjectKind::Policy) {
            let (Some(id), Some(app)) = (&owned.id, &owned.parent) else {
                continue;
            };
            let mut there = remote.policies.get(app).into_iter().flatten();
            let Some(policy) = there.find(|policy| policy.id() == id) else {
                continue;
            };
            if managed.contains(app) {
                self.release(owned);
                continue;
            }
            if wanted.contains(&owned.key) {
                continue;
            }
            let class = match policy.decision() {
                Some("deny") => Class::Ordinary,
                Some(_) | None => Class::TakesAway,
            };
            let action = Action::DeletePolicy {
                app: app.clone(),
                id: id.clone(),
                kind: owned.kind,
                key: owned.key.clone(),
                why: "the policy file has it no more",
            };
            let target = format!("policy {:?}", owned.name);
            self.change(target, class, action);
        }
    }

    /// What another tool was given is ours no more: neither a revocation nor a teardown may change
    /// it, whatever becomes of the file.
    fn release(&mut self, owned: &Owned) {
        let action = Action::Forget {
            kind: owned.kind,
            key: owned.key.clone(),
            why: "another tool manages it now",
        };
        self.change(&owned.name, Class::Bookkeeping, action);
    }

    fn groups_left(&mut self, groups: &Groups) {
        let kept: BTreeSet<&String> = groups.values().flatten().collect();
        let remote = self.remote;
        let managed = self.desired.applications.iter();
        let managed = managed.filter(|it| it.manager != Manager::Postern);
        let policies = managed.flat_map(|it| &it.policies);
        let released: BTreeSet<String> = policies
            .flat_map(|policy| Purpose::ALL.map(|purpose| prefix(policy, purpose) + " #"))
            .collect();
        for owned in self.ledger.of_kind(ObjectKind::Group) {
            if released.iter().any(|prefix| owned.key.starts_with(prefix)) {
                self.release(owned);
                continue;
            }
            let Some(id) = &owned.id else { continue };
            let there = remote.groups.iter().any(|group| group.id() == id);
            if there && !kept.contains(&owned.key) {
                let action = Action::DeleteGroup {
                    key: owned.key.clone(),
                    id: id.clone(),
                };
                let target = format!("group {:?}", owned.name);
                self.change(target, Class::Ordinary, action);
            }
        }
    }

    /// Objects in the record that are at Cloudflare no more, and calls whose answer never came for
    /// something that nobody wants any more: known again, it is the next plan's to delete.
    pub(super) fn gone(&mut self) {
        for owned in self.ledger.iter() {
            let is_handled = self.plan.changes.iter().chain(&self.plan.withheld);
            if is_handled.into_iter().any(|change| change.concerns(owned)) {
                continue;
            }
            match self.is_there(owned) {
                Some(Found::Ours(_)) | None => {}
                Some(Found::Recovered(id)) => {
                    let owned = Owned {
                        id: Some(id),
                        ..owned.clone()
                    };
                    let target = owned.name.clone();
                    self.change(target, Class::Bookkeeping, Action::Recover(owned));
                }
                // A list may not show yet what a call made a moment ago.
                Some(Found::Foreign(_) | Found::Absent)
                    if owned.id.is_none() && owned.intended_at + DAY > self.now => {}
                Some(Found::Foreign(_) | Found::Absent) => {
                    let action = Action::Forget {
                        kind: owned.kind,
                        key: owned.key.clone(),
                        why: "gone there",
                    };
                    self.change(&owned.name, Class::Bookkeeping, action);
                }
            }
        }
    }

    /// Nothing where it cannot be told.
    fn is_there(&self, owned: &Owned) -> Option<Found<String>> {
        let remote = self.remote;
        match owned.kind {
            ObjectKind::Certificate => match &remote.mtls {
                Mtls::Available { certificates, .. } => Some(self.look(owned, certificates)),
                Mtls::Unavailable { .. } => None,
            },
            ObjectKind::App => Some(self.look(owned, &remote.apps)),
            ObjectKind::Group => Some(self.look(owned, &remote.groups)),
            ObjectKind::Policy | ObjectKind::TokenPolicy => {
                let app = owned.parent.as_deref().unwrap_or_default();
                let policies = remote.policies.get(app).map_or(&[][..], Vec::as_slice);
                Some(self.look(owned, policies))
            }
            // The tokens' commands keep these: a secret that is lost cannot be made again.
            ObjectKind::ServiceToken => None,
        }
    }

    fn look<T: Listed>(&self, owned: &Owned, objects: &[T]) -> Found<String> {
        let place = (owned.kind, owned.key.as_str());
        let found = find(self.ledger, place, &owned.name, objects.iter());
        found.map(|object| object.id().to_owned())
    }
}

const DAY: u64 = 24 * 60 * 60;
