//! `postern cert revoke --superseded`: only what has a successor that is in use.

use std::time::Duration;

use clap::Args;
use postern_ca::{CertificateRecord, CertificateState, Selection, Store};

use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::evidence::{EventsArgs, Evidence};
use crate::output::tell;
use crate::time;

/// What names certificates in another way: clap takes no conflict for a missing requirement.
const OTHERS: [&str; 4] = ["name", "serial", "cert", "key"];

/// What makes a certificate superseded.
#[derive(Debug, Args)]
pub(super) struct SupersededArgs {
    /// Of this common name, only certificates whose successor is in use
    #[arg(long, value_name = "NAME", group = "Which", conflicts_with = "reason")]
    pub(super) superseded: Option<String>,
    /// How long ago the successor must have been issued
    #[arg(
        long,
        value_name = "TIME",
        value_parser = time::parse_duration,
        default_value = "24h",
        requires = "superseded",
        conflicts_with_all = OTHERS
    )]
    after: Duration,
    #[command(flatten)]
    events: EventsArgs,
    /// Revoke though nothing shows the successor in use; needs --note
    #[arg(long, requires_all = ["superseded", "note"], conflicts_with_all = OTHERS)]
    force: bool,
}

/// Why a certificate is kept, or may go.
enum Verdict {
    /// It has no successor.
    Current,
    /// It has one, and that is not enough.
    Kept(String),
    /// Its successor is in use.
    Superseded(String),
}

/// What was found of a name.
pub(super) struct Found {
    pub(super) superseded: Vec<CertificateRecord>,
    /// Certificates that have a successor, and must wait.
    pub(super) kept: usize,
    /// What the record is to say of it.
    pub(super) note: String,
}

impl SupersededArgs {
    /// Refuses evidence where it would not be looked at.
    pub(super) fn refuse_events(&self) -> Result<(), CommandError> {
        if self.events.is_empty() {
            return Ok(());
        }
        Err(CommandError::usage(
            "--events belongs to --superseded: nothing was revoked",
        ))
    }

    /// The live certificates of `name` whose successor is in use; why the others are kept is told.
    pub(super) fn find(
        &self,
        context: &Context,
        store: &Store,
        name: &str,
        now: u64,
    ) -> Result<Found, CommandError> {
        let selection = Selection {
            common_name: Some(name.to_owned()),
            ..Selection::default()
        };
        let mut known = store.certificates(&selection)?;
        if known.is_empty() {
            let message = format!("there is no certificate named {name:?}");
            return Err(CommandError::new(Kind::NotFound, message));
        }
        known.retain(|record| record.is_live(now));
        let mut judged = Vec::new();
        for record in known {
            let successors = descendants(store, &record)?;
            judged.push((record, successors));
        }
        // Not before it can matter: such files are large.
        let can_matter = judged.iter().any(|(_, successors)| !successors.is_empty());
        let wanted = (can_matter && !self.force).then_some(&self.events);
        let evidence = wanted.map(|events| events.read(context)).transpose()?;
        let mut found = Found {
            superseded: Vec::new(),
            kept: 0,
            note: String::new(),
        };
        for (record, successors) in judged {
            let verdict = self.judge(&successors, evidence.as_ref(), now);
            found.add(record, verdict);
        }
        Ok(found)
    }

    /// `evidence` is nothing where it does not matter.
    fn judge(
        &self,
        successors: &[CertificateRecord],
        evidence: Option<&Evidence>,
        now: u64,
    ) -> Verdict {
        let mut verdict = Verdict::Current;
        for successor in successors {
            match self.judge_by(successor, evidence, now) {
                superseded @ Verdict::Superseded(_) => return superseded,
                kept @ (Verdict::Kept(_) | Verdict::Current) => verdict = kept,
            }
        }
        verdict
    }

    fn judge_by(
        &self,
        successor: &CertificateRecord,
        evidence: Option<&Evidence>,
        now: u64,
    ) -> Verdict {
        let serial = successor.serial;
        let state = successor.state_at(now);
        if state != CertificateState::Valid {
            return Verdict::Kept(format!("its successor {serial} is {}", state.as_str()));
        }
        let ready = successor.requested_at.saturating_add(self.after.as_secs());
        if ready > now {
            let ready = time::relative(ready, now);
            return Verdict::Kept(format!("its successor {serial} is old enough {ready}"));
        }
        let Some(evidence) = evidence else {
            return Verdict::Superseded(format!("its successor is {serial}"));
        };
        let seen = successor.fingerprint.as_ref();
        match seen.and_then(|print| evidence.certificate_seen(print)) {
            None => Verdict::Kept(format!("no event shows its successor {serial} in use")),
            Some(at) => {
                let at = time::rfc3339(at);
                Verdict::Superseded(format!("its successor {serial} was in use at {at}"))
            }
        }
    }
}

impl Found {
    fn add(&mut self, record: CertificateRecord, verdict: Verdict) {
        let (name, serial) = (&record.common_name, record.serial);
        match verdict {
            Verdict::Current => tell(&format!("{name} {serial} is kept: it has no successor")),
            Verdict::Kept(why) => {
                tell(&format!("{name} {serial} is kept: {why}"));
                self.kept += 1;
            }
            Verdict::Superseded(why) => {
                tell(&format!("{name} {serial} is superseded: {why}"));
                if !self.note.is_empty() {
                    self.note.push_str("; ");
                }
                self.note.push_str(&format!("{serial}: {why}"));
                self.superseded.push(record);
            }
        }
    }
}

/// Successors, theirs, and so on: where the first one was replaced too, the one in use is further
/// down.
fn descendants(
    store: &Store,
    record: &CertificateRecord,
) -> Result<Vec<CertificateRecord>, CommandError> {
    let mut found = store.successors(record)?;
    let mut next = 0;
    while let Some(one) = found.get(next) {
        let more = store.successors(one)?;
        found.extend(more);
        next += 1;
    }
    Ok(found)
}
