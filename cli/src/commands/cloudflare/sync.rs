//! `postern cloudflare sync`

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use postern_ca::CertificateAuthority;
use postern_ca::files::{self, Access};
use postern_cloudflare::{Breadth, Plan, closing};
use serde_json::{Value, json};

use super::apply::{carry_out, clear};
use super::plan::ConsentArgs;
use crate::cloudflare::lock::Turn;
use crate::cloudflare::situation::Situation;
use crate::cloudflare::{CloudflareArgs, Edge, inventory};
use crate::commands::token::finish_pending;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::{print, tell};
use crate::time;

/// Follow the inventory: bring each revocation and each new certificate to Cloudflare, revocations first
///
/// Examples:
///   postern cloudflare sync --once                        # from a timer
///   postern cloudflare sync --interval 30s --metrics /var/lib/node_exporter/postern.prom
///
/// Each round is one line of JSON on standard output. A round first carries out what takes access
/// away, then the rest; changes of a round go out together, a rule group in one call. Nothing is
/// read from Cloudflare while the inventory and the file are as they were, but for a full comparison
/// every --full. --metrics writes postern_edge_lag_seconds: how long the oldest change that has not
/// reached the edge has been waiting.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SyncArgs {
    /// One round, then end: 0 when all is there, else as `apply` ends
    #[arg(long)]
    once: bool,
    /// How often the inventory is looked at
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration, default_value = "10s", conflicts_with = "once")]
    interval: Duration,
    /// How often everything is compared, for changes that somebody made there
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration, default_value = "1h", conflicts_with = "once")]
    full: Duration,
    /// File for metrics in Prometheus' text format, replaced whole
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    #[command(flatten)]
    consents: ConsentArgs,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
}

pub(crate) fn run(context: &Context, args: &SyncArgs) -> Outcome {
    let authority = context.authority()?;
    let edge = args.cloudflare.connect(context)?;
    let mut sync = Sync {
        context,
        authority: &authority,
        edge: &edge,
        args,
        behind_since: None,
    };
    if args.once {
        return sync.round().map(|_| DONE)?;
    }
    sync.follow()
}

struct Sync<'a> {
    context: &'a Context,
    authority: &'a CertificateAuthority,
    edge: &'a Edge,
    args: &'a SyncArgs,
    /// Since when something that is so here is not so there, Unix seconds.
    behind_since: Option<u64>,
}

