//! `postern token delete`

use std::path::Path;

use clap::Args;
use postern_ca::{CertificateAuthority, EdgeObject};
use postern_cloudflare::ApiErrorKind;
use postern_cloudflare::minting::{TokenUse, TokenUses, UseKind, tokens_named};
use postern_policy::TokenName;
use serde_json::json;

use super::create::is_orphan;
use super::list;
use super::policies::Policies;
use super::record::{EdgeRecord, recorded_anywhere};
use super::steps::Steps;
use super::switch::clear_pending;
use crate::cloudflare::lock::Turn;
use crate::cloudflare::{CloudflareArgs, Edge};
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::time;

/// Delete a token for good; needs no passphrase
///
/// Examples:
///   postern token delete ci-deploy-prod
///
/// One minted by Cloudflare is taken out of our policies first, then deleted there. While a policy
/// or group that is not ours names it, nothing is deleted, and those are listed.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DeleteArgs {
    /// The token's name
    #[arg(value_parser = super::name)]
    name: TokenName,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
}

pub(crate) fn run(context: &Context, args: &DeleteArgs) -> Outcome {
    let authority = context.authority()?;
    let name = &args.name;
    let _turn = Turn::of_token(context.home(), name)?;
    let mut deleted = match authority.store().token(name)? {
        Some(token) => list::json(&token, time::now()),
        // An earlier run came that far.
        None => json!({ "name": name.as_str() }),
    };
    deleted["state"] = json!("deleted");
    match recorded_anywhere(authority.store(), name)? {
        Some(object) => {
            let edge = args.cloudflare.connect_to(context, &object)?;
            let removal = Removal::new(&edge, &authority, name, Steps(context.format));
            removal.refuse_foreign(&object)?;
            delete_here(&authority, name)?;
            removal.remove(&object).map_err(|error| {
                error.partly("gateways refuse it already: run the same command again for the rest")
            })?;
        }
        None => authority.delete_token(name, time::now())?,
    }
    clear_pending(&authority, name)?;
    super::print_changed(context, &format!("{name} is gone."), deleted)?;
    DONE
}

/// Deletes the token at gateways; one that is gone already is fine.
pub(crate) fn delete_here(
    authority: &CertificateAuthority,
    name: &TokenName,
) -> Result<(), CommandError> {
    if authority.store().token(name)?.is_some() {
        authority.delete_token(name, time::now())?;
    }
    Ok(())
}

/// The removal of a token from Cloudflare.
pub(crate) struct Removal<'a> {
    home: &'a Path,
    edge: &'a Edge,
    record: EdgeRecord<'a>,
    name: &'a TokenName,
    steps: Steps,
}

impl<'a> Removal<'a> {
    pub(crate) fn new(
        edge: &'a Edge,
        authority: &'a CertificateAuthority,
        name: &'a TokenName,
        steps: Steps,
    ) -> Self {
        let record = EdgeRecord {
            store: authority.store(),
            account: &edge.account,
        };
        Self {
            home: authority.home().path(),
            edge,
            record,
            name,
            steps,
        }
    }

    /// Fails where something that is not ours names the token: it would be left without it.
    pub(crate) fn refuse_foreign(&self, object: &EdgeObject) -> Result<(), CommandError> {
        let Some(id) = object.remote_id.as_deref() else {
            return Ok(());
        };
        let ours = self.record.policies(self.name)?;
        let scope = self.edge.scope();
        let uses = self
            .edge
            .run(TokenUses::find(&self.edge.client, &scope, id))?;
        let foreign: Vec<TokenUse> = uses
            .0
            .into_iter()
            .filter(|found| {
                ours.iter()
                    .all(|our| our.remote_id.as_ref() != Some(&found.id))
            })
            .collect();
        if foreign.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{} is named by what is not ours, and was not deleted",
            self.name
        );
        let told = foreign.iter().map(described);
        Err(told
            .fold(
                CommandError::new(Kind::Conflict, message),
                CommandError::hint,
            )
            .hint("take it out there first; `postern token disable` refuses it at once"))
    }

    /// Takes the token out of our policies, then deletes it; what is gone already is fine.
    pub(crate) fn remove(&self, object: &EdgeObject) -> Result<(), CommandError> {
        self.detach()?;
        let scope = self.edge.scope();
        for id in self.ids(object)? {
            let call = self.edge.client.delete_service_token(&scope, &id);
            self.edge.run(call).map_err(|error| {
                let unseen = matches!(error.kind, ApiErrorKind::TokenInUse);
                let told = CommandError::from(error);
                if unseen {
                    return told.hint(
                        "something that this API token does not see names it, or a SCIM setting",
                    );
                }
                told
            })?;
            self.steps
                .done("delete", &format!("service token {id} at Cloudflare"))?;
        }
        Ok(self.record.forget(object)?)
    }

    /// Takes the token out of our policies.
    pub(crate) fn detach(&self) -> Result<(), CommandError> {
        Policies {
            home: self.home,
            edge: self.edge,
            record: self.record,
            steps: self.steps,
        }
        .close(self.name)
    }

    /// The token's id; where a mint was not answered, what it left, if that can be told.
    fn ids(&self, object: &EdgeObject) -> Result<Vec<String>, CommandError> {
        if let Some(id) = &object.remote_id {
            return Ok(vec![id.clone()]);
        }
        let scope = self.edge.scope();
        let named = tokens_named(&self.edge.client, &scope, self.name.as_str());
        let named = self.edge.run(named)?;
        let mut orphans = named
            .iter()
            .filter(|token| is_orphan(token, object.intended_at));
        let first = orphans.next().map(|token| token.id().to_owned());
        if orphans.next().is_none() {
            return Ok(first.into_iter().collect());
        }
        let message = format!(
            "Cloudflare has several tokens {} that an unanswered mint may have left",
            self.name
        );
        Err(CommandError::new(Kind::Conflict, message)
            .hint("which of them is ours is not known: delete the one that is, and run this again"))
    }
}

fn described(found: &TokenUse) -> String {
    let kind = match found.kind {
        UseKind::Policy => "policy",
        UseKind::ReusablePolicy => "reusable policy",
        UseKind::Group => "group",
    };
    match &found.app {
        Some(app) => format!(
            "{kind} {:?} ({}) of application {app}",
            found.name, found.id
        ),
        None => format!("{kind} {:?} ({})", found.name, found.id),
    }
}
