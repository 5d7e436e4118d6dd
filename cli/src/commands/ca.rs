//! `postern ca …`

use clap::Subcommand;

use super::Outcome;
use crate::context::Context;

mod crl;
mod init;
mod show;

pub(crate) use init::{Protection, inaugurate};

#[derive(Debug, Subcommand)]
pub(crate) enum CaCommand {
    Init(init::InitArgs),
    Show(show::ShowArgs),
    /// Publish and look at certificate revocation lists
    #[command(subcommand)]
    Crl(crl::CrlCommand),
}

pub(crate) fn run(context: &Context, command: CaCommand) -> Outcome {
    match command {
        CaCommand::Init(args) => init::run(context, &args),
        CaCommand::Show(args) => show::run(context, &args),
        CaCommand::Crl(command) => crl::run(context, command),
    }
}
