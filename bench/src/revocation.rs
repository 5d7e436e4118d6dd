//! `postern-bench revocation`: from the moment somebody says so to nobody gets in.

mod expiry;
mod replaced;
mod revoked;

use std::path::Path;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde::Serialize;

use crate::error::BenchError;
use crate::percentile::Percentiles;
use crate::site::Site;

/// How much to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effort {
    /// Revocations, and certificates that end.
    pub(crate) revocations: u32,
    /// Connections of others.
    pub(crate) others: u32,
    /// CRL files that are replaced.
    pub(crate) replacements: u32,
    /// Entries in each.
    pub(crate) entries: u64,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Line {
    from: &'static str,
    to: &'static str,
    milliseconds: Percentiles,
    /// What is judged, where it is not the p99.
    judged: f64,
    must: f64,
    aim: f64,
}

/// The whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    schema: &'static str,
    version: String,
    lines: Vec<Line>,
    notes: Vec<String>,
}

/// Measures all lines.
pub(crate) async fn run(postern: &Path, effort: Effort) -> Result<Report, BenchError> {
    let site = Site::new(postern)?;
    let version = crate::targets::Kind::Postern.version(&site);
    let (mut lines, mut notes) = (Vec::new(), Vec::new());
    revoked::measure(&site, effort, &mut lines, &mut notes).await?;
    replaced::measure(&site, effort, &mut lines, &mut notes).await?;
    expiry::measure(&site, effort, &mut lines).await?;
    Ok(Report {
        schema: "postern.bench-revocation/1",
        version: version.unwrap_or_default(),
        lines,
        notes,
    })
}

impl Line {
    /// Judged by its p99.
    fn new(
        from: &'static str,
        to: &'static str,
        milliseconds: Percentiles,
        (must, aim): (f64, f64),
    ) -> Self {
        Self {
            from,
            to,
            milliseconds,
            judged: milliseconds.p99,
            must,
            aim,
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.judged <= self.must, self.judged <= self.aim) {
            (true, true) => "aim met",
            (true, false) => "must met",
            (false, _) => "MISSED",
        }
    }
}

impl Report {
    /// As a Markdown table, with what is to be known below it.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header([
            "from",
            "to",
            "times",
            "p50 ms",
            "p99 ms",
            "longest ms",
            "judged ms",
            "must ms",
            "aim ms",
            "result",
        ]);
        for line in &self.lines {
            let times = &line.milliseconds;
            table.add_row([
                line.from.to_owned(),
                line.to.to_owned(),
                times.count.to_string(),
                format!("{:.0}", times.p50),
                format!("{:.0}", times.p99),
                format!("{:.0}", times.max),
                format!("{:.1}", line.judged),
                format!("{:.0}", line.must),
                format!("{:.0}", line.aim),
                line.verdict().to_owned(),
            ]);
        }
        let notes = self.notes.iter().map(|note| format!("- {note}\n"));
        let notes: String = notes.collect();
        format!("{table}\n\n- {}\n{notes}", self.version)
    }
}
