//! Rows of a CSV file (RFC 4180), each one good or not.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use csv::{Position, ReaderBuilder, StringRecord, Trim};
use postern_ca::{CertificateAuthority, DeviceEntry, IssuableName, Labels};

use crate::commands::owner;
use crate::error::{CommandError, Kind};

/// What was read, by line.
pub(super) struct Rows {
    pub(super) good: BTreeMap<u64, DeviceEntry>,
    pub(super) bad: Vec<BadRow>,
}

/// A row that is not taken.
pub(super) struct BadRow {
    pub(super) line: u64,
    pub(super) why: String,
}

/// Where which column stands.
struct Columns {
    name: usize,
    labels: Option<usize>,
    owner: Option<usize>,
    profile: Option<usize>,
    count: usize,
}

impl Rows {
    pub(super) fn read(
        authority: &CertificateAuthority,
        text: &[u8],
    ) -> Result<Self, CommandError> {
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::All)
            .from_reader(text);
        let columns = Columns::of(reader.headers().map_err(unreadable)?)?;
        let mut rows = Self {
            good: BTreeMap::new(),
            bad: Vec::new(),
        };
        let mut record = StringRecord::new();
        loop {
            let line = line_of_row(text, reader.position());
            match reader.read_record(&mut record) {
                Ok(false) => break,
                Ok(true) => rows.add(line, columns.entry(authority, &record)),
                Err(error) => rows.add(line, Err(error.to_string())),
            }
        }
        rows.refuse_doubles();
        Ok(rows)
    }

    /// Makes the row of that name a bad one.
    pub(super) fn refuse(&mut self, name: &str, why: &str) {
        let line = self.good.iter().find(|(_, entry)| entry.name() == name);
        if let Some(line) = line.map(|(line, _)| *line) {
            self.good.remove(&line);
            self.add(line, Err(format!("{name:?}: {why}")));
        }
    }

    fn add(&mut self, line: u64, row: Result<DeviceEntry, String>) {
        match row {
            Ok(entry) => drop(self.good.insert(line, entry)),
            Err(why) => self.bad.push(BadRow { line, why }),
        }
    }

    /// Which of two rows is meant is not known.
    fn refuse_doubles(&mut self) {
        let mut first = HashMap::new();
        let mut double = BTreeSet::new();
        for (line, entry) in &self.good {
            if let Some(earlier) = first.insert(entry.name().to_owned(), *line) {
                double.extend([(earlier, *line), (*line, earlier)]);
            }
        }
        for (line, other) in double {
            if let Some(entry) = self.good.remove(&line) {
                let why = format!("{:?} stands in line {other} too; keep one", entry.name());
                self.add(line, Err(why));
            }
        }
        self.bad.sort_by_key(|row| row.line);
    }
}

impl Columns {
    fn of(header: &StringRecord) -> Result<Self, CommandError> {
        let known = ["name", "labels", "owner", "profile"];
        let mut seen = BTreeSet::new();
        for column in header {
            if !known.contains(&column) || !seen.insert(column) {
                let message = format!("the first row has a column {column:?}, or has it twice");
                return Err(CommandError::usage(message).hint(HEADER));
            }
        }
        let place = |wanted: &str| header.iter().position(|column| column == wanted);
        let name = place("name").ok_or_else(|| {
            CommandError::usage("the first row names no column \"name\"").hint(HEADER)
        })?;
        Ok(Self {
            name,
            labels: place("labels"),
            owner: place("owner"),
            profile: place("profile"),
            count: header.len(),
        })
    }

    fn entry(
        &self,
        authority: &CertificateAuthority,
        row: &StringRecord,
    ) -> Result<DeviceEntry, String> {
        if row.len() != self.count {
            return Err(format!(
                "it has {} cells, and the first row {}; quote cells that hold a comma",
                row.len(),
                self.count
            ));
        }
        let cell = |column: Option<usize>| row.get(column?).filter(|cell| !cell.is_empty());
        let name = row.get(self.name).unwrap_or_default();
        let named = |error: String| format!("{name:?}: {error}");
        let checked = || {
            let name = IssuableName::parse(name).map_err(|error| error.to_string())?;
            let labels = cell(self.labels).map(Labels::parse).transpose();
            let labels = labels.map_err(|error| error.to_string())?;
            let owner = cell(self.owner).map(owner).transpose()?;
            let profile = cell(self.profile).map(str::to_owned);
            let entry = authority.device_entry(&name, owner, labels, profile);
            entry.map_err(|error| error.to_string())
        };
        checked().map_err(named)
    }
}

/// Empty lines are skipped with the row behind them, and are not its own.
fn line_of_row(text: &[u8], before: &Position) -> u64 {
    let start = usize::try_from(before.byte()).unwrap_or(usize::MAX);
    let behind = text.get(start..).unwrap_or_default().iter();
    let ends = behind.take_while(|octet| matches!(octet, b'\r' | b'\n'));
    let skipped = ends.filter(|octet| **octet == b'\n').count();
    before
        .line()
        .saturating_add(u64::try_from(skipped).unwrap_or(u64::MAX))
}

fn unreadable(error: csv::Error) -> CommandError {
    CommandError::new(Kind::Failure, format!("the list cannot be read: {error}"))
}

const HEADER: &str = "the columns are name, labels, owner, profile; only name must be there";
