//! `postern cloudflare teardown`

use std::io::{IsTerminal, stdin};

use clap::Args;
use postern_cloudflare::{Breadth, Consent, Consents, Desired, Plan, Remote};

use super::{apply, report};
use crate::cloudflare::lock::EdgeLock;
use crate::cloudflare::situation::Situation;
use crate::cloudflare::{CloudflareArgs, ledger};
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
    let _turn = EdgeLock::take(context.home())?;
    let ledger = ledger::read(authority.store(), &edge.account)?;
    let nothing = Desired::default();
    let scope = edge.scope();
    let fetch = Remote::fetch(&edge.client, &scope, &nothing, &ledger, Breadth::Ours);
    let situation = Situation {
        remote: edge.run(fetch)?,
        translation: postern_cloudflare::Translation::default(),
        ledger,
    };
    let plan = Plan::new(
        &nothing,
        &situation.remote,
        &situation.ledger,
        Consents {
            retire_authority: Consent::Given,
            ..Consents::default()
        },
    );
    report::print(context.format, &edge, &situation, &plan)?;
    if args.dry_run || plan.changes.is_empty() {
        return Ok(report::outcome(&plan));
    }
    if !args.yes && !asked(&edge.account)? {
        return Err(CommandError::new(Kind::Failure, "nothing was deleted"));
    }
    apply::carry_out(&authority, &edge, &situation, &plan)?;
    let reason = args.reason.as_deref().unwrap_or("no reason given");
    tell(&format!(
        "Deleted {} ({reason}).",
        report::counted(plan.changes.len(), "object")
    ));
    DONE
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
