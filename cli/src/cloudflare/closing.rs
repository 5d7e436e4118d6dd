//! After a revocation: the edge too, wherever we own what admits there.
//!
//! The revocation here is durable before any of this. What does not reach Cloudflare stays on the
//! list of pending changes, which `cloudflare apply` and `cloudflare sync` finish.

use std::collections::BTreeSet;

use postern_ca::{Actor, CertificateAuthority, EdgeChange, EdgeObjectKind, EdgePending};
use postern_cloudflare::{Breadth, Desired, Plan, Remote, admitting, closing, shown};
use postern_policy::{CertificateIdentity, CommonName};

use super::lock::Turn;
use super::{CloudflareArgs, Edge, inventory, ledger};
use crate::commands::cloudflare::carry_out;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;
use crate::time;

/// What a revocation of these names leaves to be done at the edge; nothing where nothing of ours
/// is there.
///
/// It is recorded with the revocation: no crash between the two forgets it.
pub(crate) fn change(
    authority: &CertificateAuthority,
    args: &CloudflareArgs,
    names: &BTreeSet<String>,
) -> Option<EdgeChange> {
    // A record that cannot be read stands in the way of telling the edge, never of a revocation:
    // `close` reports it.
    let accounts = accounts(authority, args).unwrap_or_default();
    (!accounts.is_empty() && !names.is_empty()).then(|| EdgeChange {
        what: format!("take {} out at the edge", shown(names)),
        cause: String::from(REVOKED),
        names: names.iter().cloned().collect(),
        since: time::now(),
        by: Actor::current().to_string(),
    })
}

/// Closes the edge to names that were just revoked; nothing to do where nothing of ours is there.
///
/// The policy file is not asked: neither a mistake in it nor a change that waits there may stand in
/// the way.
pub(crate) fn close(
    context: &Context,
    authority: &CertificateAuthority,
    args: &CloudflareArgs,
    names: &BTreeSet<String>,
) -> Result<(), CommandError> {
    let clients = inventory::clients(authority, time::now())?;
    let live: BTreeSet<&str> = clients.live().filter_map(common_name).collect();
    let (kept, gone): (BTreeSet<String>, BTreeSet<String>) = names
        .iter()
        .cloned()
        .partition(|name| live.contains(name.as_str()));
    let accounts = accounts(authority, args)?;
    for name in kept.iter().filter(|_| !accounts.is_empty()) {
        tell(&format!(
            "The edge goes on admitting {name}: it has another certificate that is good, and the edge knows names only."
        ));
    }
    if accounts.is_empty() && args.account_id.is_some() {
        return Ok(());
    }
    put_on_record(authority, args, names)?;
    let accounts = accounts.into_iter().filter(|_| !gone.is_empty());
    let mut failures = Vec::new();
    for account in accounts {
        let told = args
            .connect_unattended(account)
            .and_then(|edge| take_away(context, authority, &edge, &gone));
        match told {
            Ok(remote) => say_what_still_admits(&remote, &gone),
            Err(error) => failures.push(error),
        }
    }
    if let Some(error) = failures.first() {
        return Err(left_open(error));
    }
    clear(authority, names)
}

/// Before the first call: whatever happens next, it is not forgotten. What the revocation itself
/// recorded is not recorded twice.
fn put_on_record(
    authority: &CertificateAuthority,
    args: &CloudflareArgs,
    names: &BTreeSet<String>,
) -> Result<(), CommandError> {
    let pending = authority.store().edge_pending()?.into_iter();
    let revoked = pending.filter(|it| it.change.cause == REVOKED);
    let known: BTreeSet<String> = revoked.flat_map(|it| it.change.names).collect();
    let missing = names.difference(&known).cloned().collect();
    if let Some(change) = change(authority, args, &missing) {
        authority.store().add_edge_pending(change)?;
    }
    Ok(())
}

