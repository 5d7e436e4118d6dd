//! A token's policies at Cloudflare: one of its own in each application, never in somebody
//! else's.

use std::path::Path;

use postern_ca::EdgeObject;
use postern_cloudflare::access::{AccessPolicy, App};
use postern_cloudflare::minting::{PolicyPlace, place_token_policy, token_policy};
use postern_policy::TokenName;

use super::record::EdgeRecord;
use super::steps::Steps;
use crate::cloudflare::Edge;
use crate::cloudflare::lock::Turn;
use crate::error::{CommandError, Kind};

/// The policies of tokens in one account.
#[derive(Clone, Copy)]
pub(crate) struct Policies<'a> {
    /// Where writers of the account's policies wait for each other.
    pub(crate) home: &'a Path,
    pub(crate) edge: &'a Edge,
    pub(crate) record: EdgeRecord<'a>,
    pub(crate) steps: Steps,
}

impl Policies<'_> {
    /// Sees to it that each application has the token's policy; their ids.
    pub(crate) fn open(
        &self,
        name: &TokenName,
        token_id: &str,
        apps: &[App],
        precedence: Option<u64>,
    ) -> Result<Vec<String>, CommandError> {
        let opened = apps
            .iter()
            .map(|app| self.open_one(name, token_id, app.id(), precedence));
        opened.collect()
    }

    /// The same for one application; an `apply` that places policies there is waited for.
    pub(crate) fn open_one(
        &self,
        name: &TokenName,
        token_id: &str,
        app: &str,
        precedence: Option<u64>,
    ) -> Result<String, CommandError> {
        let _turn = Turn::at_edge(self.home)?;
        let recorded = self.record.policy(name, app)?;
        if let Some(policy) = self.still_there(recorded.as_ref(), app)? {
            return self.as_we_made_it(name, token_id, app, &policy);
        }
        let scope = self.edge.scope();
        let policies = self.edge.run(self.edge.client.app_policies(&scope, app))?;
        match (
            place_token_policy(&policies, name.as_str(), token_id),
            recorded,
        ) {
            (PolicyPlace::Present { id }, Some(mut intended)) => {
                self.record.learn(&mut intended, &id)?;
                self.steps
                    .done("policy", &format!("{id} in {app}, made by an earlier run"))?;
                Ok(id)
            }
            (PolicyPlace::Present { id }, None) => {
                let told =
                    format!("{id} in {app} admits the token, is not ours and stays as it is");
                self.steps.warn("policy", &told)?;
                Ok(id)
            }
            (PolicyPlace::Taken { id }, _) => Err(taken(name, app, &id)),
            (PolicyPlace::Free { precedence: next }, _) => {
                self.add(name, token_id, app, precedence.unwrap_or(next))
            }
        }
    }

    /// Removes the policies that are ours and name the token; what is gone already is fine.
    pub(crate) fn close(&self, name: &TokenName) -> Result<(), CommandError> {
        let _turn = Turn::at_edge(self.home)?;
        let scope = self.edge.scope();
        for policy in self.record.policies(name)? {
            if let (Some(id), Some(app)) = (&policy.remote_id, &policy.parent) {
                let call = self.edge.client.delete_app_policy(&scope, app, id);
                self.edge.run(call)?;
                self.steps
                    .done("policy", &format!("{id} is out of {app}"))?;
            }
            self.record.forget(&policy)?;
        }
        Ok(())
    }

    /// A recorded policy that somebody changed does not admit the token, or admits more.
    fn as_we_made_it(
        &self,
        name: &TokenName,
        token_id: &str,
        app: &str,
        policy: &AccessPolicy,
    ) -> Result<String, CommandError> {
        let (id, only) = (policy.id(), std::slice::from_ref(policy));
        match place_token_policy(only, name.as_str(), token_id) {
            PolicyPlace::Present { id } => {
                self.steps.unchanged("policy", &format!("{id} in {app}"))?;
                Ok(id)
            }
            PolicyPlace::Taken { .. } | PolicyPlace::Free { .. } => {
                let message = format!(
                    "the policy {id} of {name} in application {app} is not as we made it: somebody changed its name, decision or rules"
                );
                Err(CommandError::new(Kind::Conflict, message)
                    .hint("delete it there, and run this again: it is made anew"))
            }
        }
    }

    /// A recorded policy that Cloudflare still has.
    fn still_there(
        &self,
        recorded: Option<&EdgeObject>,
        app: &str,
    ) -> Result<Option<AccessPolicy>, CommandError> {
        let Some(id) = recorded.and_then(|policy| policy.remote_id.as_deref()) else {
            return Ok(None);
        };
        let scope = self.edge.scope();
        let call = self.edge.client.app_policy(&scope, app, id);
        Ok(self.edge.run(call)?)
    }

    fn add(
        &self,
        name: &TokenName,
        token_id: &str,
        app: &str,
        precedence: u64,
    ) -> Result<String, CommandError> {
        let mut object = self.record.intend_policy(name, app)?;
        let new = token_policy(name.as_str(), token_id, precedence);
        let scope = self.edge.scope();
        let call = self.edge.client.create_app_policy(&scope, app, &new);
        let policy = match self.edge.run(call) {
            Ok(policy) => policy,
            Err(error) if error.kind.may_have_taken_effect() => return Err(error.into()),
            Err(error) => {
                self.record.forget(&object)?;
                return Err(error.into());
            }
        };
        self.record.learn(&mut object, policy.id())?;
        self.steps.done(
            "policy",
            &format!(
                "{} in {app}, Service Auth (non_identity), precedence {precedence}",
                policy.id()
            ),
        )?;
        Ok(policy.id().to_owned())
    }
}

fn taken(name: &TokenName, app: &str, id: &str) -> CommandError {
    let message = format!(
        "application {app} has a policy with the name of {name}'s, {id}, that admits somebody else"
    );
    CommandError::new(Kind::Conflict, message)
        .hint("it is left as it is: rename it, or `postern cloudflare adopt` it")
}
