//! `postern token enable` and `postern token disable`

use clap::Args;
use postern_ca::{Actor, CertificateAuthority, EdgeChange, EdgeObject, EdgePending};
use postern_cloudflare::access::ServiceTokenUpdate;
use postern_policy::TokenName;

use super::list;
use super::record::recorded_anywhere;
use crate::cloudflare::lock::Turn;
use crate::cloudflare::{CloudflareArgs, Edge};
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;
use crate::passphrase::PassphraseArgs;
use crate::time;

/// Accept a disabled token again; needs the passphrase
///
/// Examples:
///   postern token enable ci-deploy-prod
///
/// One minted by Cloudflare is enabled there too.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct EnableArgs {
    /// The token's name
    #[arg(value_parser = super::name)]
    name: TokenName,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Refuse a token until it is enabled; needs no passphrase
///
/// Examples:
///   postern token disable ci-deploy-prod
///
/// Gateways refuse it first. One minted by Cloudflare is then disabled there too, which kills its
/// current and its previous secret; where that cannot be done, the change is recorded as pending,
/// and the exit code is 7.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DisableArgs {
    /// The token's name
    #[arg(value_parser = super::name)]
    name: TokenName,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
}

/// Whether a token is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

pub(crate) fn enable(context: &Context, args: &EnableArgs) -> Outcome {
    let authority = context.authority()?;
    let passphrase = args.passphrase.unlocking(&authority)?;
    let _turn = Turn::of_token(context.home(), &args.name)?;
    let now = time::now();
    let unlocked = authority.unlock(passphrase.as_ref(), now)?;
    unlocked.enable_token(&args.name, now)?;
    if let Some(token) = at_cloudflare(&authority, &args.name)? {
        let edge = args.cloudflare.connect_to(context, &token.object);
        let edge = edge.map_err(only_here)?;
        set(&edge, &args.name, &token.id, Switch::On).map_err(only_here)?;
        clear_pending(&authority, &args.name)?;
    }
    let text = format!("{} is accepted from now on.", args.name);
    let token = super::find(&authority, &args.name)?;
    super::print_changed(context, &text, list::json(&token, now))?;
    DONE
}

pub(crate) fn disable(context: &Context, args: &DisableArgs) -> Outcome {
    let authority = context.authority()?;
    let name = &args.name;
    // Gateways refuse it now; whoever is changing it is waited for afterwards.
    authority.disable_token(name, time::now())?;
    disable_in_turn(context, args, &authority).map_err(|error| not_there(error, name))?;
    let text = format!("{name} is refused from now on; `postern token enable {name}` lifts it.");
    let token = super::find(&authority, name)?;
    super::print_changed(context, &text, list::json(&token, time::now()))?;
    DONE
}

/// Switches a token at Cloudflare.
pub(crate) fn set(
    edge: &Edge,
    name: &TokenName,
    id: &str,
    switch: Switch,
) -> Result<(), CommandError> {
    let update = ServiceTokenUpdate {
        name: Some(name.to_string()),
        enabled: Some(switch == Switch::On),
        ..ServiceTokenUpdate::default()
    };
    let scope = edge.scope();
    edge.run(edge.client.update_service_token(&scope, id, &update))?;
    Ok(())
}

/// An `enable` that had its turn meanwhile came first: the last word is this one.
fn disable_in_turn(
    context: &Context,
    args: &DisableArgs,
    authority: &CertificateAuthority,
) -> Result<(), CommandError> {
    if at_cloudflare(authority, &args.name)?.is_some() {
        leave_pending(authority, &args.name)?;
    }
    let _turn = Turn::of_token(context.home(), &args.name)?;
    if super::find(authority, &args.name)?.enabled {
        authority.disable_token(&args.name, time::now())?;
    }
    match at_cloudflare(authority, &args.name)? {
        Some(token) => {
            let connect = || args.cloudflare.connect_to(context, &token.object);
            disable_at_cloudflare(authority, &args.name, &token, connect)
        }
        None => clear_pending(authority, &args.name),
    }
}

/// Disables tokens at Cloudflare that were refused here by a revocation; without an edge, that is
/// left pending. All are tried: one that fails keeps no other from being disabled.
pub(crate) fn disable_at_edge(
    authority: &CertificateAuthority,
    edge: Option<&CloudflareArgs>,
    names: impl Iterator<Item = TokenName>,
) -> Result<(), CommandError> {
    let mut failed = Ok(());
    for name in names {
        let Some(token) = at_cloudflare(authority, &name)? else {
            continue;
        };
        // Before its turn comes: a command that holds the token longer than we wait must not make
        // this one forgotten.
        leave_pending(authority, &name)?;
        let Some(edge) = edge else {
            continue;
        };
        let connect = || edge.connect_unattended(token.object.account.clone());
        let turn = Turn::of_token(authority.home().path(), &name);
        match turn.and_then(|_turn| disable_at_cloudflare(authority, &name, &token, connect)) {
            Ok(()) => tell(&format!("{name} is disabled at Cloudflare too.")),
            Err(error) => failed = failed.and(Err(not_there(error, &name))),
        }
    }
    failed
}

