//! `postern device show`

use clap::Args;
use postern_ca::{CertificateRecord, Device, TokenRecord};
use serde_json::{Value, json};

use super::{find, tokens_of};
use crate::commands::cert::{Links, certificate_json};
use crate::commands::token::state;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::output::print_object;
use crate::time;

/// Show a device: its certificates and which one follows which, its tokens
///
/// Examples:
///   postern device show press-7.factory.corp
///   postern device show press-7.factory.corp -o json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ShowArgs {
    /// The device's name
    name: String,
}

pub(crate) fn run(context: &Context, args: &ShowArgs) -> Outcome {
    let authority = context.authority()?;
    let now = time::now();
    let device = find(&authority, &args.name)?;
    let tokens = tokens_of(&authority, |name| name == args.name)?;
    let mut fields = fields(&device, now);
    let (mut certificates, mut renewals) = (Vec::new(), Vec::new());
    for record in &device.certificates {
        let links = Links::of(authority.store(), record)?;
        fields.push(("certificate", certificate_line(record, &links, now)));
        renewals.extend(links.predecessor.map(|predecessor| {
            let at = time::rfc3339(record.requested_at);
            json!({ "at": at, "serial": record.serial, "predecessor": predecessor })
        }));
        certificates.push(links.add_to(certificate_json(record, now)));
    }
    fields.extend(tokens.iter().map(|token| ("token", token_line(token, now))));
    let mut json = super::json(&device, now);
    json["certificates"] = Value::from(certificates);
    json["renewals"] = Value::from(renewals);
    json["tokens"] = tokens.iter().map(|token| token_json(token, now)).collect();
    print_object(context.format, "postern.device/1", &fields, json)?;
    DONE
}

fn fields(device: &Device, now: u64) -> Vec<(&'static str, String)> {
    let record = &device.record;
    let mut fields = vec![
        ("name", record.name.clone()),
        ("state", device.state_at(now).as_str().to_owned()),
        ("owner", record.owner.clone().unwrap_or_default()),
        ("labels", record.labels.to_string()),
        ("profile", record.profile.clone().unwrap_or_default()),
        ("known since", time::rfc3339(record.created_at)),
    ];
    if let Some(mark) = &record.revocation {
        let at = time::rfc3339(mark.at);
        fields.push(("revoked", format!("{at} ({}) by {}", mark.reason, mark.by)));
        fields.extend(mark.note.clone().map(|note| ("note", note)));
    }
    fields
}

fn certificate_line(record: &CertificateRecord, links: &Links, now: u64) -> String {
    let (serial, state) = (record.serial, record.state_at(now).as_str());
    let ends = time::relative(record.not_after, now);
    let mut line = format!("{serial} {state}, ends {ends}");
    if let Some(predecessor) = &links.predecessor {
        line.push_str(&format!(", takes the place of {predecessor}"));
    }
    line
}

fn token_line(token: &TokenRecord, now: u64) -> String {
    let ends = time::relative(token.expires_at, now);
    let state = state(token, now);
    format!("{} {state}, ends {ends}", token.name)
}

fn token_json(token: &TokenRecord, now: u64) -> Value {
    json!({
        "name": token.name.as_str(),
        "state": state(token, now),
        "client_id": token.client_id,
        "expires_at": time::rfc3339(token.expires_at),
    })
}
