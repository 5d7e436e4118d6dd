//! `postern cloudflare export`

use clap::{Args, Subcommand};
use postern_cloudflare::{Breadth, terraform};

use crate::cloudflare::CloudflareArgs;
use crate::cloudflare::situation::Situation;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::output::print;

#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    Terraform(TerraformArgs),
}

/// Write what Postern owns at Cloudflare as Terraform resources with import blocks, without secrets
///
/// Examples:
///   postern cloudflare export terraform > cloudflare.tf
///
/// For version 5 of the Cloudflare provider. Then set `managed_by = "terraform"` in
/// [application.cloudflare]: from that on Postern reports what differs there and writes nothing.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct TerraformArgs {
    #[command(flatten)]
    cloudflare: CloudflareArgs,
}

pub(crate) fn run(context: &Context, command: &ExportCommand) -> Outcome {
    let ExportCommand::Terraform(args) = command;
    let config = context.config()?;
    let authority = context.authority()?;
    let edge = args.cloudflare.connect(context)?;
    let situation = Situation::read(&config, &authority, &edge, Breadth::Ours)?;
    let text = terraform::export(
        &edge.account,
        &situation.translation.desired,
        &situation.remote,
        &situation.ledger,
    );
    print(&text)?;
    DONE
}