impl Sync<'_> {
    /// Goes on until it is stopped: a round that fails is told and tried again.
    fn follow(&mut self) -> Outcome {
        let mut seen = None;
        let mut compared: Option<Instant> = None;
        loop {
            let now = self.inventory();
            let is_old = compared.is_none_or(|at| at.elapsed() >= self.args.full);
            if is_old || now != seen {
                match self.round() {
                    Ok(()) => {
                        // As it was before the round: what the round itself recorded is compared
                        // once more, and what came meanwhile is not missed.
                        seen = now;
                        compared = Some(Instant::now());
                    }
                    Err(error) => tell(&format!("error: {}", error.message())),
                }
            }
            std::thread::sleep(self.args.interval);
        }
    }

    /// What a change of is a reason to compare; none where it cannot be read, which a round tells.
    fn inventory(&self) -> Option<(i64, SystemTime)> {
        let version = self.authority.store().data_version().ok()?;
        let file = std::fs::metadata(self.context.config_path())
            .ok()?
            .modified()
            .ok()?;
        Some((version, file))
    }

    fn round(&mut self) -> Result<(), CommandError> {
        let outcome = self.compare_and_carry_out();
        let now = time::now();
        if outcome.is_ok() {
            self.behind_since = None;
        } else {
            self.behind_since.get_or_insert(now);
        }
        let pending = self.authority.store().edge_pending()?;
        let oldest = pending
            .iter()
            .map(|it| it.change.since)
            .chain(self.behind_since)
            .min();
        let lag = oldest.map_or(0, |since| now.saturating_sub(since));
        if let Some(path) = &self.args.metrics {
            write_metrics(path, lag, outcome.is_ok())?;
        }
        let told = match &outcome {
            Ok(done) => json!({ "changes": done, "lag_seconds": lag }),
            Err(error) => json!({ "error": error.message(), "lag_seconds": lag }),
        };
        self.say(told)?;
        outcome.map(|_| ())
    }

    fn compare_and_carry_out(&self) -> Result<usize, CommandError> {
        // What takes access away waits for nothing else, and what fails of it for nothing either.
        let disabled = finish_pending(self.authority, self.edge);
        let done = self.bring_to_the_file()?;
        disabled.map(|()| done)
    }

    fn bring_to_the_file(&self) -> Result<usize, CommandError> {
        let _turn = Turn::at_edge(self.context.home())?;
        let pending = self.authority.store().edge_pending()?;
        let breadth = Breadth::Ours;
        let config = self.context.config();
        let situation =
            config.and_then(|config| Situation::read(&config, self.authority, self.edge, breadth));
        let situation = match situation {
            Ok(situation) => situation,
            // A mistake in the file stands in the way of making things, never of a revocation.
            Err(error) => {
                self.close(&Situation::without_a_file(self.authority, self.edge)?)?;
                return Err(error);
            }
        };
        let plan = situation.plan(self.args.consents.consents());
        // A conflict stands in the way of making things, never of a revocation.
        let plan = match plan.conflicts.is_empty() {
            true => plan,
            false => {
                let conflicts = conflicts(&plan);
                self.close(&situation)?;
                return Err(CommandError::new(Kind::Conflict, conflicts));
            }
        };
        carry_out(self.authority, self.edge, &situation.ledger, &plan)?;
        clear(self.authority, &plan, &situation.remote, pending)?;
        if let Some(change) = plan.waiting().next() {
            return Err(CommandError::new(
                Kind::Pending,
                format!("done, but a change waits for consent: {change}"),
            ));
        }
        Ok(plan.changes.len())
    }

    /// Every revoked name, whatever else cannot be done.
    fn close(&self, situation: &Situation) -> Result<(), CommandError> {
        let clients = inventory::clients(self.authority, time::now())?;
        let names = clients.revoked_names().into_iter().map(str::to_owned);
        let plan = Plan {
            changes: closing(&situation.remote, &situation.ledger, &names.collect()),
            ..Plan::default()
        };
        carry_out(self.authority, self.edge, &situation.ledger, &plan)
    }

    fn say(&self, mut told: Value) -> Result<(), CommandError> {
        if let Value::Object(fields) = &mut told {
            fields.insert(String::from("schema"), json!("postern.cloudflare-sync/1"));
            fields.insert(String::from("time"), json!(time::rfc3339(time::now())));
            fields.insert(String::from("calls"), json!(self.edge.client.calls()));
        }
        print(&format!("{told}\n"))
    }
}

fn conflicts(plan: &Plan) -> String {
    let lines = plan
        .conflicts
        .iter()
        .map(|it| format!("{}: {} ({})", it.target, it.why, it.remedy));
    format!(
        "only what takes access away was carried out: {}",
        lines.collect::<Vec<_>>().join("; ")
    )
}

fn write_metrics(path: &Path, lag: u64, is_up: bool) -> Result<(), CommandError> {
    let up = u8::from(is_up);
    let text = format!(
        "# HELP postern_edge_lag_seconds How long the oldest change that has not reached the edge has waited.\n\
         # TYPE postern_edge_lag_seconds gauge\n\
         postern_edge_lag_seconds {lag}\n\
         # HELP postern_edge_sync_success Whether the last round reached the edge.\n\
         # TYPE postern_edge_sync_success gauge\n\
         postern_edge_sync_success {up}\n"
    );
    Ok(files::replace(path, text.as_bytes(), Access::Everybody)?)
}
