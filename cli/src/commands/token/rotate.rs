//! `postern token rotate`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use postern_policy::TokenName;

use super::probing::ProbingArgs;
use crate::cloudflare::CloudflareArgs;
use crate::commands::{Outcome, owner};
use crate::context::Context;
use crate::delivery::DeliveryArgs;
use crate::evidence::EventsArgs;
use crate::passphrase::PassphraseArgs;
use crate::time;

mod drill;
mod effects;
mod journal;
mod observe;
mod parallel;
mod runner;
mod start;
mod status;
mod succession;
mod under_way;

pub(crate) use succession::successors;

/// Give a token a new secret, and retire the old one when it is no longer in use
///
/// Examples:
///   postern token rotate ci-deploy-prod --out token.json --format json --test https://api.example.com/health
///   postern token rotate ci-deploy-prod --resume
///   postern token rotate ci-deploy-prod --reason compromised --out token.json --test https://api.example.com/health
///   postern token rotate ci-deploy-prod --resume --force --reason "consumer is gone, asked payments"
///   postern token rotate --owner payments --out secrets/
///   postern token rotate --status
///
/// Old and new secret are good side by side for --overlap. The old one is retired when a log has
/// seen the new one since it was delivered and none the old one for --quiet-for: the gateways'
/// events tell two secrets of one token apart, Cloudflare's log only two tokens (--parallel). What
/// is not known waits: exit 10, and --resume goes on. At Cloudflare the old secret also ends by
/// itself when the overlap is over. --reason takes `compromised` (no overlap: the old secret is
/// retired as soon as the new one is delivered; a rotation under way is taken over), `departure`,
/// `decommission` (out of the policies, then deleted; nothing new), or your own words.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RotateArgs {
    /// The token's name
    #[arg(value_parser = super::name, required_unless_present_any = ["owner", "status", "drill"])]
    name: Option<TokenName>,
    /// Every token of this owner, who has left; --out is then a folder
    #[arg(long, value_name = "OWNER", value_parser = owner, conflicts_with_all = ["name", "abort", "resume"])]
    owner: Option<String>,
    /// Show how far rotations are
    #[arg(long, conflicts_with_all = ["resume", "abort", "drill"])]
    status: bool,
    /// Go on with the rotation under way
    #[arg(long, conflicts_with_all = ["abort", "drill"])]
    resume: bool,
    /// Give up the rotation under way, while the old secret can still be kept
    #[arg(long, conflicts_with = "drill")]
    abort: bool,
    /// Rehearse everything on a throw-away token of an emulator on loopback
    #[arg(long, conflicts_with_all = ["name", "owner"])]
    drill: bool,
    #[command(flatten)]
    delivery: DeliveryArgs,
    /// Put the new secret into a second token, NAME-v2, in the same policies
    #[arg(long)]
    parallel: bool,
    /// How long the old secret is good beside the new one; without it, 1h
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration)]
    overlap: Option<Duration>,
    /// How long the old secret must not have been seen; without it, 15m
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration)]
    quiet_for: Option<Duration>,
    /// Why: compromised, departure, decommission, or your own words
    #[arg(long, value_name = "REASON", value_parser = super::reason)]
    reason: Option<String>,
    /// Refuse the token before anything else, and accept it again after the delivery
    #[arg(long, requires = "reason", conflicts_with = "parallel")]
    disable_first: bool,
    /// Retire the old secret without evidence; needs --reason
    #[arg(long, requires = "reason")]
    force: bool,
    /// The file with the old secret, to see that it is refused; `-` is standard input
    #[arg(long, value_name = "FILE")]
    old: Option<PathBuf>,
    /// A URL to try the new secret on; repeatable
    #[arg(long, value_name = "URL")]
    test: Vec<String>,
    #[command(flatten)]
    probing: ProbingArgs,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl RotateArgs {
    fn overlap(&self) -> Duration {
        self.overlap.unwrap_or(OVERLAP)
    }

    fn quiet_for(&self) -> Duration {
        self.quiet_for.unwrap_or(QUIET_FOR)
    }
}

pub(crate) fn run(context: &Context, args: &RotateArgs) -> Outcome {
    match (&args.name, &args.owner) {
        _ if args.drill => drill::run(context, args),
        (name, _) if args.status => status::run(context, name.as_ref()),
        (Some(name), _) if args.abort => start::abort(context, args, name),
        (Some(name), _) => start::rotate(context, args, name),
        (None, Some(owner)) => start::rotate_all(context, args, owner),
        // clap demands a name where there is nothing else.
        (None, None) => status::run(context, None),
    }
}

const OVERLAP: Duration = Duration::from_secs(60 * 60);
const QUIET_FOR: Duration = Duration::from_secs(15 * 60);
