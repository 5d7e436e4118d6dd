//! `postern token list`

mod usage;

use std::time::Duration;

use clap::Args;
use postern_ca::{CertificateAuthority, TokenRecord};
use serde_json::{Value, json};

use crate::cadence::rotation_due;
use crate::cloudflare::CloudflareArgs;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::CommandError;
use crate::evidence::{EventsArgs, Evidence};
use crate::output::{Format, Listing, Row, tell};
use crate::time;
use usage::{AtCloudflare, LastSeen, Usage};

/// List service tokens by name
///
/// Examples:
///   postern token list
///   postern token list --unused 30d
///   postern token list --unused 30d --events /var/log/postern/events.jsonl -o json
///
/// When a token was used last is told by the gateways' events, and for one that is at Cloudflare
/// too by Access: --unused asks it where there is an API token (and asks nobody for one). A token
/// that nobody could be asked about is never called unused.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ListArgs {
    /// Only those older than this time and not used in it, such as 30d
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration)]
    unused: Option<Duration>,
    #[command(flatten)]
    events: EventsArgs,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
}

pub(crate) fn run(context: &Context, args: &ListArgs) -> Outcome {
    let authority = context.authority()?;
    let now = time::now();
    let mut at_cloudflare = AtCloudflare::of(authority.store())?;
    if args.unused.is_some() {
        at_cloudflare.ask(authority.store(), &args.cloudflare)?;
    }
    let evidence = evidence(context, args, &at_cloudflare)?;
    let mut rows = Vec::new();
    let mut unknown = 0;
    for token in authority.store().tokens()? {
        let usage = Usage::of(&token, &at_cloudflare, evidence.as_ref());
        if let Some(unused) = args.unused {
            let since = now.saturating_sub(unused.as_secs());
            if token.created_at > since || !usage.is_unused_since(since) {
                unknown += u64::from(token.created_at <= since && !usage.is_known);
                continue;
            }
        }
        rows.push(row(&authority, &token, &usage, now)?);
    }
    if let Some(unused) = args.unused {
        say_what_is_not_known(unused, evidence.as_ref(), unknown, now);
    }
    print(context.format, rows)?;
    DONE
}

/// The gateways' events, where they are wanted. Where no file is known, what Cloudflare says has to
/// do.
fn evidence(
    context: &Context,
    args: &ListArgs,
    at_cloudflare: &AtCloudflare,
) -> Result<Option<Evidence>, CommandError> {
    if args.unused.is_none() && args.events.is_empty() {
        return Ok(None);
    }
    match args.events.read_if_known(context)? {
        None if at_cloudflare.was_asked() => Ok(None),
        None => args.events.read(context).map(Some),
        Some(evidence) => Ok(Some(evidence)),
    }
}

/// What was used before the events begin is not known: unused is then a guess.
fn say_what_is_not_known(unused: Duration, evidence: Option<&Evidence>, unknown: u64, now: u64) {
    match evidence.and_then(Evidence::since) {
        Some(since) if since > now.saturating_sub(unused.as_secs()) => tell(&format!(
            "The events begin at {}: what was used before is not known.",
            time::rfc3339(since)
        )),
        None => tell("There are no events: what was used at a gateway is not known."),
        Some(_) => {}
    }
    if unknown > 0 {
        tell(&format!(
            "{unknown} tokens may have been used where nobody was asked: --events names gateways' events, --api-token-file a token for Cloudflare."
        ));
    }
}

fn row(
    authority: &CertificateAuthority,
    token: &TokenRecord,
    usage: &Usage,
    now: u64,
) -> Result<Row, CommandError> {
    let due = rotation_due(authority.store(), token)?;
    let last = match usage.last {
        LastSeen::At(at) => time::relative(at, now),
        LastSeen::Never => String::from("never"),
        LastSeen::Unknown => String::new(),
    };
    let mut cells = cells(token, now);
    let client_id = cells.pop();
    cells.extend([
        usage.origin.as_str().to_owned(),
        time::relative(due, now),
        last,
    ]);
    cells.extend(client_id);
    let mut json = json(token, now);
    json["at"] = json!(usage.origin.as_str());
    json["rotation_due_at"] = json!(time::rfc3339(due));
    json["last_seen_at"] = json!(usage.last.time().map(time::rfc3339));
    json["secrets"] = usage.secrets_json();
    Ok(Row { cells, json })
}

fn print(format: Format, rows: Vec<Row>) -> Result<(), CommandError> {
    let columns = &[
        "NAME",
        "STATE",
        "CLASS",
        "OWNER",
        "EXPIRES",
        "ENDS",
        "AT",
        "ROTATE",
        "LAST SEEN",
        "CLIENT ID",
    ];
    Listing {
        schema: SCHEMA,
        columns,
        rows,
    }
    .print(format)
}

pub(super) fn print_tokens(
    format: Format,
    tokens: &[TokenRecord],
    now: u64,
) -> Result<(), CommandError> {
    let columns = &[
        "NAME",
        "STATE",
        "CLASS",
        "OWNER",
        "EXPIRES",
        "ENDS",
        "CLIENT ID",
    ];
    let rows = tokens.iter().map(|token| Row {
        cells: cells(token, now),
        json: json(token, now),
    });
    Listing {
        schema: SCHEMA,
        columns,
        rows: rows.collect(),
    }
    .print(format)
}

const SCHEMA: &str = "postern.tokens/1";

pub(crate) fn state(token: &TokenRecord, now: u64) -> &'static str {
    match (token.expires_at <= now, token.enabled) {
        (true, _) => "expired",
        (false, true) => "enabled",
        (false, false) => "disabled",
    }
}

fn cells(token: &TokenRecord, now: u64) -> Vec<String> {
    vec![
        token.name.to_string(),
        state(token, now).to_owned(),
        token.class.clone(),
        token.owner.clone().unwrap_or_default(),
        time::rfc3339(token.expires_at),
        time::relative(token.expires_at, now),
        token.client_id.clone(),
    ]
}

pub(super) fn json(token: &TokenRecord, now: u64) -> Value {
    json!({
        "name": token.name.as_str(),
        "state": state(token, now),
        "class": token.class,
        "owner": token.owner,
        "client_id": token.client_id,
        "created_at": time::rfc3339(token.created_at),
        "created_by": token.created_by,
        "expires_at": time::rfc3339(token.expires_at),
    })
}
