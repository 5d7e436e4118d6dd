//! `postern device import`

mod rows;

use std::io::{Read as _, stdin};
use std::path::{Path, PathBuf};

use clap::Args;
use postern_ca::{CertificateAuthority, DeviceImport, OnRevoked, files};
use serde_json::{Value, json};

use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::{print_object, tell};
use crate::time;
use rows::{BadRow, Rows};

/// Take devices over from a CSV file: name, labels, owner, profile
///
/// Examples:
///   postern device import fleet.csv
///   postern device import fleet.csv --skip-bad
///   inventory-export | postern device import -
///
/// The first row names the columns: `name`, and any of `labels` (KEY=VALUE;KEY=VALUE), `owner` and
/// `profile`. What a cell says is recorded; an empty cell leaves what is recorded as it is, so
/// that running it again changes nothing. A certificate that is issued for the device later has its
/// profile, its labels and its owner, unless told otherwise.
///
/// A bad row is reported with its line number. Nothing is taken over unless all rows are good; with
/// --skip-bad the good ones are, and the exit code is 7. Two rows of one name are both bad. So is
/// the name of a revoked device: the machine that takes its place needs another.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ImportArgs {
    /// The CSV file; - is standard input
    file: PathBuf,
    /// Take the good rows over though others are bad
    #[arg(long)]
    skip_bad: bool,
}

pub(crate) fn run(context: &Context, args: &ImportArgs) -> Outcome {
    let authority = context.issuing_authority()?;
    let mut rows = Rows::read(&authority, &read(&args.file)?)?;
    let done = if rows.bad.is_empty() || args.skip_bad {
        take_over(&authority, args, &mut rows)?
    } else {
        DeviceImport::default()
    };
    report(&rows.bad);
    print(context, &done, &rows.bad)?;
    if rows.bad.is_empty() {
        return DONE;
    }
    if args.skip_bad {
        return Ok(Kind::Partial.code());
    }
    let count = rows.bad.len();
    let message = format!(
        "{count} bad rows in {}: nothing was taken over",
        args.file.display()
    );
    Err(CommandError::usage(message).hint("correct them; or --skip-bad takes the others over"))
}

fn take_over(
    authority: &CertificateAuthority,
    args: &ImportArgs,
    rows: &mut Rows,
) -> Result<DeviceImport, CommandError> {
    let on_revoked = match args.skip_bad {
        true => OnRevoked::Skip,
        false => OnRevoked::RefuseAll,
    };
    let entries = rows.good.values().cloned().collect();
    let done = authority.import_devices(entries, on_revoked, time::now())?;
    for device in &done.revoked {
        rows.refuse(&device.name, REVOKED);
    }
    Ok(done)
}

fn read(file: &Path) -> Result<Vec<u8>, CommandError> {
    if file != Path::new("-") {
        return Ok(files::read(file)?);
    }
    let mut text = Vec::new();
    let read = stdin().lock().read_to_end(&mut text);
    read.map_err(|error| {
        CommandError::new(
            Kind::Failure,
            format!("cannot read standard input: {error}"),
        )
    })?;
    Ok(text)
}

/// The first ones are enough to see what is wrong; JSON has them all.
fn report(bad: &[BadRow]) {
    const TOLD: usize = 20;
    for row in bad.iter().take(TOLD) {
        tell(&format!("line {}: {}", row.line, row.why));
    }
    if let Some(more @ 1..) = bad.len().checked_sub(TOLD) {
        tell(&format!("and {more} more bad rows"));
    }
}

fn print(context: &Context, done: &DeviceImport, bad: &[BadRow]) -> Result<(), CommandError> {
    let fields = [
        ("created", done.created.to_string()),
        ("changed", done.changed.to_string()),
        ("unchanged", done.unchanged.to_string()),
        ("refused", bad.len().to_string()),
    ];
    let refused: Vec<Value> = bad
        .iter()
        .map(|row| json!({ "line": row.line, "why": row.why }))
        .collect();
    let json = json!({
        "created": done.created,
        "changed": done.changed,
        "unchanged": done.unchanged,
        "refused": refused,
    });
    print_object(context.format, "postern.device-import/1", &fields, json)
}

const REVOKED: &str = "the device of that name is revoked; give the machine that takes its place a \
                       name of its own, and take this row out";
