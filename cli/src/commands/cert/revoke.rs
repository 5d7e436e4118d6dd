//! `postern cert revoke`

mod superseded;

use std::collections::BTreeSet;

use clap::Args;
use postern_ca::{CertificateAuthority, CertificateRecord, CertificateState, Selection};
use postern_pki::RevocationReason;

use super::show;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;
use crate::revocation::RevocationArgs;
use crate::selection::Which;
use crate::time;

/// Revoke certificates: gateways refuse them, and cut their live connections, within a second
///
/// Examples:
///   postern cert revoke ci-runner-1 --reason key-compromise
///   postern cert revoke --serial 4f00… --reason superseded --note "replaced by hand"
///   postern cert revoke --key leaked.key --reason key-compromise
///   postern cert revoke --superseded ci-runner-1 --after 24h
///   postern cert revoke --superseded ci-runner-1 --events /var/log/postern/events.jsonl
///
/// A name revokes every live certificate of exactly that name. It needs no passphrase. Revoking
/// what is revoked already changes nothing and is no error. Where the passphrase is at hand
/// without asking, the next CRL is published at once, for those who read CRLs.
///
/// Where Postern owns objects at Cloudflare the edge is closed too: the name leaves its group, or is
/// excluded. The revocation here is durable first; if Cloudflare is out of reach the change stays
/// pending, and the exit code is 7. What the edge will still admit is printed.
///
/// With --superseded only certificates go whose successor (`cert renew`) is valid, old enough, and
/// in use: the gateway's events hold a request that was permitted with it. Where that is not so,
/// it says why, revokes nothing of it, and ends with 10.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    superseded: superseded::SupersededArgs,
    #[command(flatten)]
    revocation: RevocationArgs,
}

pub(crate) fn run(context: &Context, args: &RevokeArgs) -> Outcome {
    match &args.superseded.superseded {
        Some(name) => superseded(context, args, name),
        None => named(context, args),
    }
}

fn named(context: &Context, args: &RevokeArgs) -> Outcome {
    args.superseded.refuse_events()?;
    let authority = context.authority()?;
    let now = time::now();
    let found = args.which.find(authority.store())?;
    let (live, gone): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|record| record.state != CertificateState::Revoked && record.is_live(now));
    for record in &gone {
        let state = record.state_at(now).as_str();
        tell(&format!(
            "{} {} is {state} already",
            record.common_name, record.serial
        ));
    }
    let cause = (args.revocation.reason, args.revocation.note.clone());
    revoke(context, &authority, args, live, cause)
}

fn superseded(context: &Context, args: &RevokeArgs, name: &str) -> Outcome {
    let authority = context.authority()?;
    let found = args
        .superseded
        .find(context, authority.store(), name, time::now())?;
    let kept = found.kept;
    let note = args
        .revocation
        .note
        .clone()
        .or(Some(found.note))
        .filter(|note| !note.is_empty());
    let reason = RevocationReason::Superseded;
    let done = revoke(context, &authority, args, found.superseded, (reason, note))?;
    Ok(if kept == 0 {
        done
    } else {
        Kind::Pending.code()
    })
}

fn revoke(
    context: &Context,
    authority: &CertificateAuthority,
    args: &RevokeArgs,
    live: Vec<CertificateRecord>,
    (reason, note): (RevocationReason, Option<String>),
) -> Outcome {
    let now = time::now();
    if args.revocation.dry_run {
        show::print_many(context.format, live, now)?;
        return DONE;
    }
    let serials = live.iter().map(|record| record.serial).collect();
    let names = live.iter().map(|record| record.common_name.clone());
    let edge = args.revocation.edge_change(authority, &names.collect());
    let revoked = authority.revoke(serials, reason, note, edge, now)?;
    let names: BTreeSet<String> = revoked.iter().map(|it| it.common_name.clone()).collect();
    show::print_many(context.format, revoked, now)?;
    args.revocation.spread(context, authority, &names).and(DONE)
}

/// Revokes every live certificate of `name`; `quickstart` does it too.
pub(crate) fn revoke_name(
    authority: &CertificateAuthority,
    name: &str,
) -> Result<Vec<CertificateRecord>, CommandError> {
    let now = time::now();
    let selection = Selection {
        common_name: Some(name.to_owned()),
        ..Selection::default()
    };
    let found = authority.store().certificates(&selection)?;
    let serials = found
        .iter()
        .filter(|record| record.is_live(now))
        .map(|record| record.serial);
    Ok(authority.revoke(
        serials.collect(),
        RevocationReason::CessationOfOperation,
        None,
        None,
        now,
    )?)
}
