//! A token's policies at Cloudflare: one of its own in each application, never in somebody
//! else's.

use std::path::Path;

use postern_ca::EdgeObject;
use postern_cloudflare::access::{AccessPolicy, App};
use postern_cloudflare::minting::{Conditions, PolicyPlace, TokenPolicy};
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

/// A token that is to be admitted.
struct Opening<'a> {
    name: &'a TokenName,
    token_id: &'a str,
    conditions: Conditions,
}

impl Opening<'_> {
    fn policy(&self) -> TokenPolicy<'_> {
        TokenPolicy {
            token: self.name.as_str(),
            token_id: self.token_id,
            conditions: &self.conditions,
        }
    }
}

impl Policies<'_> {
    /// Sees to it that each application has the token's policy; their ids. An `apply` that places
    /// policies is waited for.
    pub(crate) fn open(
        &self,
        name: &TokenName,
        token_id: &str,
        apps: &[App],
        precedence: Option<u64>,
    ) -> Result<Vec<String>, CommandError> {
        let _turn = Turn::at_edge(self.home)?;
        let opening = Opening {
            name,
            token_id,
            conditions: Conditions::default(),
        };
        let opened = apps
            .iter()
            .map(|app| self.open_one(&opening, app.id(), precedence));
        opened.collect()
    }

    /// Opens to a token what another one opens, on the same conditions.
    pub(crate) fn open_as(
        &self,
        old: &TokenName,
        name: &TokenName,
        token_id: &str,
    ) -> Result<(), CommandError> {
        let _turn = Turn::at_edge(self.home)?;
        for recorded in self.record.policies(old)? {
            let app = recorded.parent.clone().unwrap_or_default();
            let Some(policy) = self.still_there(Some(&recorded), &app)? else {
                continue;
            };
            let Some(conditions) = Conditions::of(&policy) else {
                let told = format!(
                    "{} in {app} asks for a rule group, which is its own: {name} is not opened there; `cloudflare apply` does when postern.toml names it",
                    policy.id()
                );
                self.steps.warn("policy", &told)?;
                continue;
            };
            let opening = Opening {
                name,
                token_id,
                conditions,
            };
            self.open_one(&opening, &app, None)?;
        }
        Ok(())
    }

    fn open_one(
        &self,
        opening: &Opening<'_>,
        app: &str,
        precedence: Option<u64>,
    ) -> Result<String, CommandError> {
        let name = opening.name;
        let recorded = self.record.policy(name, app)?;
        if let Some(policy) = self.still_there(recorded.as_ref(), app)? {
            return self.as_we_made_it(opening, app, &policy);
        }
        let scope = self.edge.scope();
        let policies = self.edge.run(self.edge.client.app_policies(&scope, app))?;
        match (opening.policy().place(&policies), recorded) {
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
                self.add(opening, app, precedence.unwrap_or(next))
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
        opening: &Opening<'_>,
        app: &str,
        policy: &AccessPolicy,
    ) -> Result<String, CommandError> {
        let (id, name, only) = (policy.id(), opening.name, std::slice::from_ref(policy));
        match opening.policy().place(only) {
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
        opening: &Opening<'_>,
        app: &str,
        precedence: u64,
    ) -> Result<String, CommandError> {
        let mut object = self.record.intend_policy(opening.name, app)?;
        let new = opening.policy().at(precedence);
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
