//! `postern token …`

use clap::Subcommand;
use postern_ca::{CertificateAuthority, TokenRecord};
use postern_policy::TokenName;
use postern_policy::config::TokenClass;
use serde_json::Value;

use super::Outcome;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::{Format, print_object, tell};

mod create;
mod delete;
mod identify;
mod list;
mod policies;
mod probing;
mod record;
mod renew;
mod rotate;
mod show;
mod steps;
mod switch;
mod terms;
mod test;

pub(crate) use create::create_at_gateway;
pub(crate) use list::state;
pub(crate) use rotate::successors;
pub(crate) use switch::{disable_at_edge, finish_pending};
pub(crate) use terms::{Life, Terms};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    Create(Box<create::CreateArgs>),
    List(list::ListArgs),
    Show(show::ShowArgs),
    Test(test::TestArgs),
    Identify(identify::IdentifyArgs),
    Rotate(Box<rotate::RotateArgs>),
    Renew(renew::RenewArgs),
    Enable(switch::EnableArgs),
    Disable(switch::DisableArgs),
    Delete(delete::DeleteArgs),
}

pub(crate) fn run(context: &Context, command: TokenCommand) -> Outcome {
    match command {
        TokenCommand::Create(args) => create::run(context, &args),
        TokenCommand::List(args) => list::run(context, &args),
        TokenCommand::Show(args) => show::run(context, &args),
        TokenCommand::Test(args) => test::run(context, &args),
        TokenCommand::Identify(args) => identify::run(context, &args),
        TokenCommand::Rotate(args) => rotate::run(context, &args),
        TokenCommand::Renew(args) => renew::run(context, &args),
        TokenCommand::Enable(args) => switch::enable(context, &args),
        TokenCommand::Disable(args) => switch::disable(context, &args),
        TokenCommand::Delete(args) => delete::run(context, &args),
    }
}

/// The token of that name.
fn find(authority: &CertificateAuthority, name: &TokenName) -> Result<TokenRecord, CommandError> {
    let token = authority.store().token(name)?;
    token.ok_or_else(|| no_such_token(name))
}

fn no_such_token(name: &TokenName) -> CommandError {
    CommandError::new(Kind::NotFound, format!("there is no token {name}"))
        .hint("`postern token list` shows what there is")
}

/// The class of a recorded token; one that we do not know is taken for the common one.
fn class_of(token: &TokenRecord) -> TokenClass {
    TokenClass::parse(&token.class).unwrap_or(TokenClass::Service)
}

/// Says what became of a token: a sentence for people, the token as it is now for machines.
fn print_changed(context: &Context, text: &str, token: Value) -> Result<(), CommandError> {
    tell(text);
    match context.format {
        Format::Table => Ok(()),
        Format::Json | Format::Jsonl => print_object(context.format, "postern.token/1", &[], token),
    }
}

/// Why something is done, for the record.
fn reason(text: &str) -> Result<String, String> {
    let fits = (1..=256).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| String::from("a reason has 1 to 256 printable characters"))
}

fn name(text: &str) -> Result<TokenName, String> {
    TokenName::parse(text).map_err(|error| error.to_string())
}

impl From<postern_ca::NoRandomness> for CommandError {
    fn from(error: postern_ca::NoRandomness) -> Self {
        Self::new(Kind::Failure, error)
    }
}
