//! `postern token list`

use clap::Args;
use postern_ca::TokenRecord;
use serde_json::{Value, json};

use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Format, Listing, Row};
use crate::time;

/// List service tokens by name
///
/// Examples:
///   postern token list
///   postern token list -o json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ListArgs {}

pub(crate) fn run(context: &Context, _: &ListArgs) -> Outcome {
    let authority = context.authority()?;
    print_tokens(context.format, &authority.store().tokens()?, time::now())?;
    DONE
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
        schema: "postern.tokens/1",
        columns,
        rows: rows.collect(),
    }
    .print(format)
}

fn state(token: &TokenRecord, now: u64) -> &'static str {
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

fn json(token: &TokenRecord, now: u64) -> Value {
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
