//! `postern cloudflare plan`

use clap::Args;
use postern_cloudflare::{Breadth, Consent, Consents};

use super::report;
use crate::cloudflare::CloudflareArgs;
use crate::cloudflare::situation::Situation;
use crate::commands::Outcome;
use crate::context::Context;

/// Show what `apply` would change at Cloudflare, and what the edge will not enforce
///
/// Examples:
///   postern cloudflare plan
///   postern cloudflare plan --allow-reorder
///   postern cloudflare plan -o json | jq '.statements[] | select(.gateway_only != [])'
///
/// Nothing is written. For every policy it says what the edge enforces and what only the gateway
/// enforces. Exit code 0: nothing to do; 10: something to do; 5: something stands in the way; 6: a
/// policy cannot be expressed at the edge.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) consents: ConsentArgs,
    #[command(flatten)]
    pub(crate) cloudflare: CloudflareArgs,
}

/// What goes beyond our own objects and their contents.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConsentArgs {
    /// Move policies that are not ours behind ours, each on a line of its own
    #[arg(long)]
    allow_reorder: bool,
    /// Repair the decision of a policy of ours, such as `allow` for a machine
    #[arg(long)]
    allow_decision_change: bool,
    /// The WAF rules that the plan prints are in place and block
    #[arg(long)]
    waf_in_place: bool,
    /// The clients of a CA that the file has no more have moved: remove it
    #[arg(long)]
    retire_old_ca: bool,
}

impl ConsentArgs {
    pub(crate) fn consents(self) -> Consents {
        Consents {
            reorder: consent(self.allow_reorder),
            decision_change: consent(self.allow_decision_change),
            waf: consent(self.waf_in_place),
            retire_authority: consent(self.retire_old_ca),
        }
    }
}

fn consent(given: bool) -> Consent {
    match given {
        true => Consent::Given,
        false => Consent::NotGiven,
    }
}

pub(crate) fn run(context: &Context, args: &PlanArgs) -> Outcome {
    let config = context.config()?;
    let authority = context.authority()?;
    let edge = args.cloudflare.connect(context)?;
    let situation = Situation::read(&config, &authority, &edge, Breadth::Ours)?;
    let plan = situation.plan(args.consents.consents());
    report::print(context.format, &edge, &situation, &plan)?;
    Ok(report::outcome(&plan))
}
