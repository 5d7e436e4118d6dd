//! What was found, as a table, JSON and Markdown.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::checks::Row as CheckRow;
use super::verdict::{Finding, Verdict};
use crate::output::{Listing, Row, printable};
use crate::time;

/// Every check with its finding.
pub(crate) struct Report {
    target: String,
    at: u64,
    rows: Vec<(CheckRow, Finding)>,
}

impl Report {
    /// An empty report of a target, begun at this time.
    pub(crate) fn new(target: String, at: u64) -> Self {
        Self {
            target,
            at,
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, check: CheckRow, finding: Finding) {
        self.rows.push((check, finding));
    }

    /// How many checks ended with this verdict.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        let ended = self.rows.iter().filter(|(_, it)| it.verdict == verdict);
        ended.count()
    }

    /// One line: how many passed, failed, and so on.
    pub(crate) fn summary(&self) -> String {
        let counts = VERDICTS.map(|verdict| format!("{} {}", self.count(verdict), verdict.word()));
        format!("{}: {}", self.target, counts.join(", "))
    }

    /// For standard output.
    pub(crate) fn listing(&self) -> Listing {
        let rows = self.rows.iter().map(|(check, finding)| Row {
            cells: vec![
                check.id.to_owned(),
                finding.verdict.word().to_owned(),
                took(finding),
                check.promise.to_owned(),
                finding.evidence.clone(),
            ],
            json: item(check, finding),
        });
        Listing {
            schema: SCHEMA,
            columns: &["CHECK", "VERDICT", "TOOK", "PROMISE", "EVIDENCE"],
            rows: rows.collect(),
        }
    }

    /// One document, for `--json`.
    pub(crate) fn json(&self) -> Value {
        let items: Vec<Value> = self
            .rows
            .iter()
            .map(|(check, it)| item(check, it))
            .collect();
        json!({
            "schema": SCHEMA,
            "target": self.target,
            "at": time::rfc3339(self.at),
            "items": items,
        })
    }

    /// One table, for `--markdown`.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "# {}\n\n`postern gateway verify`, {}: {}.\n\n\
             | check | promise | verdict | took | evidence |\n|---|---|---|---|---|\n",
            cell(&self.target),
            time::rfc3339(self.at),
            cell(&self.summary()),
        );
        for (check, finding) in &self.rows {
            let verdict = match finding.verdict {
                Verdict::Fail => "**FAIL**",
                Verdict::Pass | Verdict::NotApplicable | Verdict::NotRun => finding.verdict.word(),
            };
            let line = [
                check.id,
                check.promise,
                verdict,
                &took(finding),
                &cell(&finding.evidence),
            ]
            .join(" | ");
            writeln!(text, "| {line} |").expect("a string takes everything");
        }
        text
    }
}

fn item(check: &CheckRow, finding: &Finding) -> Value {
    json!({
        "check": check.id,
        "promise": check.promise,
        "verdict": finding.verdict.code(),
        "took_ms": finding.took.map(|took| took.as_secs_f64() * 1e3),
        "evidence": finding.evidence,
    })
}

fn took(finding: &Finding) -> String {
    let took = finding.took;
    took.map(|took| format!("{} ms", took.as_millis()))
        .unwrap_or_default()
}

/// What came from the target or the command line stays in its cell.
fn cell(text: &str) -> String {
    printable(text).replace('|', "\\|")
}

const SCHEMA: &str = "postern.gateway-verify/1";
const VERDICTS: [Verdict; 4] = [
    Verdict::Pass,
    Verdict::Fail,
    Verdict::NotApplicable,
    Verdict::NotRun,
];
