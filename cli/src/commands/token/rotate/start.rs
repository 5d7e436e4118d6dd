//! The beginning of a rotation: everything that can be known before anything is changed.

use postern_ca::{Actor, CertificateAuthority, EdgeObject, TokenRecord};
use postern_cloudflare::minting::tokens_named;
use postern_cloudflare::rotation::{
    Rotation, RotationCause, RotationMode, RotationOrder, RotationPlan,
};
use postern_policy::config::TokenOrigin;
use postern_policy::{TokenName, successor_name};

use super::journal::Journal;
use super::runner::{Runner, Tools};
use super::{RotateArgs, under_way};
use crate::cloudflare::lock::Turn;
use crate::commands::token::delete::Removal;
use crate::commands::token::record::recorded_anywhere;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;

/// Rotates one token, or goes on with the rotation that is under way.
pub(super) fn rotate(context: &Context, args: &RotateArgs, name: &TokenName) -> Outcome {
    let authority = context.authority()?;
    rotate_in(context, args, &authority, (name, cause(args)))
}

/// Rotates every token of an owner; one that fails does not stop the others.
pub(super) fn rotate_all(context: &Context, args: &RotateArgs, owner: &str) -> Outcome {
    args.delivery.must_take_several()?;
    let authority = context.authority()?;
    let tokens = authority.store().tokens()?.into_iter();
    let tokens = tokens.filter(|token| token.owner.as_deref() == Some(owner));
    let names: Vec<TokenName> = tokens.map(|token| token.name).collect();
    if names.is_empty() {
        let message = format!("no token has the owner {owner:?}");
        return Err(CommandError::new(Kind::NotFound, message));
    }
    let cause = match cause(args) {
        RotationCause::Scheduled => RotationCause::Departure,
        cause @ (RotationCause::Compromised
        | RotationCause::Departure
        | RotationCause::Decommission
        | RotationCause::Drill) => cause,
    };
    let mut failures = Vec::new();
    for name in &names {
        if let Err(error) = rotate_in(context, args, &authority, (name, cause)) {
            tell(&format!("{name}: {}", error.message()));
            failures.push((name, error.kind));
        }
    }
    if failures.is_empty() {
        return DONE;
    }
    let waiting = failures.iter().all(|(_, kind)| *kind == Kind::Pending);
    let kind = if waiting {
        Kind::Pending
    } else {
        Kind::Partial
    };
    let message = format!(
        "{} of {} tokens of {owner} are not done",
        failures.len(),
        names.len()
    );
    Err(CommandError::new(kind, message)
        .hint("run the same command again: each goes on where it stopped"))
}

/// Gives a rotation up.
pub(super) fn abort(context: &Context, args: &RotateArgs, name: &TokenName) -> Outcome {
    let authority = context.authority()?;
    let _turn = Turn::of_token(context.home(), name)?;
    let journal =
        Journal::under_way(authority.store(), name)?.ok_or_else(|| none_under_way(name))?;
    let tools = Tools::new(context, args, &authority, name, &journal.rotation)?;
    Runner::new(tools, journal)?.abort()?;
    tell(&format!(
        "The rotation of {name} was given up; its old secret is the good one."
    ));
    DONE
}

pub(super) fn rotate_in(
    context: &Context,
    args: &RotateArgs,
    authority: &CertificateAuthority,
    (name, cause): (&TokenName, RotationCause),
) -> Outcome {
    let _turn = Turn::of_token(context.home(), name)?;
    if let Some(mut journal) = Journal::under_way(authority.store(), name)? {
        under_way::settle(args, cause, name, &mut journal)?;
        let tools = Tools::new(context, args, authority, name, &journal.rotation)?;
        return Runner::new(tools, journal)?.run();
    }
    if args.resume {
        return Err(none_under_way(name));
    }
    let token = super::super::find(authority, name)?;
    let object = recorded_anywhere(authority.store(), name)?;
    let mut rotation = planned(args, cause, &token, object.as_ref());
    let tools = Tools::new(context, args, authority, name, &rotation)?;
    rotation.version = check(args, &tools, &rotation, object.as_ref())?;
    let by = Actor::current().to_string();
    let journal = Journal::start(authority.store(), name, rotation, by)?;
    Runner::new(tools, journal)?.run()
}

/// What would make the rotation stop half-way is found before it begins; how often the secret was
/// rotated before it, where Cloudflare says.
fn check(
    args: &RotateArgs,
    tools: &Tools<'_>,
    rotation: &Rotation,
    object: Option<&EdgeObject>,
) -> Result<Option<u64>, CommandError> {
    if rotation.plan.cause == RotationCause::Decommission {
        if let (Some(edge), Some(object)) = (&tools.edge, object) {
            Removal::new(edge, tools.authority, tools.name, tools.steps).refuse_foreign(object)?;
        }
        return Ok(None);
    }
    let destination = args
        .delivery
        .required(tools.predecessors(rotation)?)?
        .for_token(tools.name);
    destination.test()?;
    tools.unlock()?;
    if args.parallel {
        refuse_namesake(tools)?;
    }
    tools.still_there(rotation)
}

/// The second token must be this rotation's own: giving the rotation up deletes it.
fn refuse_namesake(tools: &Tools<'_>) -> Result<(), CommandError> {
    let name = successor_name(tools.name).map_err(CommandError::usage)?;
    let store = tools.authority.store();
    let recorded = recorded_anywhere(store, &name)?.is_some();
    let mut taken = recorded || store.token(&name)?.is_some();
    if let Some(edge) = &tools.edge {
        let scope = edge.scope();
        let named = tokens_named(&edge.client, &scope, name.as_str());
        taken |= !edge.run(named)?.is_empty();
    }
    if !taken {
        return Ok(());
    }
    let message = format!("a token {name} exists already, and would be taken for this rotation's");
    Err(CommandError::new(Kind::Conflict, message).hint(format!(
        "delete or rename it, or rotate {} in place",
        tools.name
    )))
}

fn planned(
    args: &RotateArgs,
    cause: RotationCause,
    token: &TokenRecord,
    object: Option<&EdgeObject>,
) -> Rotation {
    let overlap = match cause {
        RotationCause::Compromised => 0,
        RotationCause::Scheduled
        | RotationCause::Departure
        | RotationCause::Decommission
        | RotationCause::Drill => args.overlap().as_secs(),
    };
    let plan = RotationPlan {
        origin: match object {
            Some(_) => TokenOrigin::Cloudflare,
            None => TokenOrigin::Gateway,
        },
        mode: if args.parallel {
            RotationMode::Parallel
        } else {
            RotationMode::InPlace
        },
        cause,
        order: if args.disable_first {
            RotationOrder::DisableFirst
        } else {
            RotationOrder::MintFirst
        },
        reason: args.reason.clone(),
        overlap,
        quiet_for: args.quiet_for().as_secs(),
    };
    let mut rotation = Rotation::new(plan, token.secrets.clone());
    rotation.token_id = object.and_then(|object| object.remote_id.clone());
    rotation
}

fn cause(args: &RotateArgs) -> RotationCause {
    match args.reason.as_deref() {
        Some("compromised") => RotationCause::Compromised,
        Some("decommission") => RotationCause::Decommission,
        Some("departure") => RotationCause::Departure,
        Some(_) | None => RotationCause::Scheduled,
    }
}

fn none_under_way(name: &TokenName) -> CommandError {
    CommandError::new(
        Kind::NotFound,
        format!("no rotation of {name} is under way"),
    )
    .hint("`postern token rotate --status` shows all of them")
}
