//! Rule groups: exact names, as many to a group as Access takes. A name stays in the group it is
//! in, so that one more or one less is one call.

use std::collections::{BTreeMap, BTreeSet};

use super::authorities::{EXISTS, recovered};
use super::found::{Found, find};
use postern_policy::Decision;

use super::{Action, Class, Planner};
use crate::access::{AccessGroup, AccessRule, RuleList};
use crate::desired::{DesiredPolicy, Manager};
use crate::ledger::ObjectKind;
use crate::limits::{GROUPS, INLINE_NAMES, RULES_PER_GROUP};

/// The names of the groups that each purpose of each policy needs, by their common prefix.
pub(super) type Groups = BTreeMap<String, Vec<String>>;

/// What the names of a group are for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    Admitted,
    Required,
    Revoked,
}

impl Purpose {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Admitted, Self::Required, Self::Revoked];

    /// The word in a group's name.
    fn word(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Required => "required",
            Self::Revoked => "revoked",
        }
    }

    /// What the names of all such groups start with.
    pub(crate) fn beginning(self) -> String {
        format!("postern {} ", self.word())
    }
}

/// One group: what it is there, and what it is to hold.
struct Placed<'a> {
    existing: Option<(&'a AccessGroup, BTreeSet<String>)>,
    names: BTreeSet<String>,
}

impl<'a> Planner<'a> {
    pub(super) fn groups(&mut self) -> Groups {
        let mut groups = Groups::new();
        for application in &self.desired.applications {
            for policy in &application.policies {
                for (purpose, names) in grouped(policy) {
                    let prefix = prefix(policy, purpose);
                    let placed = match application.manager {
                        Manager::Postern => {
                            self.distribute(&prefix, (purpose, policy.decision), names)
                        }
                        Manager::Other(_) => self.recorded(&prefix),
                    };
                    groups.insert(prefix, placed);
                }
            }
        }
        let needed: usize = groups.values().map(Vec::len).sum();
        let theirs = |group: &&AccessGroup| !self.ledger.owns(ObjectKind::Group, group.id());
        let others = self.remote.groups.iter().filter(theirs).count();
        if needed + others > GROUPS {
            let why = format!("{needed} of ours and {others} others: an account holds {GROUPS}");
            let remedy =
                "use `edge = \"certificate+gateway\"` or `\"dedicated-ca\"` for the large fleets";
            self.conflict("rule groups", &why, remedy);
        }
        groups
    }

    /// Distributes names over the groups of one purpose, and says which groups those are.
    fn distribute(
        &mut self,
        prefix: &str,
        purpose: (Purpose, Decision),
        names: &BTreeSet<String>,
    ) -> Vec<String> {
        let existing = self.existing(prefix);
        let mut missing = names.clone();
        let mut placed: BTreeMap<u32, Placed<'_>> = BTreeMap::new();
        for (number, group) in existing {
            let there = members(group);
            let names: BTreeSet<String> = there.intersection(&missing).cloned().collect();
            missing.retain(|name| !names.contains(name));
            let place = Placed {
                existing: Some((group, there)),
                names,
            };
            placed.insert(number, place);
        }
        let mut numbers = 1..;
        while let Some(next) = missing.pop_first() {
            let has_room = |place: &&mut Placed<'_>| place.names.len() < RULES_PER_GROUP;
            if let Some(place) = placed.values_mut().find(has_room) {
                place.names.insert(next);
                continue;
            }
            let number = numbers.find(|number| !placed.contains_key(number));
            let place = Placed {
                existing: None,
                names: BTreeSet::from([next]),
            };
            placed.insert(number.unwrap_or(u32::MAX), place);
        }
        placed.retain(|_, place| !place.names.is_empty());
        let mut group_names = Vec::new();
        for (number, place) in placed {
            let name = format!("{prefix} #{number}");
            self.group(&name, purpose, place);
            group_names.push(name);
        }
        group_names
    }

