//! The run of a rotation: one effect after the other, each recorded before and after.

use postern_ca::{CertificateAuthority, Passphrase, Unlocked};
use postern_cloudflare::rotation::{Recovery, Rotation, RotationCause, RotationMode, RotationStep};
use postern_policy::TokenName;
use postern_policy::config::TokenOrigin;
use serde_json::json;

use super::RotateArgs;
use super::journal::Journal;
use crate::cloudflare::Edge;
use crate::commands::token::probing::{Freshness, Prober};
use crate::commands::token::record::{EdgeRecord, recorded_anywhere};
use crate::commands::token::steps::Steps;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::delivery::{Credentials, Destination, Existing};
use crate::error::{CommandError, Kind};
use crate::output::print_object;
use crate::time;

/// What a rotation works with.
pub(super) struct Tools<'a> {
    pub(super) context: &'a Context,
    pub(super) args: &'a RotateArgs,
    pub(super) authority: &'a CertificateAuthority,
    pub(super) name: &'a TokenName,
    /// Nothing for a token that only gateways know.
    pub(super) edge: Option<Edge>,
    pub(super) steps: Steps,
    passphrase: Option<Passphrase>,
}

/// A rotation under way, with the secrets that are in memory.
pub(super) struct Runner<'a> {
    pub(super) tools: Tools<'a>,
    pub(super) journal: Journal<'a>,
    pub(super) destination: Option<Destination>,
    /// The new secret, until this process ends.
    pub(super) new: Option<Credentials>,
    /// The old one, if somebody gave it.
    pub(super) old: Option<Credentials>,
    /// The next mint ends the old secret: the previous one that Cloudflare keeps is a lost one.
    pub(super) overlap_is_gone: bool,
}

/// What became of an effect.
pub(super) enum Effect {
    /// It was made.
    Made,
    /// It is not time for it.
    NotYet(String),
}

impl<'a> Tools<'a> {
    pub(super) fn new(
        context: &'a Context,
        args: &'a RotateArgs,
        authority: &'a CertificateAuthority,
        name: &'a TokenName,
        rotation: &Rotation,
    ) -> Result<Self, CommandError> {
        let edge = match rotation.plan.origin {
            TokenOrigin::Cloudflare => Some(match recorded_anywhere(authority.store(), name)? {
                Some(object) => args.cloudflare.connect_to(context, &object)?,
                None => args.cloudflare.connect(context)?,
            }),
            TokenOrigin::Gateway => None,
        };
        Ok(Self {
            context,
            args,
            authority,
            name,
            edge,
            steps: Steps(context.format),
            passphrase: args.passphrase.unlocking(authority)?,
        })
    }

    /// The issuing keys, which every change that admits needs.
    pub(super) fn unlock(&self) -> Result<Unlocked<'_>, CommandError> {
        Ok(self
            .authority
            .unlock(self.passphrase.as_ref(), time::now())?)
    }

    /// The way to Cloudflare with the token's id there; nothing for a token of gateways alone.
    pub(super) fn at_edge<'t>(&'t self, rotation: &'t Rotation) -> Option<(&'t Edge, &'t str)> {
        Some((self.edge.as_ref()?, rotation.token_id.as_deref()?))
    }

    /// What we recorded at Cloudflare.
    pub(super) fn record<'t>(&'t self, edge: &'t Edge) -> EdgeRecord<'t> {
        EdgeRecord {
            store: self.authority.store(),
            account: &edge.account,
        }
    }

    /// The files that the new secret may replace: those with a secret of this token, or of the one
    /// that takes its place.
    pub(super) fn predecessors(&self, rotation: &Rotation) -> Result<Existing, CommandError> {
        let successor = rotation.successor.as_ref();
        let is_one =
            |name: &str| name == self.name.as_str() || successor.is_some_and(|it| it.name == name);
        let tokens = self.authority.store().tokens()?.into_iter();
        let tokens = tokens.filter(|token| is_one(token.name.as_str()));
        let client_ids = tokens.map(|token| token.client_id);
        Ok(Existing::ReplacedIfOf(client_ids.collect()))
    }

    /// What tries secrets on the --test URLs.
    pub(super) fn prober(&self, freshness: Freshness) -> Result<Prober, CommandError> {
        self.args.probing.prober(freshness)
    }

    /// How often the token's secret was rotated, where Cloudflare says; fails where it does not have
    /// the token any more.
    pub(super) fn still_there(&self, rotation: &Rotation) -> Result<Option<u64>, CommandError> {
        let Some((edge, id)) = self.at_edge(rotation) else {
            return Ok(None);
        };
        let scope = edge.scope();
        match edge.run(edge.client.service_token(&scope, id))? {
            Some(token) => Ok(token.client_secret_version()),
            None => {
                let message = format!("service token {id} of {} is gone at Cloudflare", self.name);
                Err(CommandError::new(Kind::Conflict, message)
                    .hint("`postern token delete`, then `postern token create`"))
            }
        }
    }
}

