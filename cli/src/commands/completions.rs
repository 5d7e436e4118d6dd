//! `postern completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{DONE, Outcome};
use crate::cli::Cli;
use crate::output::print;

/// Write completions for a shell
///
/// Examples:
///   postern completions bash > /etc/bash_completion.d/postern
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "postern", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    DONE
}
