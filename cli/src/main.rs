//! `postern`: mTLS client certificates from the first key to a refused connection.

#![allow(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "the doc comments of arguments are help text, read in a terminal"
)]

mod cadence;
mod cli;
mod cloudflare;
mod commands;
mod config;
mod context;
mod delivery;
mod error;
mod evidence;
mod output;
mod passphrase;
mod revocation;
mod selection;
mod time;
mod verify;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    restrict_process();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    start_logging();
    if let Err(error) = time::check_clock() {
        return error.report();
    }
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => error.report(),
    }
}

/// clap's own exit codes are ours: 0 for help, 2 for wrong usage. A reader that went away is not
/// an error.
fn usage(error: &clap::Error) -> ExitCode {
    drop(error.print());
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// Keys and passphrases are in memory: no core dump may hold them.
fn restrict_process() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    // Where the system refuses, there is nothing better to do than to go on.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).unwrap_or_default();
}

fn start_logging() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("POSTERN_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
