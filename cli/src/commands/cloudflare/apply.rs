//! `postern cloudflare apply`

use std::collections::BTreeSet;

use clap::Args;
use postern_ca::{CertificateAuthority, EdgePending};
use postern_cloudflare::{Applied, Applier, ApplyError, Breadth, Ledger, Plan, Remote, listing};

use super::plan::ConsentArgs;
use super::report;
use crate::cloudflare::closing::REVOKED;
use crate::cloudflare::ledger::StoreRecorder;
use crate::cloudflare::lock::Turn;
use crate::cloudflare::situation::Situation;
use crate::cloudflare::{CloudflareArgs, Edge};
use crate::commands::token::finish_pending;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;
use crate::time;

/// Bring Cloudflare to what postern.toml says; changes and deletes only what Postern owns
///
/// Examples:
///   postern cloudflare apply --dry-run
///   postern cloudflare apply
///   postern cloudflare apply --allow-reorder
///
/// It stops at the first failure, says what was done, and goes on from there when run again. What
/// takes access away comes first. An object of the same name that is not ours stops it before
/// anything is written: `postern cloudflare adopt`. Exit code 10 when a change waits for consent.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ApplyArgs {
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consents: ConsentArgs,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
}

pub(crate) fn run(context: &Context, args: &ApplyArgs) -> Outcome {
    let config = context.config()?;
    let authority = context.authority()?;
    let edge = args.cloudflare.connect(context)?;
    // A token's turn comes before the edge's, here as everywhere; what fails is told at the end.
    let disabled = match args.dry_run {
        true => Ok(()),
        false => finish_pending(&authority, &edge),
    };
    let _turn = Turn::at_edge(context.home())?;
    // Before anything is read: what comes later is not part of what is compared.
    let pending = authority.store().edge_pending()?;
    let situation = Situation::read(&config, &authority, &edge, Breadth::Ours)?;
    let plan = situation.plan(args.consents.consents());
    report::print(context.format, &edge, &situation, &plan)?;
    if args.dry_run {
        return Ok(report::outcome(&plan));
    }
    if !plan.conflicts.is_empty() {
        let message = "nothing was changed: something stands in the way (see above)";
        return Err(CommandError::new(Kind::Conflict, message));
    }
    carry_out(&authority, &edge, &situation.ledger, &plan)?;
    clear(&authority, &plan, &situation.remote, pending)?;
    disabled?;
    tell(&format!(
        "Done, with {}.",
        report::counted(calls(&edge), "call")
    ));
    let waiting = plan.waiting().count();
    if waiting > 0 {
        tell(&format!("{} for your consent: see above.", waits(waiting)));
        return Ok(Kind::Pending.code());
    }
    DONE
}

/// Takes the revocations off the list that a plan has carried out: all of them, unless a policy
/// still waits for consent. Other causes are not the plan's. The list is of what we have to do: what
/// another tool has to do is told.
pub(super) fn clear(
    authority: &CertificateAuthority,
    plan: &Plan,
    remote: &Remote,
    pending: Vec<EdgePending>,
) -> Result<(), CommandError> {
    if plan.waiting().next().is_some() {
        return Ok(());
    }
    let revoked = pending.into_iter().filter(|it| it.change.cause == REVOKED);
    let revoked: Vec<EdgePending> = revoked.collect();
    let names: BTreeSet<&String> = revoked.iter().flat_map(|it| &it.change.names).collect();
    for name in names {
        let apps = plan.managed_elsewhere.iter();
        let listed: Vec<String> = apps.flat_map(|app| listing(remote, app, name)).collect();
        if !listed.is_empty() {
            let listed = listed.join(", ");
            tell(&format!(
                "The edge still admits {name}: {listed} lists it, and the tool that manages it has to take it out."
            ));
        }
    }
    let ids = revoked.iter().map(|it| it.id).collect();
    Ok(authority.store().clear_edge_pending(ids)?)
}

fn waits(count: usize) -> String {
    let verb = if count == 1 { "waits" } else { "wait" };
    format!("{} {verb}", report::counted(count, "change"))
}

/// Carries a plan out and tells each change; a failure says what was done before it.
pub(crate) fn carry_out(
    authority: &CertificateAuthority,
    edge: &Edge,
    ledger: &Ledger,
    plan: &Plan,
) -> Result<(), CommandError> {
    let mut recorder = StoreRecorder {
        store: authority.store(),
        account: &edge.account,
    };
    let scope = edge.scope();
    let mut applier = Applier::new(
        &edge.client,
        &scope,
        ledger.clone(),
        &mut recorder,
        time::now(),
    );
    let applied = edge.run(applier.apply(plan, |change| tell(&change.to_string())));
    finished(applied, plan)
}

fn finished(applied: Applied, plan: &Plan) -> Result<(), CommandError> {
    let Some((change, error)) = applied.failure else {
        return Ok(());
    };
    let message = format!(
        "stopped at {:?}: {error}; done: {} of {}",
        change.target,
        applied.done,
        report::counted(plan.changes.len(), "change")
    );
    let kind = match (applied.done, error) {
        (0, ApplyError::Api(error)) => CommandError::from(error).kind,
        (0, ApplyError::Record(_)) => Kind::Failure,
        (0, ApplyError::Gone { .. }) => Kind::Conflict,
        (0, ApplyError::Partial { .. }) => Kind::Partial,
        _ => Kind::Partial,
    };
    Err(CommandError::new(kind, message).hint("run it again: it goes on from there"))
}

fn calls(edge: &Edge) -> usize {
    usize::try_from(edge.client.calls()).unwrap_or(usize::MAX)
}
