//! `postern status`

mod root_key;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use postern_ca::{EdgePending, IssuerRecord, RotationRecord, Store};
use serde_json::{Value, json};

use super::Outcome;
use super::expiry::{self, Ending};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::print_object;
use crate::time;
use root_key::RootKey;

/// Show on one screen how the CA is, and what somebody should do
///
/// Examples:
///   postern status
///   postern status --within 90d -o json
///
/// Issuers and the age of their CRLs; what is due within that time (`expiry check` says when that
/// is); changes that must still reach the edge; rotations that are not finished; warnings. Ends
/// with 10 when something is due. Needs no passphrase.
///
/// A warning says where a root's key can be read on this machine. Where `ca init` put it is on no
/// record: it looks into the home, into `root` beside it and here, and beside the certificates
/// that `[gateway] trust` names.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct StatusArgs {
    /// What ends within this time is due
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration, default_value = "30d")]
    within: Duration,
}

struct Status {
    issuers: Vec<Issuer>,
    due: Vec<Ending>,
    pending: Vec<EdgePending>,
    rotations: Vec<RotationRecord>,
    root_key: RootKey,
}

/// An issuer and its newest CRL.
struct Issuer {
    record: IssuerRecord,
    /// Number, when it was made, when the next one is due.
    crl: Option<(u64, u64, u64)>,
}

pub(crate) fn run(context: &Context, args: &StatusArgs) -> Outcome {
    let authority = context.authority()?;
    let now = time::now();
    let store = authority.store();
    let mut rotations = store.rotations()?;
    rotations.retain(|rotation| rotation.finished_at.is_none());
    let status = Status {
        issuers: issuers(store)?,
        due: expiry::due(&authority, args.within, now)?,
        pending: store.edge_pending()?,
        rotations,
        root_key: RootKey::look(context),
    };
    let home = context.home().display().to_string();
    let mut fields = vec![("home", home.clone())];
    fields.extend(status.fields(now));
    let json = status.json(&home);
    print_object(context.format, "postern.status/1", &fields, json)?;
    Ok(if status.is_due() {
        Kind::Pending.code()
    } else {
        ExitCode::SUCCESS
    })
}

fn issuers(store: &Store) -> Result<Vec<Issuer>, CommandError> {
    let mut found = Vec::new();
    for record in store.issuers()? {
        let crl = store.crl(&record)?;
        let crl = crl.map(|crl| (crl.number, crl.this_update, crl.next_update));
        found.push(Issuer { record, crl });
    }
    Ok(found)
}

impl Status {
    fn is_due(&self) -> bool {
        !(self.due.is_empty() && self.pending.is_empty() && self.rotations.is_empty())
    }

    /// For people: every line under its heading, and what is not there said too.
    fn fields(&self, now: u64) -> Vec<(&'static str, String)> {
        let issuers = self.issuers.iter().map(|issuer| issuer.line(now));
        let due = self.due.iter().map(|ending| due_line(ending, now));
        let pending = self.pending.iter().map(|one| pending_line(one, now));
        let rotations = self.rotations.iter().map(|one| rotation_line(one, now));
        [
            section("issuer", issuers, "none"),
            section("due", due, "nothing"),
            section("edge", pending, "nothing is waiting to reach it"),
            section("rotation", rotations, "none is under way"),
            section("warning", self.warnings().into_iter(), "none"),
        ]
        .concat()
    }

    fn warnings(&self) -> Vec<String> {
        let warning = |path: &std::path::PathBuf| {
            format!(
                "{} can be read on this machine: the root's key belongs where no network is",
                path.display()
            )
        };
        self.root_key.readable.iter().map(warning).collect()
    }

    fn json(&self, home: &str) -> Value {
        json!({
            "home": home,
            "is_due": self.is_due(),
            "issuers": self.issuers.iter().map(Issuer::json).collect::<Vec<_>>(),
            "due": self.due.iter().map(Ending::json).collect::<Vec<_>>(),
            "edge_pending": self.pending.iter().map(pending_json).collect::<Vec<_>>(),
            "rotations": self.rotations.iter().map(rotation_json).collect::<Vec<_>>(),
            "warnings": self.warnings(),
            "root_key": {
                "readable": self.root_key.readable,
                "looked_at": self.root_key.looked,
            },
        })
    }
}

fn section(
    heading: &'static str,
    lines: impl Iterator<Item = String>,
    empty: &str,
) -> Vec<(&'static str, String)> {
    let mut lines: Vec<_> = lines.map(|line| (heading, line)).collect();
    if lines.is_empty() {
        lines.push((heading, empty.to_owned()));
    }
    lines
}

impl Issuer {
    fn line(&self, now: u64) -> String {
        let certificate = &self.record.certificate;
        let crl = match self.crl {
            None => String::from("no CRL"),
            Some((number, made, next)) => format!(
                "CRL {number} made {}, the next one due {}",
                time::relative(made, now),
                time::relative(next, now)
            ),
        };
        let (role, end) = (self.record.role.as_str(), certificate.not_after());
        let end = time::relative(end, now);
        format!("{role}: {}, ends {end}; {crl}", certificate.subject())
    }

    fn json(&self) -> Value {
        json!({
            "role": self.record.role.as_str(),
            "subject": self.record.certificate.subject(),
            "not_after": time::rfc3339(self.record.certificate.not_after()),
            "crl_number": self.crl.map(|(number, _, _)| number),
            "crl_this_update": self.crl.map(|(_, made, _)| time::rfc3339(made)),
            "crl_next_update": self.crl.map(|(_, _, next)| time::rfc3339(next)),
        })
    }
}

fn due_line(ending: &Ending, now: u64) -> String {
    let (kind, name) = (ending.kind, &ending.name);
    let end = time::relative(ending.at, now);
    let owner = ending.owner.as_ref();
    let owner = owner
        .map(|owner| format!(", of {owner}"))
        .unwrap_or_default();
    format!("{kind} {name}, {end}{owner}")
}

fn pending_line(pending: &EdgePending, now: u64) -> String {
    let change = &pending.change;
    let since = time::relative(change.since, now);
    let (what, cause, names) = (&change.what, &change.cause, change.names.join(", "));
    format!("{what} ({cause}: {names}), since {since}; `postern cloudflare apply` does it")
}

fn pending_json(pending: &EdgePending) -> Value {
    let change = &pending.change;
    json!({
        "what": change.what,
        "cause": change.cause,
        "names": change.names,
        "since": time::rfc3339(change.since),
        "by": change.by,
    })
}

fn rotation_line(rotation: &RotationRecord, now: u64) -> String {
    let (token, by) = (rotation.token(), rotation.started_by());
    let began = time::relative(rotation.started_at(), now);
    let last = time::relative(rotation.updated_at, now);
    format!("{token}, begun {began} by {by}, went on {last}")
}

fn rotation_json(rotation: &RotationRecord) -> Value {
    json!({
        "token": rotation.token().as_str(),
        "started_at": time::rfc3339(rotation.started_at()),
        "started_by": rotation.started_by(),
        "updated_at": time::rfc3339(rotation.updated_at),
    })
}
