//! The places of an application's policies: ours in file order; others' only with consent.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Class, Consent, Planner, precedence};
use crate::access::AccessPolicy;
use crate::desired::DesiredApplication;
use crate::ledger::ObjectKind;

/// The policies of an application that is there.
#[derive(Clone, Copy)]
pub(super) struct InApp<'r> {
    pub(super) app: &'r str,
    pub(super) there: &'r [AccessPolicy],
}

impl Planner<'_> {
    /// A number for each policy of ours, in file order, and the moves that bring those that are
    /// there to theirs.
    pub(super) fn places(
        &mut self,
        application: &DesiredApplication,
        in_app: InApp<'_>,
        ours: &[Option<&AccessPolicy>],
    ) -> Vec<u64> {
        let ids: BTreeSet<&str> = ours.iter().flatten().map(|policy| policy.id()).collect();
        let others = self.others(in_app.there, &ids);
        let taken: Vec<u64> = others.iter().filter_map(|it| it.precedence()).collect();
        let room = precedence::make_room(&taken, ours.len());
        let can_move = others.iter().all(|policy| !policy.is_reusable());
        if self.consents.reorder == Consent::Given && can_move {
            let places: Vec<u64> = (1..).take(ours.len()).collect();
            let mut wanted = wanted(ours, &places);
            wanted.extend(others.iter().filter_map(|policy| {
                let from = policy.precedence()?;
                let moved = room.iter().find(|(place, _)| *place == from);
                Some((policy.id(), (from, moved.map_or(from, |(_, to)| *to))))
            }));
            self.moves(application, in_app, &wanted, &BTreeSet::new());
            return places;
        }
        self.tell_of_room(application, in_app, &room, can_move);
        let fixed: BTreeSet<u64> = taken.into_iter().collect();
        let places = precedence::free_places(&fixed, ours.len());
        self.moves(application, in_app, &wanted(ours, &places), &fixed);
        places
    }

    /// What consent would move.
    fn tell_of_room(
        &mut self,
        application: &DesiredApplication,
        in_app: InApp<'_>,
        room: &[(u64, u64)],
        can_move: bool,
    ) {
        if !can_move && !room.is_empty() {
            self.plan.remarks.push(format!(
                "app {}: the policies before ours stay where they are: one of them is reusable, and its place is not its own",
                application.name
            ));
            return;
        }
        for (from, to) in room {
            let mut policies = in_app.there.iter();
            if let Some(policy) = policies.find(|policy| policy.precedence() == Some(*from)) {
                self.place(
                    application,
                    in_app.app,
                    policy,
                    (*from, *to),
                    Class::Reorder,
                );
            }
        }
    }

    fn moves(
        &mut self,
        application: &DesiredApplication,
        in_app: InApp<'_>,
        wanted: &BTreeMap<&str, (u64, u64)>,
        fixed: &BTreeSet<u64>,
    ) {
        for (id, from, to) in precedence::moves(wanted, fixed) {
            let mut policies = in_app.there.iter();
            if let Some(policy) = policies.find(|policy| policy.id() == id) {
                let class = match self.ledger.owns_policy(id) {
                    true => Class::Ordinary,
                    false => Class::Reorder,
                };
                self.place(application, in_app.app, policy, (from, to), class);
            }
        }
    }

    fn place(
        &mut self,
        application: &DesiredApplication,
        app: &str,
        policy: &AccessPolicy,
        (from, to): (u64, u64),
        class: Class,
    ) {
        let whose = match self.ledger.owns_policy(policy.id()) {
            true => "",
            false => " (not ours)",
        };
        let part = format!(" / policy {:?}{whose}", policy.name());
        let action = Action::PlacePolicy {
            app: app.to_owned(),
            id: policy.id().to_owned(),
            from,
            to,
        };
        self.change_in(application, &part, class, action);
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
}

/// From where to where, for those that are there.
fn wanted<'r>(ours: &[Option<&'r AccessPolicy>], places: &[u64]) -> BTreeMap<&'r str, (u64, u64)> {
    let pairs = ours.iter().zip(places).filter_map(|(policy, to)| {
        let policy = (*policy)?;
        Some((policy.id(), (policy.precedence()?, *to)))
    });
    pairs.collect()
}
