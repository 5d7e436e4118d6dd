//! The effects of a rotation in place, and those that every rotation has.

use postern_ca::TokenRecord;
use postern_cloudflare::access::{MintedToken, ServiceTokenUpdate};
use postern_cloudflare::rotation::{RotationCause, RotationMode};

use super::runner::Runner;
use crate::commands::token::create::fresh_credentials;
use crate::commands::token::delete::{Removal, delete_here};
use crate::commands::token::record::recorded_anywhere;
use crate::commands::token::switch::{self, Switch};
use crate::delivery::Credentials;
use crate::error::{CommandError, Kind};
use crate::time;

impl Runner<'_> {
    /// Gateways refuse it first: that needs nobody's help.
    pub(super) fn disable(&self) -> Result<(), CommandError> {
        let tools = &self.tools;
        tools.authority.disable_token(tools.name, time::now())?;
        if let Some((edge, id)) = tools.at_edge(&self.journal.rotation) {
            switch::set(edge, tools.name, id, Switch::Off)?;
        }
        tools.steps.done("disable", "nobody gets in with the token")
    }

    pub(super) fn enable(&self) -> Result<(), CommandError> {
        let tools = &self.tools;
        if let Some((edge, id)) = tools.at_edge(&self.journal.rotation) {
            switch::set(edge, tools.name, id, Switch::On)?;
        }
        tools.unlock()?.enable_token(tools.name, time::now())?;
        tools
            .steps
            .done("enable", "the token is accepted with its new secret")
    }

    /// Makes a new secret; from here on it is in memory, and nowhere else.
    pub(super) fn mint(&mut self) -> Result<(), CommandError> {
        let destination = self.destination.as_ref().ok_or_else(nowhere_to_go)?;
        destination.test()?;
        match self.journal.rotation.plan.mode {
            RotationMode::Parallel => self.mint_successor(),
            RotationMode::InPlace => self.mint_in_place(),
        }
    }

    fn mint_in_place(&mut self) -> Result<(), CommandError> {
        let token = crate::commands::token::find(self.tools.authority, self.tools.name)?;
        let credentials = match self.tools.at_edge(&self.journal.rotation) {
            None => fresh_credentials(&token.client_id)?,
            Some(_) => self.rotate_at_cloudflare()?,
        };
        self.journal.rotation.new = Some(credentials.hash());
        // That there is a new secret is on record before anything else can fail.
        self.journal.save()?;
        self.publish(&token, &credentials)?;
        self.tools.steps.done("mint", "a new secret")?;
        self.new = Some(credentials);
        Ok(())
    }

    /// The old secret's end is on record before the call: an answer may not come.
    fn rotate_at_cloudflare(&mut self) -> Result<Credentials, CommandError> {
        let overlap = match self.overlap_is_gone {
            true => 0,
            false => self.journal.rotation.plan.overlap,
        };
        let ends = time::now().saturating_add(overlap);
        self.journal.rotation.old_ends_at = Some(ends);
        self.journal.save()?;
        let (edge, id) = self
            .tools
            .at_edge(&self.journal.rotation)
            .ok_or_else(nowhere_to_go)?;
        let ends = time::rfc3339(ends);
        let call = edge.client.rotate_service_token(&edge.account, id, &ends);
        match edge.run(call) {
            Ok(minted) => credentials_of(&minted),
            Err(error) => {
                if !error.kind.may_have_taken_effect() {
                    self.journal.rotation.refused();
                    self.journal.rotation.old_ends_at = None;
                    self.journal.save()?;
                }
                Err(error.into())
            }
        }
    }

    /// Both secrets are good at gateways, or only the new one where the old one is in wrong hands.
    fn publish(&self, token: &TokenRecord, new: &Credentials) -> Result<(), CommandError> {
        let rotation = &self.journal.rotation;
        let mut secrets = match rotation.plan.cause {
            RotationCause::Compromised => Vec::new(),
            RotationCause::Scheduled
            | RotationCause::Departure
            | RotationCause::Decommission
            | RotationCause::Drill => rotation.old.clone(),
        };
        secrets.push(new.hash());
        let unlocked = self.tools.unlock()?;
        unlocked.change_token(&token.name, move |life| life.secrets = secrets, time::now())?;
        self.tools.steps.done(
            "gateway",
            "the new secret's SHA-256 is published to gateways",
        )
    }

    /// Brings the new secret where it belongs.
    pub(super) fn deliver(&mut self) -> Result<(), CommandError> {
        let (Some(destination), Some(new)) = (&self.destination, &self.new) else {
            return Err(nowhere_to_go());
        };
        destination.deliver(&self.name_of_new()?, new)?;
        self.tools
            .steps
            .done("deliver", &format!("to {destination}"))?;
        self.note_delivery()
    }

    /// Records where the new secret is.
    pub(super) fn note_delivery(&mut self) -> Result<(), CommandError> {
        let to = self.destination.as_ref().map(ToString::to_string);
        if let (Some(edge), Some(to)) = (&self.tools.edge, &to) {
            let record = self.tools.record(edge);
            if let Some(mut object) = record.token(&self.name_of_new()?)? {
                record.delivered(&mut object, to)?;
            }
        }
        self.journal.rotation.delivered_at = Some(time::now());
        self.journal.rotation.destination = to;
        Ok(())
    }

    /// Makes the old secret worthless.
    pub(super) fn retire(&mut self) -> Result<(), CommandError> {
        let rotation = &self.journal.rotation;
        if rotation.plan.cause == RotationCause::Decommission {
            return self.detach_old();
        }
        match rotation.plan.mode {
            RotationMode::Parallel => self.detach_old(),
            RotationMode::InPlace => self.retire_in_place(),
        }
    }

    fn retire_in_place(&self) -> Result<(), CommandError> {
        let (tools, rotation) = (&self.tools, &self.journal.rotation);
        let now = time::now();
        if let Some((edge, id)) = tools.at_edge(rotation)
            && !rotation.old_has_ended(now)
        {
            let update = ServiceTokenUpdate {
                name: Some(tools.name.to_string()),
                previous_client_secret_expires_at: Some(time::rfc3339(now)),
                ..ServiceTokenUpdate::default()
            };
            let scope = edge.scope();
            edge.run(edge.client.update_service_token(&scope, id, &update))?;
        }
        let new = rotation.new.ok_or_else(|| {
            CommandError::new(Kind::Integrity, "the journal has no new secret to keep")
        })?;
        tools
            .unlock()?
            .change_token(tools.name, move |life| life.secrets = vec![new], now)?;
        tools.steps.done("retire", "the old secret is refused")
    }

    /// Out of the policies, and refused: what comes before the deletion.
    fn detach_old(&self) -> Result<(), CommandError> {
        let tools = &self.tools;
        if let Some((edge, id)) = tools.at_edge(&self.journal.rotation) {
            Removal::new(edge, tools.authority, tools.name, tools.steps).detach()?;
            switch::set(edge, tools.name, id, Switch::Off)?;
        }
        tools.authority.disable_token(tools.name, time::now())?;
        tools.steps.done(
            "retire",
            &format!("{} is refused and in no policy of ours", tools.name),
        )
    }

    /// Removes what is left of the old token, where the new secret is not its own.
    pub(super) fn finish(&mut self) -> Result<(), CommandError> {
        let rotation = &self.journal.rotation;
        let is_over = rotation.plan.cause == RotationCause::Decommission
            || rotation.plan.mode == RotationMode::Parallel;
        if !is_over {
            return Ok(());
        }
        let tools = &self.tools;
        let object = recorded_anywhere(tools.authority.store(), tools.name)?;
        if let (Some(edge), Some(object)) = (&tools.edge, object) {
            Removal::new(edge, tools.authority, tools.name, tools.steps).remove(&object)?;
        }
        delete_here(tools.authority, tools.name)?;
        tools
            .steps
            .done("finish", &format!("{} is deleted", tools.name))
    }
}

fn credentials_of(minted: &MintedToken) -> Result<Credentials, CommandError> {
    Credentials::new(minted.token.client_id(), minted.secret.expose()).ok_or_else(|| {
        let message = "Cloudflare's answer holds a client id or secret that fits no header";
        CommandError::new(Kind::Integrity, message)
    })
}

fn nowhere_to_go() -> CommandError {
    CommandError::usage("the new secret has nowhere to go, so none is made")
        .hint("give --out FILE, --pipe CMD, or --reveal on a terminal")
}
