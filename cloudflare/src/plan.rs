//! What has to change: a pure comparison; the same inputs give the same plan.

mod apps;
mod authorities;
mod change;
mod closing;
mod compare;
mod found;
mod groups;
mod leftovers;
mod places;
mod policies;
mod precedence;

use std::collections::BTreeSet;

use crate::desired::Desired;
use crate::doctor::LAYOUTS_WITHOUT_MTLS;
use crate::ledger::Ledger;
use crate::remote::{Mtls, Remote};

pub use change::{Action, AppField, AppTarget, Change, Class, PlannedPolicy, PlannedRule};
pub use closing::{admitting, closing, listing};
pub use policies::policy_key;

pub(crate) use groups::{Purpose, prefix};

/// What the operator agreed to beyond what a plan does by itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Consents {
    /// `--allow-reorder`: policies that are not ours may be moved behind ours.
    pub reorder: Consent,
    /// `--allow-decision-change`: the decision of a policy of ours may be repaired.
    pub decision_change: Consent,
    /// `--waf-in-place`: the WAF rules that were printed block, so Access may admit more.
    pub waf: Consent,
    /// `--retire-old-ca`: the clients have moved, so a CA that the file has no more may go.
    pub retire_authority: Consent,
}

/// Whether the operator agreed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Consent {
    /// Nobody was asked.
    #[default]
    NotGiven,
    /// Yes.
    Given,
}

/// What has to change, in the order in which it is done.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What `apply` does.
    pub changes: Vec<Change>,
    /// What it would do with the operator's consent.
    pub withheld: Vec<Change>,
    /// What differs in applications that another tool manages.
    pub reported: Vec<Change>,
    /// The ids of those applications: nothing is written there, revocations included.
    pub managed_elsewhere: BTreeSet<String>,
    /// What stops `apply`.
    pub conflicts: Vec<Conflict>,
    /// What the operator should know.
    pub remarks: Vec<String>,
}

/// Something that a person has to settle first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Conflict {
    /// Which object.
    pub target: String,
    /// What is wrong with it.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

impl Plan {
    /// Compares what Access is to hold with what it holds.
    ///
    /// `now` is in Unix seconds.
    pub fn new(
        desired: &Desired,
        remote: &Remote,
        ledger: &Ledger,
        consents: Consents,
        now: u64,
    ) -> Self {
        let mut planner = Planner {
            desired,
            remote,
            ledger,
            consents,
            now,
            plan: Self::default(),
        };
        planner.mtls_is_there();
        planner.authorities();
        let apps = planner.apps();
        let groups = planner.groups();
        planner.policies(&apps, &groups);
        planner.leftovers(&apps, &groups);
        planner.old_authorities();
        planner.gone();
        let mut plan = planner.plan;
        // What takes away comes first wherever nothing has to be made for it.
        plan.changes.sort_by_key(Change::rank);
        plan
    }

    /// Whether there is nothing to do. Another place for somebody's policy, or the end of an old CA,
    /// is an offer; what a policy admits is not.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.conflicts.is_empty() && self.waiting().next().is_none()
    }

    /// What has to wait for the operator's consent, and differs from the file until then.
    pub fn waiting(&self) -> impl Iterator<Item = &Change> {
        let waits = |change: &&Change| match change.class {
            Class::DecisionChange | Class::ReliesOnWaf => true,
            Class::TakesAway
            | Class::Ordinary
            | Class::Reorder
            | Class::RetiresAuthority
            | Class::Bookkeeping => false,
        };
        self.withheld.iter().filter(waits)
    }
}

struct Planner<'a> {
    desired: &'a Desired,
    remote: &'a Remote,
    ledger: &'a Ledger,
    consents: Consents,
    now: u64,
    plan: Plan,
}

impl Planner<'_> {
    fn change(&mut self, target: impl Into<String>, class: Class, action: Action) {
        let target = target.into();
        let change = Change {
            target,
            class,
            action,
        };
        let consent = match class {
            Class::Reorder => self.consents.reorder,
            Class::DecisionChange => self.consents.decision_change,
            Class::ReliesOnWaf => self.consents.waf,
            Class::RetiresAuthority => self.consents.retire_authority,
            Class::TakesAway | Class::Ordinary | Class::Bookkeeping => Consent::Given,
        };
        match consent {
            Consent::Given => self.plan.changes.push(change),
            Consent::NotGiven => self.plan.withheld.push(change),
        }
    }

    fn conflict(&mut self, target: impl Into<String>, why: &str, remedy: impl Into<String>) {
        self.plan.conflicts.push(Conflict {
            target: target.into(),
            why: why.to_owned(),
            remedy: remedy.into(),
        });
    }

    /// Said before any write: without mTLS at the edge, nothing that needs a certificate works.
    fn mtls_is_there(&mut self) {
        if let Mtls::Unavailable { why } = &self.remote.mtls
            && !self.desired.authorities.is_empty()
        {
            self.conflict(
                "Access mTLS",
                &format!("the account does not have it, or the API token may not use it: {why}"),
                format!(
                    "it comes with Enterprise. Two layouts work without it: {}",
                    LAYOUTS_WITHOUT_MTLS.join("; or ")
                ),
            );
        }
    }
}