impl<'a> Runner<'a> {
    pub(super) fn new(tools: Tools<'a>, journal: Journal<'a>) -> Result<Self, CommandError> {
        let existing = tools.predecessors(&journal.rotation)?;
        let destination = tools.args.delivery.destination(existing);
        let destination = destination.map(|destination| destination.for_token(tools.name));
        let old = match &tools.args.old {
            Some(path) => Some(Credentials::read_file_or_stdin(path)?),
            None => destination.as_ref().and_then(Destination::delivered),
        };
        let old = old.filter(|old| journal.rotation.old.contains(&old.hash()));
        Ok(Self {
            tools,
            journal,
            destination,
            new: None,
            old,
            overlap_is_gone: false,
        })
    }

    /// Goes on until it is done, or until it has to wait.
    pub(super) fn run(mut self) -> Outcome {
        let went = self.recover().and_then(|()| self.go_on());
        match went {
            Ok(None) => self.done(),
            Ok(Some(why)) => Err(self.waiting(&why)),
            Err(error) => Err(self.interrupted(error)),
        }
    }

    fn go_on(&mut self) -> Result<Option<String>, CommandError> {
        while let Some(step) = self.journal.rotation.next() {
            self.journal.begin(step)?;
            match self.effect(step)? {
                Effect::Made => self.journal.complete(step)?,
                Effect::NotYet(why) => {
                    self.journal.rotation.refused();
                    self.journal.save()?;
                    return Ok(Some(why));
                }
            }
        }
        Ok(None)
    }

    fn effect(&mut self, step: RotationStep) -> Result<Effect, CommandError> {
        match step {
            RotationStep::Disable => self.disable()?,
            RotationStep::Mint => self.mint()?,
            RotationStep::Deliver => self.deliver()?,
            RotationStep::Enable => self.enable()?,
            RotationStep::Observe => return self.observe(),
            RotationStep::Retire => self.retire()?,
            RotationStep::Finish => self.finish()?,
        }
        Ok(Effect::Made)
    }

    /// Finds out what an interrupted run lost. A secret that stands at the destination is not.
    fn recover(&mut self) -> Result<(), CommandError> {
        if self.journal.rotation.in_flight() == Some(RotationStep::Deliver) && self.has_arrived() {
            self.note_delivery()?;
            self.journal.complete(RotationStep::Deliver)?;
            return self
                .tools
                .steps
                .unchanged("deliver", "the new secret is there already");
        }
        self.may_mint_again()?;
        let told = match self.journal.rotation.recover() {
            Recovery::Nothing => return Ok(()),
            Recovery::MintUnanswered => {
                "a mint was asked for and its answer was lost: another secret is minted"
            }
            Recovery::SecretLost => {
                "a secret was minted and lost before it was delivered: another one is minted"
            }
        };
        self.journal.save()?;
        self.tools.steps.warn("mint", told)
    }

