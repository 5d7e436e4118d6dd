//! `postern man`

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::{DONE, Outcome};
use crate::cli::Cli;
use crate::error::{CommandError, Kind};

/// Write the man pages into a folder
///
/// Examples:
///   postern man --out /usr/local/share/man/man1
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ManArgs {
    /// The folder, which must exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(args: &ManArgs) -> Outcome {
    clap_mangen::generate_to(Cli::command(), &args.out).map_err(|error| {
        CommandError::new(
            Kind::Failure,
            format!("cannot write to {}: {error}", args.out.display()),
        )
    })?;
    DONE
}
