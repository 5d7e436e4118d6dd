//! `postern token renew`

use clap::Args;
use postern_ca::{EdgeObject, TokenRecord};
use postern_cloudflare::access::ServiceTokenUpdate;
use postern_policy::TokenName;
use serde_json::json;

use super::list;
use super::record::recorded_anywhere;
use super::terms::{Life, LifeArgs};
use crate::cloudflare::CloudflareArgs;
use crate::cloudflare::lock::Turn;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::passphrase::PassphraseArgs;
use crate::time;

/// Let a token live longer with the secret that it has
///
/// Examples:
///   postern token renew ci-deploy-prod
///   postern token renew ci-deploy-prod --duration 30d
///
/// The secret stays the same: whoever has it keeps it. A new secret is `postern token rotate`.
/// Without --duration, the life of its class counts from now.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RenewArgs {
    /// The token's name
    #[arg(value_parser = super::name)]
    name: TokenName,
    #[command(flatten)]
    life: LifeArgs,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(crate) fn run(context: &Context, args: &RenewArgs) -> Outcome {
    let authority = context.authority()?;
    let _turn = Turn::of_token(context.home(), &args.name)?;
    let token = super::find(&authority, &args.name)?;
    let life = args.life.life(super::class_of(&token))?;
    let passphrase = args.passphrase.unlocking(&authority)?;
    let now = time::now();
    let unlocked = authority.unlock(passphrase.as_ref(), now)?;
    let at_edge = recorded_anywhere(authority.store(), &args.name)?;
    let ends = match at_edge {
        Some(object) => at_cloudflare(context, args, &object, life, now)?,
        None => life.ends_at(now),
    };
    let renewed = unlocked
        .change_token(&args.name, move |life| life.expires_at = ends, now)
        .map_err(|error| {
            CommandError::from(error).partly(
                "Cloudflare has the new end, our table does not: run the same command again",
            )
        })?;
    told(context, &token, &renewed)?;
    DONE
}

/// Moves the end at Cloudflare; the end as Cloudflare has it now.
fn at_cloudflare(
    context: &Context,
    args: &RenewArgs,
    object: &EdgeObject,
    life: Life,
    now: u64,
) -> Result<u64, CommandError> {
    let Some(id) = object.remote_id.as_deref() else {
        return Ok(life.ends_at(now));
    };
    let edge = args.cloudflare.connect_to(context, object)?;
    let update = ServiceTokenUpdate {
        name: Some(args.name.to_string()),
        duration: Some(life.for_cloudflare()),
        ..ServiceTokenUpdate::default()
    };
    let scope = edge.scope();
    let token = edge.run(edge.client.update_service_token(&scope, id, &update));
    let token = token.map_err(|error| {
        let told = CommandError::from(error);
        if told.kind == Kind::NotFound {
            return told.hint("it is deleted there: `postern token delete`, then `create`");
        }
        told
    })?;
    let ends = token.expires_at().map(time::parse_rfc3339);
    Ok(ends
        .and_then(Result::ok)
        .unwrap_or_else(|| life.ends_at(now)))
}

fn told(context: &Context, before: &TokenRecord, after: &TokenRecord) -> Result<(), CommandError> {
    let ended = time::rfc3339(before.expires_at);
    let text = format!(
        "{0} is good until {1} ({ended} before), with the same secret as before; \
         `postern token rotate {0}` gives it a new one.",
        after.name,
        time::rfc3339(after.expires_at),
    );
    let mut renewed = list::json(after, time::now());
    renewed["previous_expires_at"] = json!(ended);
    super::print_changed(context, &text, renewed)
}
