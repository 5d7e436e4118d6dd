//! `postern cloudflare …`

use clap::Subcommand;

use super::Outcome;
use crate::context::Context;

mod adopt;
mod apply;
mod plan;
mod report;
mod teardown;

#[derive(Debug, Subcommand)]
pub(crate) enum CloudflareCommand {
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    Adopt(adopt::AdoptArgs),
    Teardown(teardown::TeardownArgs),
}

pub(crate) fn run(context: &Context, command: CloudflareCommand) -> Outcome {
    match command {
        CloudflareCommand::Plan(args) => plan::run(context, &args),
        CloudflareCommand::Apply(args) => apply::run(context, &args),
        CloudflareCommand::Adopt(args) => adopt::run(context, &args),
        CloudflareCommand::Teardown(args) => teardown::run(context, &args),
    }
}