    fn group(&mut self, name: &str, (purpose, decision): (Purpose, Decision), place: Placed<'_>) {
        let target = format!("group {name:?}");
        let names = place.names;
        let Some((group, there)) = place.existing else {
            if let Some(stranger) = self.remote.groups.iter().find(|it| it.name() == name) {
                let remedy = format!("`postern cloudflare adopt group {}`", stranger.id());
                return self.conflict(target, EXISTS, remedy);
            }
            let action = Action::CreateGroup {
                name: name.to_owned(),
                names,
            };
            return self.change(target, Class::Ordinary, action);
        };
        // What a change by hand added: a doubled name, or a rule that is no name.
        let strangers = group
            .rules(RuleList::Include)
            .len()
            .saturating_sub(there.len());
        if there == names && strangers == 0 && group.name() == name {
            return;
        }
        let added = names.difference(&there).count();
        let removed = there.difference(&names).count();
        let takes_away = match purpose {
            Purpose::Admitted | Purpose::Required => removed > 0 || strangers > 0,
            Purpose::Revoked => added > 0,
        };
        let class = match takes_away && decision.admits() {
            true => Class::TakesAway,
            false => Class::Ordinary,
        };
        let action = Action::UpdateGroup {
            name: name.to_owned(),
            id: group.id().to_owned(),
            names,
            added,
            removed,
            strangers,
        };
        self.change(target, class, action);
    }

    /// What is there of an application that another tool manages stays as it is.
    fn recorded(&self, prefix: &str) -> Vec<String> {
        let groups = self.ledger.of_kind(ObjectKind::Group);
        let matching = groups.filter(|owned| number(&owned.key, prefix).is_some());
        matching.map(|owned| owned.key.clone()).collect()
    }

    /// The groups of ours with this prefix that are there, by their number.
    fn existing(&mut self, prefix: &str) -> BTreeMap<u32, &'a AccessGroup> {
        let remote = self.remote;
        let mut existing = BTreeMap::new();
        for owned in self.ledger.of_kind(ObjectKind::Group) {
            let Some(number) = number(&owned.key, prefix) else {
                continue;
            };
            let place = (ObjectKind::Group, owned.key.as_str());
            match find(self.ledger, place, &owned.name, remote.groups.iter()) {
                Found::Ours(group) => {
                    existing.insert(number, group);
                }
                Found::Recovered(group) => {
                    let record = recovered(Some(owned), group);
                    let target = format!("group {:?}", owned.name);
                    self.change(target, Class::Bookkeeping, Action::Recover(record));
                    existing.insert(number, group);
                }
                Found::Foreign(_) | Found::Absent => {}
            }
        }
        existing
    }
}

/// The lists of names that go into groups.
pub(crate) fn grouped(policy: &DesiredPolicy) -> Vec<(Purpose, &BTreeSet<String>)> {
    let admitted = policy
        .admitted
        .as_ref()
        .map(|names| (Purpose::Admitted, names));
    let required = policy
        .required
        .as_ref()
        .map(|names| (Purpose::Required, names));
    let revoked =
        (policy.revoked.len() > INLINE_NAMES).then_some((Purpose::Revoked, &policy.revoked));
    admitted
        .into_iter()
        .chain(required)
        .chain(revoked)
        .collect()
}

/// What the names of a policy's groups start with.
pub(crate) fn prefix(policy: &DesiredPolicy, purpose: Purpose) -> String {
    format!("{}{}", purpose.beginning(), policy.groups)
}

fn number(name: &str, prefix: &str) -> Option<u32> {
    name.strip_prefix(prefix)?.strip_prefix(" #")?.parse().ok()
}

/// The exact names in a group.
pub(super) fn members(group: &AccessGroup) -> BTreeSet<String> {
    let rules = group.rules(RuleList::Include);
    let mut names = BTreeSet::new();
    for rule in rules {
        if let AccessRule::CommonName(name) = rule {
            names.insert(name);
        }
    }
    names
}
