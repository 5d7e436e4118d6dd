//! The table, for people and for programs.

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde::Serialize;

use crate::compare::Summary;
use crate::error::BenchError;
use crate::goals::{Bar, Medians, Verdict};
use crate::rows::RowId;
use crate::targets::Kind;

/// One measured row.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: &'static str,
    unit: &'static str,
    #[serde(flatten)]
    figures: Figures,
    ratio: String,
    must: String,
    aim: String,
    verdict: Verdict,
    /// What a reader must know beside the figures.
    notes: Vec<String>,
}

/// What was measured of one row.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) ours: Summary,
    pub(crate) nginx: Option<Summary>,
    pub(crate) haproxy: Option<Summary>,
    pub(crate) limit: Option<Summary>,
    pub(crate) ourselves: Option<Summary>,
}

/// The whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: &'static str,
    pub(crate) rounds: u32,
    pub(crate) versions: Vec<String>,
    pub(crate) skipped: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

impl Figures {
    /// Ours alone.
    pub(crate) fn of(ours: Summary) -> Self {
        Self {
            ours,
            nginx: None,
            haproxy: None,
            limit: None,
            ourselves: None,
        }
    }

    /// Each kind's summary in its place; ours is always there.
    pub(crate) fn by_kind(summaries: &[(Kind, Summary)]) -> Result<Self, BenchError> {
        let of = |kind| {
            let mut all = summaries.iter();
            all.find_map(|(found, summary)| (*found == kind).then_some(*summary))
        };
        let ours = of(Kind::Postern).ok_or(BenchError::Machine("figures of our own"))?;
        Ok(Self {
            nginx: of(Kind::Nginx),
            haproxy: of(Kind::Haproxy),
            ..Self::of(ours)
        })
    }

    fn medians(&self) -> Medians {
        let median = |summary: Option<Summary>| summary.map(|summary| summary.median);
        Medians {
            ours: self.ours.median,
            nginx: median(self.nginx),
            haproxy: median(self.haproxy),
            limit: median(self.limit),
            ourselves: median(self.ourselves),
        }
    }
}

impl Row {
    /// Judges the figures.
    pub(crate) fn new(id: RowId, figures: Figures, notes: Vec<String>) -> Self {
        let goal = id.goal();
        let medians = figures.medians();
        Self {
            what: id.what(),
            unit: id.unit(),
            figures,
            ratio: ratios(goal.must, &medians),
            must: list(goal.must),
            aim: list(goal.aim),
            verdict: goal.judge(&medians),
            notes,
        }
    }
}

impl Report {
    /// As a Markdown table, with what is to be known below it.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header([
            "what",
            "unit",
            "ours",
            "nginx",
            "haproxy",
            "limit or own",
            "ratio",
            "must",
            "aim",
            "result",
        ]);
        for row in &self.rows {
            let figures = &row.figures;
            table.add_row([
                row.what.to_owned(),
                row.unit.to_owned(),
                cell(Some(figures.ours)),
                cell(figures.nginx),
                cell(figures.haproxy),
                cell(figures.limit.or(figures.ourselves)),
                row.ratio.clone(),
                row.must.clone(),
                row.aim.clone(),
                row.verdict.to_string(),
            ]);
        }
        let notes = self.rows.iter().flat_map(|row| {
            let notes = row.notes.iter();
            notes.map(|note| format!("- {}: {note}\n", row.what))
        });
        let skipped = self
            .skipped
            .iter()
            .map(|line| format!("- SKIPPED: {line}\n"));
        let below: String = skipped.chain(notes).collect();
        let versions = self.versions.join("; ");
        format!(
            "{table}\n\n- {versions}; medians of {} rounds, with least and most\n{below}",
            self.rounds
        )
    }
}

/// The median, and between what it lies.
fn cell(summary: Option<Summary>) -> String {
    summary.map_or("–".to_owned(), |Summary { median, min, max }| {
        let digits = if median.abs() < 100.0 { 1 } else { 0 };
        format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
    })
}

fn list(bars: &[Bar]) -> String {
    let bars: Vec<_> = bars.iter().map(Bar::to_string).collect();
    bars.join(", ")
}

/// What was reached where something was promised: the same bars with the figures of this run.
fn ratios(bars: &[Bar], medians: &Medians) -> String {
    let reached = bars.iter().filter_map(|bar| match bar {
        Bar::AtLeast(_, against) => {
            let ratio = medians.ours / medians.of(*against)?;
            Some(Bar::AtLeast(ratio, *against).to_string())
        }
        Bar::AtMost(_) => None,
    });
    let reached: Vec<_> = reached.collect();
    if reached.is_empty() {
        "–".to_owned()
    } else {
        reached.join(", ")
    }
}
