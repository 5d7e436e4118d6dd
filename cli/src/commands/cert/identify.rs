//! `postern cert identify`

use std::path::PathBuf;

use clap::Args;

use super::show;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;
use crate::{selection, time};

/// Say whose a found certificate, key or signing request is, and how to revoke it
///
/// Examples:
///   postern cert identify found.pem
///   postern cert identify leaked.key
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct IdentifyArgs {
    /// The file, in PEM
    file: PathBuf,
}

pub(crate) fn run(context: &Context, args: &IdentifyArgs) -> Outcome {
    let selection = selection::identify(&args.file)?;
    let authority = context.authority()?;
    let now = time::now();
    let found = authority.store().certificates(&selection)?;
    if found.is_empty() {
        let message = format!(
            "{} is none of ours: this home has no certificate of it",
            args.file.display()
        );
        return Err(CommandError::new(Kind::NotFound, message));
    }
    let live: Vec<_> = found
        .iter()
        .filter(|record| record.is_live(now))
        .cloned()
        .collect();
    show::print_many(context.format, found, now)?;
    match live.as_slice() {
        [] => tell("None of them is live: gateways refuse them."),
        live => {
            tell("To revoke what is live:");
            for record in live {
                tell(&format!(
                    "  postern cert revoke --serial {} --reason key-compromise",
                    record.serial
                ));
            }
        }
    }
    DONE
}
