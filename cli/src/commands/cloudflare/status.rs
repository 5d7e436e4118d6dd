//! `postern cloudflare status`

use std::process::ExitCode;

use clap::Args;
use postern_cloudflare::Breadth;
use postern_cloudflare::lint::{DeadNames, EdgeFinding, Subject, lint};
use serde_json::json;

use super::plan::ConsentArgs;
use super::report;
use crate::cloudflare::situation::Situation;
use crate::cloudflare::{CloudflareArgs, inventory};
use crate::commands::Outcome;
use crate::context::Context;
use crate::error::Kind;
use crate::output::print_document;
use crate::time;

/// Show how far Cloudflare is from postern.toml, and what looks wrong there
///
/// Examples:
///   postern cloudflare status
///   postern cloudflare status -o json | jq '.findings[].id'
///
/// Drift, changes that a revocation left pending, and findings with an id and a remedy: names that
/// are revoked or ended here, tokens in no policy or in several applications, `bypass`,
/// `any_valid_service_token`, `everyone`, machines under `allow`, `require` on machine policies,
/// robots with e-mail addresses, applications without a session duration. It looks at every
/// application of the account and writes nothing. Exit code 0: all is well; 5: drift, or something
/// in the way; 6: a finding that lets somebody in, or keeps somebody out; 10: pending.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    consents: ConsentArgs,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
}

pub(crate) fn run(context: &Context, args: &StatusArgs) -> Outcome {
    let config = context.config()?;
    let authority = context.authority()?;
    let edge = args.cloudflare.connect(context)?;
    let situation = Situation::read(&config, &authority, &edge, Breadth::Everything)?;
    let plan = situation.plan(args.consents.consents());
    let now = time::now();
    let clients = inventory::clients(&authority, now)?;
    let owned =
        |names: std::collections::BTreeSet<&str>| names.into_iter().map(str::to_owned).collect();
    let dead_names = DeadNames {
        revoked: owned(clients.revoked_names()),
        ended: owned(clients.ended_names()),
    };
    let findings = lint(&Subject {
        desired: &situation.translation.desired,
        statements: &situation.translation.statements,
        remote: &situation.remote,
        ledger: &situation.ledger,
        dead_names: &dead_names,
        now,
    });
    let pending = authority.store().edge_pending()?;
    let drift = plan.changes.len() + plan.waiting().count() + plan.conflicts.len();
    let mut text = match drift {
        0 => format!("Account {} holds what postern.toml says.\n", edge.account),
        _ => format!(
            "Account {} differs in {}: `postern cloudflare plan` shows them.\n",
            edge.account,
            report::counted(drift, "place")
        ),
    };
    for change in &pending {
        let (what, since) = (&change.change.what, time::rfc3339(change.change.since));
        text.push_str(&format!("pending since {since}: {what}\n"));
    }
    text.extend(findings.iter().map(line));
    let document = json!({
        "account_id": edge.account,
        "changes": plan.changes.len(),
        "withheld": plan.withheld.len(),
        "conflicts": plan.conflicts.len(),
        "reported": plan.reported.len(),
        "pending": pending.iter().map(|it| json!({
            "what": it.change.what, "names": it.change.names, "since": time::rfc3339(it.change.since),
        })).collect::<Vec<_>>(),
        "findings": findings.iter().map(|finding| json!({
            "id": finding.lint.id(),
            "severity": severity(finding),
            "place": finding.place,
            "message": finding.message,
            "remedy": finding.remedy,
        })).collect::<Vec<_>>(),
    });
    print_document(
        context.format,
        "postern.cloudflare-status/1",
        &text,
        document,
    )?;
    Ok(outcome(drift, &findings, pending.len()))
}

fn outcome(drift: usize, findings: &[EdgeFinding], pending: usize) -> ExitCode {
    if findings.iter().any(|finding| finding.lint.is_error()) {
        Kind::Policy.code()
    } else if pending > 0 {
        Kind::Pending.code()
    } else if drift > 0 {
        Kind::Conflict.code()
    } else {
        ExitCode::SUCCESS
    }
}

fn line(finding: &EdgeFinding) -> String {
    let EdgeFinding {
        lint,
        place,
        message,
        remedy,
    } = finding;
    format!(
        "{}  {}  {place}: {message}; {remedy}\n",
        severity(finding),
        lint.id()
    )
}

fn severity(finding: &EdgeFinding) -> &'static str {
    match finding.lint.is_error() {
        true => "error",
        false => "warning",
    }
}
