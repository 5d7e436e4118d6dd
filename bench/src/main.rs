//! What Postern's gateway costs and how fast it is, beside nginx and HAProxy from the distribution.
//!
//! Servers run on one CPU; the load, the upstream and this program on another. A server that does
//! not keep the policy is not measured, and one failed request ends the run.

mod authority;
mod client;
mod compare;
mod error;
mod gateway;
mod goals;
mod idle;
mod limit;
mod load;
mod percentile;
mod processes;
mod proof;
mod report;
mod revocation;
mod rows;
mod site;
mod start;
mod targets;
mod upstream;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::compare::Effort;
use crate::error::{BenchError, Doing as _};
use crate::processes::pin_to;
use crate::rows::RowId;

/// Measures Postern's gateway
#[derive(Debug, Parser)]
#[command(name = "postern-bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// CPU time per operation, memory and start, beside nginx and HAProxy
    Gateway(GatewayArgs),
    /// How long until a revoked or ended client is out
    Revocation(RevocationArgs),
}

#[derive(Debug, Args)]
struct GatewayArgs {
    /// The binary to measure
    #[arg(long, value_name = "PATH", default_value = "target/dist/postern")]
    postern: PathBuf,
    /// Only these rows
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    rows: Vec<RowId>,
    /// How often each server is measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Short rounds: to see that it works, not to compare
    #[arg(long)]
    quick: bool,
    /// How the result is written
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct RevocationArgs {
    /// The binary to measure
    #[arg(long, value_name = "PATH", default_value = "target/dist/postern")]
    postern: PathBuf,
    /// Few and small: to see that it works
    #[arg(long)]
    quick: bool,
    /// How the result is written
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// A Markdown table
    Table,
    /// One JSON document
    Json,
}

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let done = match command {
        Command::Gateway(args) => measure_gateway(&args),
        Command::Revocation(args) => measure_revocation(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "error: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn measure_gateway(args: &GatewayArgs) -> Result<(), BenchError> {
    let effort = Effort {
        rounds: args.rounds,
        ..if args.quick { QUICK } else { THOROUGH }
    };
    let rows = if args.rows.is_empty() {
        RowId::all()
    } else {
        args.rows.clone()
    };
    let report = runtime()?.block_on(gateway::run(&args.postern, &rows, effort))?;
    write(args.output, &report, report.table())
}

fn measure_revocation(args: &RevocationArgs) -> Result<(), BenchError> {
    let effort = if args.quick { QUICK_END } else { THOROUGH_END };
    let report = runtime()?.block_on(revocation::run(&args.postern, effort))?;
    write(args.output, &report, report.table())
}

fn write(output: Output, report: &impl Serialize, table: String) -> Result<(), BenchError> {
    let text = match output {
        Output::Table => table,
        Output::Json => serde_json::to_string_pretty(report)? + "\n",
    };
    io::stdout()
        .write_all(text.as_bytes())
        .doing("write the result")
}

/// On the load's CPU, before any thread is started.
fn runtime() -> Result<tokio::runtime::Runtime, BenchError> {
    pin_to(LOAD_CPU)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing("start the runtime")
}

/// Not the servers'.
const LOAD_CPU: usize = 1;
const THOROUGH: Effort = Effort {
    rounds: 5,
    handshakes: 1_000,
    requests: 20_000,
    idle_connections: 5_000,
};
const QUICK: Effort = Effort {
    rounds: 5,
    handshakes: 320,
    requests: 3_200,
    idle_connections: 500,
};
const THOROUGH_END: revocation::Effort = revocation::Effort {
    revocations: 50,
    others: 5_000,
    replacements: 5,
    entries: 1_000_000,
};
const QUICK_END: revocation::Effort = revocation::Effort {
    revocations: 5,
    others: 100,
    replacements: 1,
    entries: 10_000,
};
