//! One file per command; its doc comment is its help.

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::error::CommandError;

pub(crate) mod ca;
pub(crate) mod cert;
pub(crate) mod cloudflare;
pub(crate) mod completions;
pub(crate) mod device;
pub(crate) mod expiry;
pub(crate) mod explain;
pub(crate) mod gateway;
pub(crate) mod man;
pub(crate) mod policy;
pub(crate) mod quickstart;
pub(crate) mod snippet;
pub(crate) mod status;
pub(crate) mod token;

/// What a command ends with when nothing failed: 0, or a code that says something is due.
pub(crate) type Outcome = Result<ExitCode, CommandError>;

pub(crate) const DONE: Outcome = Ok(ExitCode::SUCCESS);

pub(crate) fn run(cli: Cli) -> Outcome {
    let context = Context::new(cli.global);
    match cli.command {
        Command::Quickstart(args) => quickstart::run(&args),
        Command::Explain(args) => explain::run(&context, &args),
        Command::Status(args) => status::run(&context, &args),
        Command::Ca(command) => ca::run(&context, command),
        Command::Cert(command) => cert::run(&context, command),
        Command::Cloudflare(command) => cloudflare::run(&context, command),
        Command::Device(command) => device::run(&context, command),
        Command::Gateway(command) => gateway::run(&context, command),
        Command::Policy(command) => policy::run(&context, command),
        Command::Token(command) => token::run(&context, command),
        Command::Snippet(args) => snippet::run(&context, &args),
        Command::Expiry(command) => expiry::run(&context, command),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Who answers for something: a team or an address, not a letter.
fn owner(text: &str) -> Result<String, String> {
    let fits = (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| String::from("an owner has 1 to 128 printable characters"))
}
