//! `postern device revoke`

use std::collections::BTreeSet;

use clap::Args;
use postern_ca::{CertificateAuthority, Device, Label, RevokedDevice, TokenRecord};
use serde_json::{Value, json};

use super::{find, matching, tokens_of};
use crate::commands::token::disable_at_edge;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::{Format, Listing, Row, tell};
use crate::revocation::RevocationArgs;
use crate::time;

/// Revoke devices: every live certificate, their tokens, and their right to another certificate
///
/// Examples:
///   postern device revoke press-7.factory.corp --reason key-compromise --note "stolen, ticket 4711"
///   postern device revoke press-7.factory.corp press-8.factory.corp
///   postern device revoke --label site=plant-2 --dry-run
///
/// All of it is one transaction, and gateways refuse it and cut live connections within a second.
/// It needs no passphrase. From then on `cert issue`, `cert sign` and `cert renew` refuse the name,
/// and its tokens (`token create --device NAME`) cannot be enabled. There is no way back: the
/// machine that takes its place gets a name of its own. Revoking what is revoked already changes
/// nothing and is no error.
///
/// Where Postern owns objects at Cloudflare the edge is closed too, as `cert revoke` does it, and
/// the device's tokens that Cloudflare minted are disabled there. The revocation here is durable
/// first; if Cloudflare is out of reach the change stays pending, and the exit code is 7.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    revocation: RevocationArgs,
}

/// Which devices are meant.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The devices' names
    name: Vec<String>,
    /// Every device with this label; repeatable, and then all of them
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<Label>,
}

pub(crate) fn run(context: &Context, args: &RevokeArgs) -> Outcome {
    let authority = context.authority()?;
    let revocation = &args.revocation;
    let now = time::now();
    let meant = args.which.find(&authority)?;
    let names: BTreeSet<String> = meant.iter().map(|it| it.record.name.clone()).collect();
    say_what_was_revoked_before(&meant);
    if revocation.dry_run {
        let tokens = tokens_of(&authority, |device| names.contains(device))?;
        let would = meant
            .into_iter()
            .map(|device| would_be_revoked(device, &tokens, now));
        print(context.format, &would.collect::<Vec<_>>())?;
        return DONE;
    }
    let (reason, note) = (revocation.reason, revocation.note.clone());
    let in_order = names.iter().cloned().collect();
    let edge = revocation.edge_change(&authority, &with_a_live_certificate(&meant, now));
    let revoked = authority.revoke_devices(in_order, reason, note, edge, now)?;
    print(context.format, &revoked)?;
    let refused = revoked.iter().filter(|one| !one.certificates.is_empty());
    let refused = refused.map(|one| one.device.name.clone()).collect();
    // Both are tried: neither may keep the other from happening. Tokens are looked up again, for
    // one may have been made since; and all of them, for an earlier try may have missed some.
    let spread = revocation.spread(context, &authority, &refused);
    let tokens = tokens_of(&authority, |device| names.contains(device))?;
    let tokens = tokens.into_iter().map(|token| token.name);
    let edge = (!revocation.no_edge).then_some(&revocation.cloudflare);
    let disabled = disable_at_edge(&authority, edge, tokens);
    spread.and(disabled).and(DONE)
}

impl Which {
    fn find(&self, authority: &CertificateAuthority) -> Result<Vec<Device>, CommandError> {
        if self.label.is_empty() {
            let names: BTreeSet<&String> = self.name.iter().collect();
            return names
                .into_iter()
                .map(|name| find(authority, name))
                .collect();
        }
        let found = matching(authority, &self.label, |_| true)?;
        if found.is_empty() {
            let message = "no device has all of these labels: nothing was revoked";
            return Err(CommandError::new(Kind::NotFound, message)
                .hint("`postern device list` shows devices and their labels"));
        }
        Ok(found)
    }
}

fn with_a_live_certificate(meant: &[Device], now: u64) -> BTreeSet<String> {
    let live = meant
        .iter()
        .filter(|device| device.certificates.iter().any(|one| one.is_live(now)));
    live.map(|device| device.record.name.clone()).collect()
}

fn would_be_revoked(device: Device, tokens: &[TokenRecord], now: u64) -> RevokedDevice {
    let is_its = |token: &&TokenRecord| {
        token.enabled && token.device().as_deref() == Some(device.record.name.as_str())
    };
    let tokens = tokens.iter().filter(is_its).map(|token| token.name.clone());
    let tokens = tokens.collect();
    let certificates = device.certificates.into_iter();
    RevokedDevice {
        device: device.record,
        certificates: certificates.filter(|one| one.is_live(now)).collect(),
        tokens,
    }
}

fn say_what_was_revoked_before(meant: &[Device]) {
    for Device { record, .. } in meant {
        if let Some(mark) = &record.revocation {
            let (at, by) = (time::rfc3339(mark.at), &mark.by);
            tell(&format!(
                "{} was revoked on {at} by {by} already",
                record.name
            ));
        }
    }
}

fn print(format: Format, revoked: &[RevokedDevice]) -> Result<(), CommandError> {
    let rows = revoked.iter().map(|one| Row {
        cells: vec![
            one.device.name.clone(),
            one.certificates.len().to_string(),
            one.tokens.len().to_string(),
            one.device.owner.clone().unwrap_or_default(),
            one.device.labels.to_string(),
        ],
        json: json(one),
    });
    Listing {
        schema: "postern.device-revocations/1",
        columns: &["NAME", "CERTIFICATES", "TOKENS", "OWNER", "LABELS"],
        rows: rows.collect(),
    }
    .print(format)
}

fn json(revoked: &RevokedDevice) -> Value {
    let serials = revoked.certificates.iter().map(|one| one.serial);
    let tokens = revoked.tokens.iter().map(|name| name.as_str());
    json!({
        "name": revoked.device.name,
        "owner": revoked.device.owner,
        "labels": revoked.device.labels,
        "certificates": serials.collect::<Vec<_>>(),
        "tokens": tokens.collect::<Vec<_>>(),
    })
}
