//! `postern policy …`

mod test;

use clap::{Args, Subcommand};
use postern_policy::lint::{Finding, Severity, edge_report, lint, lint_tokens};
use serde_json::json;

use super::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::{Format, Listing, Row};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    List(ListArgs),
    Lint(LintArgs),
    Test(test::TestArgs),
}

/// List the policies in the order in which they decide
///
/// Examples:
///   postern policy list
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ListArgs {}

/// Find policies that load and may not do what they seem to
///
/// Examples:
///   postern policy lint
///   postern policy lint --edge      what Cloudflare Access could enforce of each policy
///
/// Exit code 6 where a finding is an error.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct LintArgs {
    /// Say per policy what Cloudflare Access could express
    #[arg(long)]
    edge: bool,
}

pub(crate) fn run(context: &Context, command: PolicyCommand) -> Outcome {
    match command {
        PolicyCommand::List(_) => list(context),
        PolicyCommand::Lint(args) if args.edge => edge(context),
        PolicyCommand::Lint(_) => findings(context),
        PolicyCommand::Test(args) => test::run(context, &args),
    }
}

fn list(context: &Context) -> Outcome {
    let config = context.config()?;
    let mut rows = Vec::new();
    for application in config.applications.iter() {
        for policy in application.policies_as_decided() {
            let rules = |rules: &[postern_policy::Rule]| {
                rules.iter().map(ToString::to_string).collect::<Vec<_>>()
            };
            let (include, require, exclude) = (
                rules(policy.include()),
                rules(policy.require()),
                rules(policy.exclude()),
            );
            rows.push(Row {
                cells: vec![
                    application.name().to_string(),
                    policy.name().to_string(),
                    policy.decision().as_str().to_owned(),
                    include.join(" or "),
                    require.join(" and "),
                    exclude.join(" or "),
                ],
                json: json!({
                    "application": application.name().as_str(),
                    "policy": policy.name().as_str(),
                    "decision": policy.decision().as_str(),
                    "include": include,
                    "require": require,
                    "exclude": exclude,
                }),
            });
        }
    }
    let columns = &[
        "APPLICATION",
        "POLICY",
        "DECISION",
        "INCLUDE",
        "REQUIRE",
        "EXCLUDE",
    ];
    Listing {
        schema: "postern.policies/1",
        columns,
        rows,
    }
    .print(context.format)?;
    DONE
}

fn findings(context: &Context) -> Outcome {
    let config = context.config()?;
    let mut findings = lint(&config.applications);
    findings.extend(lint_tokens(&config.applications, &config.tokens));
    let worst = findings.iter().map(|finding| finding.severity).max();
    print_findings(context.format, &findings)?;
    match worst {
        Some(Severity::Error) => Ok(Kind::Policy.code()),
        Some(Severity::Warning | Severity::Info) | None => DONE,
    }
}

fn print_findings(format: Format, findings: &[Finding]) -> Result<(), CommandError> {
    let rows = findings.iter().map(|finding| {
        let application = finding.application.as_ref().map(ToString::to_string);
        let policy = finding.policy.as_ref().map(ToString::to_string);
        let place = [application.as_deref(), policy.as_deref()];
        Row {
            cells: vec![
                finding.severity.to_string(),
                finding.id().to_owned(),
                place.into_iter().flatten().collect::<Vec<_>>().join(" / "),
                format!("{} {}", finding.message, finding.remedy),
            ],
            json: json!({
                "severity": finding.severity.to_string(),
                "id": finding.id(),
                "application": application,
                "policy": policy,
                "message": finding.message,
                "remedy": finding.remedy,
            }),
        }
    });
    let columns = &["SEVERITY", "ID", "WHERE", "WHAT"];
    Listing {
        schema: "postern.policy-findings/1",
        columns,
        rows: rows.collect(),
    }
    .print(format)
}

fn edge(context: &Context) -> Outcome {
    let config = context.config()?;
    let report = edge_report(&config.applications);
    let rows = report.iter().map(|finding| Row {
        cells: vec![
            finding.application.to_string(),
            finding.policy.to_string(),
            finding.enforcement.to_string(),
            finding.gateway_only.join(", "),
            finding.remedy().unwrap_or_default(),
        ],
        json: json!({
            "application": finding.application.as_str(),
            "policy": finding.policy.as_str(),
            "decision": finding.decision.as_str(),
            "enforcement": finding.enforcement.to_string(),
            "at_edge": finding.at_edge,
            "gateway_only": finding.gateway_only,
            "remedy": finding.remedy(),
        }),
    });
    let columns = &[
        "APPLICATION",
        "POLICY",
        "AT THE EDGE",
        "ONLY AT THE GATEWAY",
        "TO DO",
    ];
    Listing {
        schema: "postern.edge-report/1",
        columns,
        rows: rows.collect(),
    }
    .print(context.format)?;
    DONE
}