    /// Cloudflare keeps one previous secret: after a mint whose secret is lost, the next one ends
    /// the secret that clients use. That is for somebody to say.
    fn may_mint_again(&mut self) -> Result<(), CommandError> {
        let rotation = &self.journal.rotation;
        let lost = rotation.clone().recover() != Recovery::Nothing;
        let in_place = rotation.plan.mode == RotationMode::InPlace && self.tools.edge.is_some();
        let Some(ends) = rotation.old_ends_at.filter(|_| lost && in_place) else {
            return Ok(());
        };
        if !self.was_minted()? {
            return Ok(());
        }
        let told = self.tools.args.force || rotation.plan.cause == RotationCause::Compromised;
        if ends > time::now() && !told {
            let message = format!(
                "the new secret was lost before it was delivered, and another mint ends the one that clients use; that one is good until {}",
                time::rfc3339(ends)
            );
            return Err(CommandError::new(Kind::Pending, message).hint(
                "when clients can take a new one at once: `--resume --force --reason TEXT`",
            ));
        }
        self.overlap_is_gone = true;
        Ok(())
    }

    /// Whether Cloudflare took the last mint; where it does not say, it may have.
    fn was_minted(&self) -> Result<bool, CommandError> {
        let rotation = &self.journal.rotation;
        let Some((edge, id)) = self.tools.at_edge(rotation) else {
            return Ok(false);
        };
        let token = edge.run(edge.client.service_token(&edge.scope(), id))?;
        let version = token.and_then(|token| token.client_secret_version());
        Ok(match (rotation.version, version) {
            (Some(before), Some(now)) => now > before,
            (None, _) | (_, None) => true,
        })
    }

    /// Whether the destination has the new secret.
    fn has_arrived(&self) -> bool {
        let there = self.destination.as_ref().and_then(Destination::delivered);
        there.is_some_and(|there| self.journal.rotation.new == Some(there.hash()))
    }

    fn done(&self) -> Outcome {
        let rotation = &self.journal.rotation;
        let name = rotation
            .successor
            .as_ref()
            .map(|successor| successor.name.as_str());
        let unnamed_in = self.left_behind()?;
        if let Some(told) = self.still_to_write()? {
            self.tools.steps.warn("policy", &told)?;
        }
        print_object(
            self.tools.context.format,
            "postern.rotation/1",
            &[
                ("token", self.tools.name.to_string()),
                ("stage", rotation.stage().as_str().to_owned()),
                ("successor", name.unwrap_or_default().to_owned()),
                ("secret", rotation.destination.clone().unwrap_or_default()),
                ("evidence", rotation.evidence.clone().unwrap_or_default()),
            ],
            json!({
                "token": self.tools.name.as_str(),
                "stage": rotation.stage(),
                "successor": name,
                "unnamed_in": unnamed_in,
                "destination": rotation.destination,
                "evidence": rotation.evidence,
            }),
        )?;
        DONE
    }

    /// The old secret stays until there is evidence.
    fn waiting(&self, why: &str) -> CommandError {
        let name = self.tools.name;
        let message = format!("the new secret of {name} is delivered; the old one stays: {why}");
        let told = CommandError::new(Kind::Pending, message);
        let told = match self.journal.rotation.old_ends_at {
            Some(end) => told.hint(format!(
                "at Cloudflare the old one ends by itself at {}",
                time::rfc3339(end)
            )),
            None => told,
        };
        told.hint(format!(
            "`postern token rotate {name} --resume` looks again; with `--force --reason TEXT` it goes \
             without evidence"
        ))
    }

    /// A failure half-way; that the token is disabled is said last.
    fn interrupted(&self, error: CommandError) -> CommandError {
        let rotation = &self.journal.rotation;
        let name = self.tools.name;
        let untouched = rotation.old_ends_at.is_none() && rotation.new.is_none();
        let begun = rotation.is_disabled() || !untouched || rotation.in_flight().is_some();
        if !begun {
            return error;
        }
        let told = error.partly(format!(
            "`postern token rotate {name}` with the same destination goes on; --status shows where"
        ));
        let told = match (rotation.old_ends_at, rotation.delivered_at) {
            (Some(end), None) if end > time::now() => told.hint(format!(
                "the old secret is good until {}; Cloudflare keeps one previous secret, so the next mint \
                 ends it: choose a moment when consumers can take the new one at once",
                time::rfc3339(end)
            )),
            _ => told,
        };
        if rotation.is_disabled() {
            return told.hint(format!(
                "{name} is DISABLED: nobody gets in with it until this goes on"
            ));
        }
        told
    }
}
