//! `postern cert …`

use clap::Subcommand;

use super::Outcome;
use crate::context::Context;

mod delivery;
mod identify;
mod issue;
mod list;
mod renew;
mod request;
mod revoke;
mod show;
mod sign;
mod verify;

pub(crate) use issue::{NewCertificate, issue};
pub(crate) use revoke::revoke_name;
pub(crate) use show::{Links, json as certificate_json};

#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    Request(request::RequestArgs),
    Sign(sign::SignArgs),
    Issue(issue::IssueArgs),
    List(list::ListArgs),
    Show(show::ShowArgs),
    Verify(verify::VerifyArgs),
    Renew(renew::RenewArgs),
    Revoke(revoke::RevokeArgs),
    Identify(identify::IdentifyArgs),
}

pub(crate) fn run(context: &Context, command: CertCommand) -> Outcome {
    match command {
        CertCommand::Request(args) => request::run(context, &args),
        CertCommand::Sign(args) => sign::run(context, &args),
        CertCommand::Issue(args) => issue::run(context, &args),
        CertCommand::List(args) => list::run(context, &args),
        CertCommand::Show(args) => show::run(context, &args),
        CertCommand::Verify(args) => verify::run(context, &args),
        CertCommand::Renew(args) => renew::run(context, &args),
        CertCommand::Revoke(args) => revoke::run(context, &args),
        CertCommand::Identify(args) => identify::run(context, &args),
    }
}
