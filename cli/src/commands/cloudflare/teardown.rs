//! `postern cloudflare teardown`

use std::io::{IsTerminal, stdin};

use clap::Args;
use postern_ca::CertificateAuthority;
use postern_cloudflare::{Consent, Consents, Plan};

use super::{apply, report};
use crate::cloudflare::lock::Turn;
use crate::cloudflare::situation::Situation;
use crate::cloudflare::{CloudflareArgs, Edge};
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;

/// Delete everything at Cloudflare that Postern owns, and nothing else
///
/// Examples:
///   postern cloudflare teardown --dry-run
///   postern cloudflare teardown --yes --reason "moved to another account"
///
/// Policies first, so that nobody is admitted on the way; then rule groups, then the CA, whose hosts
/// are cleared and given time to detach. Service tokens stay: `postern token delete` knows who still
/// uses them. Applications stay, without our policies: they refuse.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct TeardownArgs {
    /// Only show what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, requires = "reason")]
    yes: bool,
    /// Why; told with what was done
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
}

pub(crate) fn run(context: &Context, args: &TeardownArgs) -> Outcome {
    let authority = context.authority()?;
    let edge = args.cloudflare.connect(context)?;
    let _turn = Turn::at_edge(context.home())?;
    let (situation, mut plan) = look(&authority, &edge)?;
    report::print(context.format, &edge, &situation, &plan)?;
    if args.dry_run || plan.changes.is_empty() {
        return Ok(report::outcome(&plan));
    }
    if !args.yes && !asked(&edge.account)? {
        return Err(CommandError::new(Kind::Failure, "nothing was deleted"));
    }
    let mut ledger = situation.ledger;
    let mut deleted = 0;
    // What a call made whose answer never came is known again by the first round, and goes in the
    // second.
    for _ in 0..ROUNDS {
        if plan.changes.is_empty() {
            break;
        }
        apply::carry_out(&authority, &edge, &ledger, &plan)?;
        deleted += plan
            .changes
            .iter()
            .filter(|it| it.action.mark() == '-')
            .count();
        let (situation, next) = look(&authority, &edge)?;
        (ledger, plan) = (situation.ledger, next);
    }
    if !plan.changes.is_empty() {
        let message = format!(
            "{} left: run it again",
            report::counted(plan.changes.len(), "change")
        );
        return Err(CommandError::new(Kind::Partial, message));
    }
    let reason = args.reason.as_deref().unwrap_or("no reason given");
    tell(&format!(
        "Deleted {} ({reason}).",
        report::counted(deleted, "object")
    ));
    DONE
}

/// What is ours there, compared with nothing.
fn look(authority: &CertificateAuthority, edge: &Edge) -> Result<(Situation, Plan), CommandError> {
    let situation = Situation::without_a_file(authority, edge)?;
    let plan = situation.plan(Consents {
        retire_authority: Consent::Given,
        ..Consents::default()
    });
    Ok((situation, plan))
}

/// Whether whoever sits there types the account's id.
fn asked(account: &str) -> Result<bool, CommandError> {
    if !stdin().is_terminal() {
        return Err(
            CommandError::usage("this deletes, and there is no terminal to ask on")
                .hint("give --yes and --reason"),
        );
    }
    tell(&format!("Type the account's id ({account}) to go on:"));
    let mut line = String::new();
    let read = stdin().read_line(&mut line);
    read.map_err(|error| CommandError::new(Kind::Failure, error))?;
    Ok(line.trim() == account)
}

const ROUNDS: usize = 3;
