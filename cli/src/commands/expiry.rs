//! `postern expiry …`

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use postern_ca::{CertificateAuthority, CertificateState, IssuerRole, Selection};
use serde_json::{Value, json};

use super::{DONE, Outcome};
use crate::cadence::rotation_due;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::{Format, Listing, Row, tell};
use crate::time;

#[derive(Debug, Subcommand)]
pub(crate) enum ExpiryCommand {
    List(ListArgs),
    Check(CheckArgs),
}

/// List everything that ends, soonest first
///
/// Examples:
///   postern expiry list
///   postern expiry list --within 90d -o json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ListArgs {
    /// Only what ends within this time
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration, default_value = "3650d")]
    within: Duration,
}

/// Exit with 10 when something ends soon: for timers and monitoring
///
/// Examples:
///   postern expiry check --within 30d
///
/// Certificates, tokens, issuers and the publisher are due within that time before their end, or
/// after it where nothing replaced them; a CRL is due when half of its life is over; a rotation
/// when a token's newest secret is two thirds as old as tokens of its class get (ci 90 days,
/// service 180 days, high 30 days).
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CheckArgs {
    /// What ends within this time is due
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration, default_value = "30d")]
    within: Duration,
}

/// One thing that ends.
pub(super) struct Ending {
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// Of a token.
    class: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) at: u64,
    /// From when on somebody should do something.
    due: u64,
}

pub(crate) fn run(context: &Context, command: ExpiryCommand) -> Outcome {
    let authority = context.authority()?;
    let now = time::now();
    match command {
        ExpiryCommand::List(args) => {
            let horizon = now.saturating_add(args.within.as_secs());
            let mut endings = endings(&authority, args.within, now)?;
            endings.retain(|ending| ending.at <= horizon);
            print(context.format, &endings, now)?;
            DONE
        }
        ExpiryCommand::Check(args) => {
            let due = due(&authority, args.within, now)?;
            print(context.format, &due, now)?;
            tell(&format!(
                "{} due within {} days",
                due.len(),
                args.within.as_secs() / 86_400
            ));
            Ok(if due.is_empty() {
                ExitCode::SUCCESS
            } else {
                Kind::Pending.code()
            })
        }
    }
}

/// What somebody should do something about, soonest end first.
pub(super) fn due(
    authority: &CertificateAuthority,
    within: Duration,
    now: u64,
) -> Result<Vec<Ending>, CommandError> {
    let mut due = endings(authority, within, now)?;
    due.retain(|ending| ending.due <= now);
    Ok(due)
}

impl Ending {
    pub(super) fn json(&self) -> Value {
        json!({
            "kind": self.kind,
            "name": self.name,
            "class": self.class,
            "owner": self.owner,
            "not_after": time::rfc3339(self.at),
        })
    }
}

fn endings(
    authority: &CertificateAuthority,
    within: Duration,
    now: u64,
) -> Result<Vec<Ending>, CommandError> {
    let before = |at: u64| at.saturating_sub(within.as_secs());
    let mut endings = certificates(authority, now, before)?;
    endings.extend(tokens(authority, now, before)?);
    endings.extend(issuers(authority, before)?);
    endings.sort_by_key(|ending| ending.at);
    Ok(endings)
}

/// Each token, and where it is accepted when its secret is to be rotated.
fn tokens(
    authority: &CertificateAuthority,
    now: u64,
    before: impl Fn(u64) -> u64,
) -> Result<Vec<Ending>, CommandError> {
    let mut endings = Vec::new();
    for token in authority.store().tokens()? {
        let ending = |kind, at, due| Ending {
            kind,
            name: token.name.to_string(),
            class: Some(token.class.clone()),
            owner: token.owner.clone(),
            at,
            due,
        };
        let end = token.expires_at;
        endings.push(ending("token", end, before(end)));
        if token.enabled && now < end {
            let due = rotation_due(authority.store(), &token)?;
            endings.push(ending("rotation", due, due));
        }
    }
    Ok(endings)
}

/// The issuers and their CRLs.
fn issuers(
    authority: &CertificateAuthority,
    before: impl Fn(u64) -> u64,
) -> Result<Vec<Ending>, CommandError> {
    let mut endings = Vec::new();
    for issuer in authority.store().issuers()? {
        let end = issuer.certificate.not_after();
        let name = issuer.certificate.subject();
        if let Some(crl) = authority.store().crl(&issuer)? {
            let half = crl.this_update + (crl.next_update - crl.this_update) / 2;
            // The root's is renewed by hand, so it is due as certificates are.
            let due = if issuer.role == IssuerRole::Root {
                before(crl.next_update)
            } else {
                half
            };
            endings.push(Ending {
                kind: "crl",
                name: name.clone(),
                class: None,
                owner: None,
                at: crl.next_update,
                due,
            });
        }
        endings.push(Ending {
            kind: "issuer",
            name,
            class: None,
            owner: None,
            at: end,
            due: before(end),
        });
    }
    Ok(endings)
}

/// Of each name only the certificate that ends last: one that was renewed is not due. One that has
/// ended is listed for as long again as it would have been due before.
fn certificates(
    authority: &CertificateAuthority,
    now: u64,
    before: impl Fn(u64) -> u64,
) -> Result<Vec<Ending>, CommandError> {
    let mut endings: Vec<Ending> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for record in authority.store().certificates(&Selection::default())? {
        let has_news = match record.state_at(now) {
            CertificateState::Valid => true,
            CertificateState::Expired => before(now) < record.not_after,
            CertificateState::Pending | CertificateState::Held | CertificateState::Revoked => false,
        };
        if !has_news {
            continue;
        }
        let kind = if record.profile == "publisher" {
            "publisher"
        } else {
            "certificate"
        };
        let place = *places
            .entry((kind, record.issuer, record.common_name.clone()))
            .or_insert(endings.len());
        let ending = Ending {
            kind,
            name: record.common_name,
            class: None,
            owner: record.owner,
            at: record.not_after,
            due: before(record.not_after),
        };
        match endings.get_mut(place) {
            Some(known) if known.at < ending.at => *known = ending,
            Some(_) => {}
            None => endings.push(ending),
        }
    }
    Ok(endings)
}

fn print(format: Format, endings: &[Ending], now: u64) -> Result<(), CommandError> {
    let rows = endings.iter().map(|ending| Row {
        cells: vec![
            ending.kind.to_owned(),
            ending.name.clone(),
            time::rfc3339(ending.at),
            time::relative(ending.at, now),
            ending.class.clone().unwrap_or_default(),
            ending.owner.clone().unwrap_or_default(),
        ],
        json: {
            let mut json = ending.json();
            json["due"] = json!(ending.due <= now);
            json
        },
    });
    let columns = &["KIND", "NAME", "ENDS AT", "ENDS", "CLASS", "OWNER"];
    Listing {
        schema: "postern.expiry/1",
        columns,
        rows: rows.collect(),
    }
    .print(format)
}
