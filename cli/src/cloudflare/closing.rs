//! After a revocation: the edge too, wherever we own what admits there.
//!
//! The revocation here is durable before any of this. What does not reach Cloudflare stays on the
//! list of pending changes, which `cloudflare apply` and `cloudflare sync` finish.

use std::collections::BTreeSet;

use postern_ca::{Actor, CertificateAuthority, EdgeChange};
use postern_cloudflare::access::{AccessRule, RuleList};
use postern_cloudflare::{Breadth, Consents, Remote};

use super::lock::EdgeLock;
use super::situation::Situation;
use super::{CloudflareArgs, Edge, inventory};
use crate::commands::cloudflare::carry_out;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;
use crate::time;

/// Closes the edge to names that were just revoked; nothing to do where nothing of ours is there.
pub(crate) fn close(
    context: &Context,
    authority: &CertificateAuthority,
    args: &CloudflareArgs,
    names: BTreeSet<String>,
) -> Result<(), CommandError> {
    let account = match args.account(context) {
        Ok(account) => account,
        // No account is configured: there is no edge.
        Err(error) if error.kind == Kind::Usage => return Ok(()),
        Err(error) => return Err(left_open(&error)),
    };
    if authority.store().edge_objects(&account)?.is_empty() {
        return Ok(());
    }
    let pending = authority.store().add_edge_pending(EdgeChange {
        what: format!("take {} out at the edge", joined(&names)),
        cause: String::from("revoked"),
        names: names.iter().cloned().collect(),
        since: time::now(),
        by: Actor::current().to_string(),
    })?;
    let Some(edge) = args
        .connect_without_asking(context)
        .map_err(|error| left_open(&error))?
    else {
        return Err(left_open(&CommandError::usage("there is no API token")));
    };
    let remote = take_away(context, authority, &edge).map_err(|error| left_open(&error))?;
    authority.store().clear_edge_pending(vec![pending])?;
    tell(&format!(
        "The edge was told: {} calls.",
        edge.client.calls()
    ));
    say_what_still_admits(authority, &remote, &names)
}

/// Carries out what takes access away, and gives what the account holds then.
fn take_away(
    context: &Context,
    authority: &CertificateAuthority,
    edge: &Edge,
) -> Result<Remote, CommandError> {
    let config = context.config()?;
    let _turn = EdgeLock::take(context.home())?;
    let read = || Situation::read(&config, authority, edge, Breadth::Everything);
    let situation = read()?;
    let plan = situation.plan(Consents::default()).taking_away();
    carry_out(authority, edge, &situation, &plan)?;
    if plan.changes.is_empty() {
        return Ok(situation.remote);
    }
    Ok(read()?.remote)
}

/// The edge knows names, not serial numbers, and policies that are not ours are not touched.
fn say_what_still_admits(
    authority: &CertificateAuthority,
    remote: &Remote,
    names: &BTreeSet<String>,
) -> Result<(), CommandError> {
    let clients = inventory::clients(authority, time::now())?;
    for name in names {
        let mut live = clients.live();
        let is_live = live.any(|it| {
            it.common_name
                .as_ref()
                .is_some_and(|cn| cn.as_str() == name)
        });
        if is_live {
            tell(&format!(
                "The edge still admits {name}: it has another certificate that is good, and the edge knows names only."
            ));
            continue;
        }
        let open = still_admitting(remote, name);
        match open.is_empty() {
            true => tell(&format!(
                "No policy of the account admits {name} at the edge any more (it takes some seconds to spread)."
            )),
            false => tell(&format!(
                "The edge still admits {name} by policies that are not ours or not for names: {}",
                open.join(", ")
            )),
        }
    }
    Ok(())
}

/// The policies that a certificate of this name still passes.
fn still_admitting(remote: &Remote, name: &str) -> Vec<String> {
    let exact = AccessRule::CommonName(name.to_owned());
    let in_group = |rule: &AccessRule| {
        let mut groups = remote.groups.iter();
        matches!(rule, AccessRule::Group(id) if groups.any(|group| {
            group.id() == id && group.rules(RuleList::Include).contains(&exact)
        }))
    };
    let names_it = |rule: &AccessRule| *rule == exact || in_group(rule);
    let mut open = Vec::new();
    for app in &remote.apps {
        for policy in remote.policies.get(app.id()).into_iter().flatten() {
            let admits = matches!(policy.decision(), Some("non_identity" | "bypass"));
            let include = policy.rules(RuleList::Include);
            let mut included = include.iter();
            let is_in = included.any(|rule| names_it(rule) || *rule == AccessRule::Certificate);
            let is_out = policy.rules(RuleList::Exclude).iter().any(names_it);
            if admits && is_in && !is_out {
                open.push(format!("{} / {}", app.name(), policy.name()));
            }
        }
    }
    open
}

fn left_open(error: &CommandError) -> CommandError {
    CommandError::new(
        Kind::Partial,
        format!(
            "revoked here, and gateways refuse it; the edge was not told: {}",
            error.message()
        ),
    )
    .hint("it is on the list of pending changes (`postern status`): `postern cloudflare apply` or `sync` finishes it; --no-edge leaves the edge alone")
}

fn joined(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
