//! `postern cloudflare …`

use clap::Subcommand;

use super::Outcome;
use crate::context::Context;

mod adopt;
mod apply;
mod doctor;
mod export;
mod plan;
mod report;
mod status;
mod sync;
mod teardown;

pub(crate) use apply::carry_out;

#[derive(Debug, Subcommand)]
pub(crate) enum CloudflareCommand {
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    Sync(sync::SyncArgs),
    Status(status::StatusArgs),
    Doctor(doctor::DoctorArgs),
    Adopt(adopt::AdoptArgs),
    /// Write what is ours there for another tool
    #[command(subcommand)]
    Export(export::ExportCommand),
    Teardown(teardown::TeardownArgs),
}

pub(crate) fn run(context: &Context, command: CloudflareCommand) -> Outcome {
    match command {
        CloudflareCommand::Plan(args) => plan::run(context, &args),
        CloudflareCommand::Apply(args) => apply::run(context, &args),
        CloudflareCommand::Sync(args) => sync::run(context, &args),
        CloudflareCommand::Status(args) => status::run(context, &args),
        CloudflareCommand::Doctor(args) => doctor::run(context, &args),
        CloudflareCommand::Export(command) => export::run(context, &command),
        CloudflareCommand::Adopt(args) => adopt::run(context, &args),
        CloudflareCommand::Teardown(args) => teardown::run(context, &args),
    }
}