/// The change is pending from before it is tried: no crash forgets it.
fn disable_at_cloudflare(
    authority: &CertificateAuthority,
    name: &TokenName,
    token: &AtCloudflare,
    connect: impl FnOnce() -> Result<Edge, CommandError>,
) -> Result<(), CommandError> {
    leave_pending(authority, name)?;
    set(&connect()?, name, &token.id, Switch::Off)?;
    clear_pending(authority, name)
}

fn leave_pending(authority: &CertificateAuthority, name: &TokenName) -> Result<(), CommandError> {
    clear_pending(authority, name)?;
    authority.store().add_edge_pending(EdgeChange {
        what: format!("disable the service token {name} at Cloudflare"),
        cause: DISABLED.to_owned(),
        names: vec![name.to_string()],
        since: time::now(),
        by: Actor::current().to_string(),
    })?;
    Ok(())
}

/// Forgets what was pending of this token: it was done, or something later takes its place.
pub(crate) fn clear_pending(
    authority: &CertificateAuthority,
    name: &TokenName,
) -> Result<(), CommandError> {
    let pending = authority.store().edge_pending()?;
    let ours = pending.into_iter().filter(|pending| {
        pending.change.cause == DISABLED && pending.change.names == [name.as_str()]
    });
    let ids = ours.map(|pending| pending.id).collect();
    Ok(authority.store().clear_edge_pending(ids)?)
}

/// Disables in this account what `token disable` could not. One that fails is told and stays on the
/// list; it does not stop the others.
pub(crate) fn finish_pending(
    authority: &CertificateAuthority,
    edge: &Edge,
) -> Result<(), CommandError> {
    let pending = authority.store().edge_pending()?.into_iter();
    let disabled = pending.filter(|pending| pending.change.cause == DISABLED);
    let mut failure = None;
    for pending in disabled {
        if let Err(error) = finish(authority, edge, &pending) {
            tell(&format!("{}: {}", pending.change.what, error.message()));
            failure = failure.or(Some(error));
        }
    }
    failure.map_or(Ok(()), Err)
}

/// One that is gone at Cloudflare, or was enabled since, needs nothing; one of another account waits
/// for that.
fn finish(
    authority: &CertificateAuthority,
    edge: &Edge,
    pending: &EdgePending,
) -> Result<(), CommandError> {
    for name in &pending.change.names {
        let name = TokenName::parse(name).map_err(CommandError::usage)?;
        let _turn = Turn::of_token(authority.home().path(), &name)?;
        let there = at_cloudflare(authority, &name)?;
        if there
            .as_ref()
            .is_some_and(|token| token.object.account != edge.account)
        {
            return Ok(());
        }
        let known = authority.store().token(&name)?;
        let is_refused = known.is_none_or(|token| !token.enabled);
        if let Some(token) = there.filter(|_| is_refused) {
            match set(edge, &name, &token.id, Switch::Off) {
                Err(error) if error.kind != Kind::NotFound => return Err(error),
                Ok(()) | Err(_) => tell(&format!("{name} is disabled at Cloudflare too.")),
            }
        }
    }
    Ok(authority.store().clear_edge_pending(vec![pending.id])?)
}

/// A token that Cloudflare minted.
struct AtCloudflare {
    object: EdgeObject,
    id: String,
}

fn at_cloudflare(
    authority: &CertificateAuthority,
    name: &TokenName,
) -> Result<Option<AtCloudflare>, CommandError> {
    let object = recorded_anywhere(authority.store(), name)?;
    Ok(object.and_then(|object| {
        let id = object.remote_id.clone()?;
        Some(AtCloudflare { object, id })
    }))
}

fn not_there(error: CommandError, name: &TokenName) -> CommandError {
    error.partly(format!(
        "gateways refuse {name} from now on; Cloudflare admits it until `postern cloudflare apply`, or this command again, reaches it"
    ))
}

fn only_here(error: CommandError) -> CommandError {
    error.partly(
        "gateways accept it from now on, Cloudflare does not yet: run the same command again",
    )
}

const DISABLED: &str = "disabled";
