//! `postern token …`

use clap::{Args, Subcommand};
use postern_policy::TokenName;

use super::{DONE, Outcome};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::tell;
use crate::passphrase::PassphraseArgs;
use crate::time;

mod create;
mod identify;
mod list;
mod policies;
mod record;
mod steps;
mod terms;

pub(crate) use create::create_at_gateway;
pub(crate) use terms::{Life, Terms};

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    Create(create::CreateArgs),
    List(list::ListArgs),
    Identify(identify::IdentifyArgs),
    Enable(EnableArgs),
    Disable(NameArgs),
    Delete(DeleteArgs),
}

/// Accept a disabled token again; needs the passphrase
///
/// Examples:
///   postern token enable ci-deploy-prod
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct EnableArgs {
    /// The token's name
    #[arg(value_parser = name)]
    name: TokenName,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Refuse a token until it is enabled; needs no passphrase
///
/// Examples:
///   postern token disable ci-deploy-prod
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct NameArgs {
    /// The token's name
    #[arg(value_parser = name)]
    name: TokenName,
}

/// Delete a token for good; needs no passphrase
///
/// Examples:
///   postern token delete ci-deploy-prod
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DeleteArgs {
    /// The token's name
    #[arg(value_parser = name)]
    name: TokenName,
}

pub(crate) fn run(context: &Context, command: TokenCommand) -> Outcome {
    match command {
        TokenCommand::Create(args) => create::run(context, &args),
        TokenCommand::List(args) => list::run(context, &args),
        TokenCommand::Identify(args) => identify::run(context, &args),
        TokenCommand::Enable(args) => enable(context, &args),
        TokenCommand::Disable(args) => disable(context, &args.name),
        TokenCommand::Delete(args) => delete(context, &args.name),
    }
}

fn enable(context: &Context, args: &EnableArgs) -> Outcome {
    let authority = context.authority()?;
    let passphrase = args.passphrase.unlocking(&authority)?;
    let now = time::now();
    authority
        .unlock(passphrase.as_ref(), now)?
        .enable_token(&args.name, now)?;
    tell(&format!("{} is accepted from now on.", args.name));
    DONE
}

fn disable(context: &Context, name: &TokenName) -> Outcome {
    context.authority()?.disable_token(name, time::now())?;
    tell(&format!(
        "{name} is refused from now on; `postern token enable {name}` lifts it."
    ));
    DONE
}

fn delete(context: &Context, name: &TokenName) -> Outcome {
    context.authority()?.delete_token(name, time::now())?;
    tell(&format!("{name} is gone."));
    DONE
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
        Self::new(crate::error::Kind::Failure, error)
    }
}
