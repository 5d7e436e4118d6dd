//! How a plan is told: a diff for people, a document for machines.

use std::fmt::Write as _;
use std::process::ExitCode;

use postern_cloudflare::{Change, Class, Plan, Statement};
use serde_json::{Value, json};

use crate::cloudflare::Edge;
use crate::cloudflare::situation::Situation;
use crate::error::{CommandError, Kind};
use crate::output::{Format, print_document};

/// Prints the whole plan.
pub(super) fn print(
    format: Format,
    edge: &Edge,
    situation: &Situation,
    plan: &Plan,
) -> Result<(), CommandError> {
    let statements = &situation.translation.statements;
    let text = text(edge, statements, plan);
    let document = json!({
        "account_id": edge.account,
        "changes": all(&plan.changes),
        "withheld": all(&plan.withheld),
        "reported": all(&plan.reported),
        "conflicts": plan.conflicts.iter().map(|conflict| json!({
            "target": conflict.target, "why": conflict.why, "remedy": conflict.remedy,
        })).collect::<Vec<_>>(),
        "remarks": plan.remarks,
        "statements": statements.iter().map(statement_json).collect::<Vec<_>>(),
        "calls": edge.client.calls(),
    });
    print_document(format, "postern.cloudflare-plan/1", &text, document)
}

/// What a plan means for whoever asked: something in the way, something to do, or nothing.
pub(super) fn outcome(plan: &Plan) -> ExitCode {
    if !plan.conflicts.is_empty() {
        Kind::Conflict.code()
    } else if plan.is_empty() {
        ExitCode::SUCCESS
    } else {
        Kind::Pending.code()
    }
}

fn text(edge: &Edge, statements: &[Statement], plan: &Plan) -> String {
    let mut text = format!(
        "Account {}: {} to do\n",
        edge.account,
        counted(plan.changes.len(), "change")
    );
    section(&mut text, "", plan.changes.iter().map(ToString::to_string));
    let withheld = plan
        .withheld
        .iter()
        .map(|change| format!("{change}   ({})", flag(change)));
    section(&mut text, "\nOnly with your consent:\n", withheld);
    let reported = plan.reported.iter().map(ToString::to_string);
    section(
        &mut text,
        "\nDiffers, and another tool manages it:\n",
        reported,
    );
    let conflicts = plan.conflicts.iter().map(|conflict| {
        format!(
            "! {}: {}\n      {}",
            conflict.target, conflict.why, conflict.remedy
        )
    });
    section(&mut text, "\nIn the way:\n", conflicts);
    section(
        &mut text,
        "\nNote:\n",
        plan.remarks.iter().map(|remark| format!("* {remark}")),
    );
    section(
        &mut text,
        "\nWhat each side enforces:\n",
        statements.iter().map(statement),
    );
    text
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut title = Some(title);
    for line in lines {
        text.push_str(title.take().unwrap_or_default());
        writeln!(text, "  {line}").unwrap_or_default();
    }
}

fn statement(statement: &Statement) -> String {
    let gateway_only = match statement.gateway_only.as_slice() {
        [] => String::from("nothing more"),
        rules => rules.join(", "),
    };
    let mut text = format!(
        "{} / {}\n      edge:          {}\n      gateway only:  {gateway_only}",
        statement.application,
        statement.policy,
        statement.edge.join("; ")
    );
    for remark in &statement.remarks {
        write!(text, "\n      note:          {remark}").unwrap_or_default();
    }
    text
}

fn statement_json(statement: &Statement) -> Value {
    json!({
        "application": statement.application.as_str(),
        "policy": statement.policy,
        "edge": statement.edge,
        "gateway_only": statement.gateway_only,
        "remarks": statement.remarks,
        "unnamed_successors": statement.unnamed.iter().map(|it| json!({
            "token": it.token.as_str(), "successor": it.successor.as_str(),
        })).collect::<Vec<_>>(),
    })
}

fn all(changes: &[Change]) -> Vec<Value> {
    changes.iter().map(Change::to_json).collect()
}

fn flag(change: &Change) -> &'static str {
    match change.class {
        Class::Reorder => "--allow-reorder",
        Class::DecisionChange => "--allow-decision-change",
        Class::ReliesOnWaf => "--waf-in-place, when the WAF rule below blocks",
        Class::RetiresAuthority => "--retire-old-ca, when its clients have moved",
        Class::TakesAway | Class::Ordinary | Class::Bookkeeping => "done by itself",
    }
}

/// `1 change`, `2 changes`.
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