/// Takes what these names were pending for off the list, the one of earlier tries too.
fn clear(authority: &CertificateAuthority, names: &BTreeSet<String>) -> Result<(), CommandError> {
    let is_done = |it: &EdgePending| {
        it.change.cause == REVOKED && it.change.names.iter().all(|it| names.contains(it))
    };
    let pending = authority.store().edge_pending()?.into_iter();
    let done = pending.filter(is_done).map(|it| it.id).collect();
    Ok(authority.store().clear_edge_pending(done)?)
}

/// Finishes what an earlier revocation left open at the edge; nothing to do where it left nothing.
pub(crate) fn finish_pending(
    context: &Context,
    authority: &CertificateAuthority,
    args: &CloudflareArgs,
) -> Result<(), CommandError> {
    let pending = authority.store().edge_pending()?.into_iter();
    let revoked = pending.filter(|it| it.change.cause == REVOKED);
    let names: BTreeSet<String> = revoked.flat_map(|it| it.change.names).collect();
    match names.is_empty() {
        true => Ok(()),
        false => close(context, authority, args, &names),
    }
}

/// The accounts where something is ours; the one that was named, if it was.
fn accounts(
    authority: &CertificateAuthority,
    args: &CloudflareArgs,
) -> Result<BTreeSet<String>, CommandError> {
    let mut accounts = BTreeSet::new();
    for kind in [EdgeObjectKind::Policy, EdgeObjectKind::Group] {
        let objects = authority.store().edge_objects_of(kind)?;
        accounts.extend(objects.into_iter().map(|object| object.account));
    }
    if let Some(named) = &args.account_id {
        accounts.retain(|account| account == named);
    }
    Ok(accounts)
}

/// Takes the names away, makes sure that they are, and gives what the account holds then.
fn take_away(
    context: &Context,
    authority: &CertificateAuthority,
    edge: &Edge,
    names: &BTreeSet<String>,
) -> Result<Remote, CommandError> {
    let _turn = Turn::at_edge(context.home())?;
    let ledger = ledger::read(authority.store(), &edge.account)?;
    let (nothing, scope) = (Desired::default(), edge.scope());
    let read = || -> Result<Remote, CommandError> {
        let everything = Breadth::Everything;
        let fetch = Remote::fetch(&edge.client, &scope, &nothing, &ledger, everything);
        Ok(edge.run(fetch)?)
    };
    let remote = read()?;
    let changes = closing(&remote, &ledger, names);
    if changes.is_empty() {
        return Ok(remote);
    }
    let plan = Plan {
        changes,
        ..Plan::default()
    };
    carry_out(authority, edge, &ledger, &plan)?;
    let remote = read()?;
    if let Some(left) = closing(&remote, &ledger, names).first() {
        let message = format!("{} still admits one of them", left.target);
        return Err(CommandError::new(Kind::Partial, message));
    }
    tell(&format!(
        "The edge was told, with {} calls.",
        edge.client.calls()
    ));
    Ok(remote)
}

/// Policies that are not ours are not touched.
fn say_what_still_admits(remote: &Remote, names: &BTreeSet<String>) {
    for name in names {
        let open = admitting(remote, name);
        tell(&match open.is_empty() {
            true => format!(
                "No policy of the account admits {name} by its certificate any more (it takes some seconds to spread)."
            ),
            false => format!(
                "The edge still admits {name} by policies that are not ours, or that admit everyone: {}",
                open.join(", ")
            ),
        });
    }
}

fn common_name(identity: &CertificateIdentity) -> Option<&str> {
    identity.common_name.as_ref().map(CommonName::as_str)
}

fn left_open(error: &CommandError) -> CommandError {
    CommandError::new(
        Kind::Partial,
        format!(
            "revoked here, and gateways refuse it; the edge was not told: {}",
            error.message()
        ),
    )
    .hint("it is on the list of pending changes (`postern status`): the same command again, `postern cloudflare apply` or `sync` finishes it; --no-edge leaves the edge alone")
}

/// The cause of a pending change that a revocation left.
pub(crate) const REVOKED: &str = "revoked";
