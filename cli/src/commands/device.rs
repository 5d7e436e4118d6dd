//! `postern device …`

use clap::Subcommand;
use postern_ca::{CertificateAuthority, Device, DeviceRecord, DeviceSelection, Label, TokenRecord};
use serde_json::{Value, json};

use super::Outcome;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::time;

mod import;
mod list;
mod revoke;
mod show;

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    Import(import::ImportArgs),
    List(list::ListArgs),
    Show(show::ShowArgs),
    Revoke(Box<revoke::RevokeArgs>),
}

pub(crate) fn run(context: &Context, command: DeviceCommand) -> Outcome {
    match command {
        DeviceCommand::Import(args) => import::run(context, &args),
        DeviceCommand::List(args) => list::run(context, &args),
        DeviceCommand::Show(args) => show::run(context, &args),
        DeviceCommand::Revoke(args) => revoke::run(context, &args),
    }
}

/// The device of that name; none is an error.
fn find(authority: &CertificateAuthority, name: &str) -> Result<Device, CommandError> {
    let selection = DeviceSelection {
        name: Some(name.to_owned()),
        ..DeviceSelection::default()
    };
    let found = authority.store().devices(&selection)?.pop();
    found.ok_or_else(|| {
        CommandError::new(Kind::NotFound, format!("there is no device {name:?}"))
            .hint("`postern device list` shows what there is; names match exactly")
    })
}

/// The devices with all of these labels, oldest first, of which `wanted` says yes. Page by page: a
/// fleet with its certificates need not fit into memory to find some of it.
fn matching(
    authority: &CertificateAuthority,
    labels: &[Label],
    wanted: impl Fn(&Device) -> bool,
) -> Result<Vec<Device>, CommandError> {
    const PAGE: u32 = 1000;
    let mut selection = DeviceSelection {
        limit: Some(PAGE),
        ..DeviceSelection::default()
    };
    let is_labelled = |device: &Device| {
        let mut labels = labels.iter();
        labels.all(|label| device.record.labels.contain(label))
    };
    let mut found = Vec::new();
    loop {
        let page = authority.store().devices(&selection)?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        selection.after = Some(last.record.id);
        let page = page.into_iter();
        found.extend(page.filter(|device| is_labelled(device) && wanted(device)));
    }
}

/// The tokens that belong to one of these devices.
fn tokens_of(
    authority: &CertificateAuthority,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Vec<TokenRecord>, CommandError> {
    let mut tokens = authority.store().tokens()?;
    tokens.retain(|token| token.device().is_some_and(|device| is_meant(&device)));
    Ok(tokens)
}

fn json(device: &Device, now: u64) -> Value {
    let DeviceRecord {
        name,
        owner,
        labels,
        profile,
        created_at,
        revocation,
        ..
    } = &device.record;
    let mark = revocation.as_ref();
    json!({
        "name": name,
        "state": device.state_at(now).as_str(),
        "owner": owner,
        "labels": labels,
        "profile": profile,
        "created_at": time::rfc3339(*created_at),
        "not_after": device.ends_at(now).map(time::rfc3339),
        "revoked_at": mark.map(|mark| time::rfc3339(mark.at)),
        "revocation_reason": mark.map(|mark| mark.reason),
        "revoked_by": mark.map(|mark| mark.by.clone()),
        "note": mark.and_then(|mark| mark.note.clone()),
    })
}
