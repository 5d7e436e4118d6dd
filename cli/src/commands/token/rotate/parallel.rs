//! The second token of a parallel rotation, and giving a rotation up.

use postern_ca::{Actor, TokenRecord, new_client_id};
use postern_cloudflare::rotation::{RotationMode, Successor};
use postern_policy::config::TokenOrigin;
use postern_policy::{TokenName, successor_name};

use super::runner::Runner;
use super::succession;
use crate::cloudflare::lock::Turn;
use crate::commands::token::create::Minting;
use crate::commands::token::create::fresh_credentials;
use crate::commands::token::delete::{Removal, delete_here};
use crate::commands::token::policies::Policies;
use crate::commands::token::record::recorded_anywhere;
use crate::commands::token::switch::{self, Switch};
use crate::commands::token::terms::{Life, Terms};
use crate::commands::token::{class_of, find};
use crate::error::{CommandError, Kind};
use crate::time;

impl Runner<'_> {
    /// Mints `NAME-v2` and opens to it what the old token opens.
    pub(super) fn mint_successor(&mut self) -> Result<(), CommandError> {
        let terms = self.successor_terms()?;
        let _turn = Turn::of_token(self.tools.context.home(), &terms.name)?;
        if self.journal.rotation.successor.is_none() {
            self.journal.rotation.successor = Some(Successor {
                name: terms.name.to_string(),
                token_id: None,
            });
            self.journal.save()?;
        }
        match self.tools.edge {
            Some(_) => self.mint_successor_at_cloudflare(&terms),
            None => self.mint_successor_at_gateway(&terms),
        }
    }

    fn mint_successor_at_cloudflare(&mut self, terms: &Terms) -> Result<(), CommandError> {
        let (Some(edge), Some(destination)) = (&self.tools.edge, &self.destination) else {
            return Err(no_journal("edge"));
        };
        let record = self.tools.record(edge);
        let minting = Minting {
            edge,
            authority: self.tools.authority,
            record,
            terms,
            destination,
            steps: self.tools.steps,
        };
        let minted = minting.mint(minting.earlier()?)?;
        minting.admit(self.tools.unlock()?, &minted.token, &minted.secret)?;
        let policies = Policies {
            home: self.tools.context.home(),
            edge,
            record,
            steps: self.tools.steps,
        };
        policies.open_as(self.tools.name, &terms.name, minted.token.id())?;
        self.tell_of_policies(terms)?;
        let credentials = minted.secret.known().ok_or_else(|| no_journal("secret"))?;
        self.journal.rotation.new = Some(credentials.hash());
        self.journal.rotation.successor = Some(Successor {
            name: terms.name.to_string(),
            token_id: Some(minted.token.id().to_owned()),
        });
        self.new = Some(credentials);
        Ok(())
    }

    fn mint_successor_at_gateway(&mut self, terms: &Terms) -> Result<(), CommandError> {
        let known = self.tools.authority.store().token(&terms.name)?;
        let client_id = match &known {
            Some(token) => token.client_id.clone(),
            None => new_client_id()?,
        };
        let credentials = fresh_credentials(&client_id)?;
        let now = time::now();
        let hash = credentials.hash();
        let unlocked = self.tools.unlock()?;
        match known {
            // An earlier run made it, and its secret is lost.
            Some(_) => drop(unlocked.change_token(
                &terms.name,
                move |life| life.secrets = vec![hash],
                now,
            )?),
            None => unlocked.add_token(successor_record(terms, &client_id, hash, now), now)?,
        }
        self.tools
            .steps
            .done("mint", &format!("token {}", terms.name))?;
        self.tell_of_policies(terms)?;
        self.journal.rotation.new = Some(hash);
        self.new = Some(credentials);
        Ok(())
    }

    /// Gateways, and `cloudflare apply`, know the policies of the file only.
    fn tell_of_policies(&self, terms: &Terms) -> Result<(), CommandError> {
        let (tools, new) = (&self.tools, &terms.name);
        let told = match succession::left_behind(tools.context, tools.name, new) {
            None => succession::advice(
                tools.name,
                new,
                &[String::from("the policies of postern.toml")],
            ),
            Some(places) if places.is_empty() => return Ok(()),
            Some(places) => succession::advice(tools.name, new, &places),
        };
        tools.steps.warn("policy", &told)
    }

    /// The policies of the file that name the old token and not the second one.
    pub(super) fn left_behind(&self) -> Result<Vec<String>, CommandError> {
        if self.journal.rotation.successor.is_none() {
            return Ok(Vec::new());
        }
        let (tools, new) = (&self.tools, self.name_of_new()?);
        let places = succession::left_behind(tools.context, tools.name, &new);
        Ok(places.unwrap_or_default())
    }

    /// What is still to be written into the file, if anything is.
    pub(super) fn still_to_write(&self) -> Result<Option<String>, CommandError> {
        let places = self.left_behind()?;
        if places.is_empty() {
            return Ok(None);
        }
        let new = self.name_of_new()?;
        Ok(Some(succession::advice(self.tools.name, &new, &places)))
    }

    /// The name that the new secret goes by.
    pub(super) fn name_of_new(&self) -> Result<TokenName, CommandError> {
        match &self.journal.rotation.successor {
            Some(successor) => TokenName::parse(&successor.name).map_err(CommandError::usage),
            None => Ok(self.tools.name.clone()),
        }
    }

    fn successor_terms(&self) -> Result<Terms, CommandError> {
        let token = find(self.tools.authority, self.tools.name)?;
        let name = match &self.journal.rotation.successor {
            Some(_) => self.name_of_new()?,
            None => successor_name(self.tools.name).map_err(CommandError::usage)?,
        };
        let class = class_of(&token);
        Ok(Terms {
            name,
            class,
            device: token.device(),
            owner: token.owner,
            at: self.journal.rotation.plan.origin,
            life: Life::Limited(class.lifetime()),
            reason: self.journal.rotation.plan.reason.clone(),
        })
    }

    /// Gives the rotation up: what was made for it goes, the old secret stays.
    pub(super) fn abort(mut self) -> Result<(), CommandError> {
        let mut given_up = self.journal.rotation.clone();
        given_up.abort().map_err(|error| {
            let name = self.tools.name;
            CommandError::new(
                Kind::Conflict,
                format!("the rotation of {name} goes on: {error}"),
            )
            .hint(format!(
                "`postern token rotate {name} --resume` brings it to its end"
            ))
        })?;
        match given_up.plan.mode {
            RotationMode::Parallel => self.remove_successor()?,
            RotationMode::InPlace if given_up.plan.origin == TokenOrigin::Gateway => {
                self.forget_new()?;
            }
            RotationMode::InPlace => {}
        }
        if given_up.is_disabled() {
            self.enable()?;
            given_up.complete(postern_cloudflare::rotation::RotationStep::Enable);
        }
        self.journal.rotation = given_up;
        self.journal.save()
    }

    fn remove_successor(&self) -> Result<(), CommandError> {
        let tools = &self.tools;
        if self.journal.rotation.successor.is_none() {
            return Ok(());
        }
        let name = self.name_of_new()?;
        let _turn = Turn::of_token(tools.context.home(), &name)?;
        if let Some(edge) = &tools.edge
            && let Some(object) = recorded_anywhere(tools.authority.store(), &name)?
        {
            Removal::new(edge, tools.authority, &name, tools.steps).remove(&object)?;
        }
        delete_here(tools.authority, &name)?;
        // A retirement that was begun may have refused the old token already.
        if let Some((edge, id)) = tools.at_edge(&self.journal.rotation) {
            switch::set(edge, tools.name, id, Switch::On)?;
        }
        Ok(())
    }

    /// Gateways accept the old secrets alone.
    fn forget_new(&self) -> Result<(), CommandError> {
        let old = self.journal.rotation.old.clone();
        let unlocked = self.tools.unlock()?;
        unlocked.change_token(self.tools.name, move |life| life.secrets = old, time::now())?;
        Ok(())
    }
}

fn successor_record(
    terms: &Terms,
    client_id: &str,
    hash: postern_pki::journal::Hash,
    now: u64,
) -> TokenRecord {
    TokenRecord {
        name: terms.name.clone(),
        client_id: client_id.to_owned(),
        class: terms.class.as_str().to_owned(),
        owner: terms.owner.clone(),
        labels: terms.labels(),
        enabled: true,
        secrets: vec![hash],
        created_at: now,
        created_by: Actor::current().to_string(),
        expires_at: terms.life.ends_at(now),
    }
}

fn no_journal(what: &str) -> CommandError {
    CommandError::new(
        Kind::Integrity,
        format!("the rotation has no {what} to go on with"),
    )
}
