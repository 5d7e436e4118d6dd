//! The evidence that an old secret may go.

use postern_cloudflare::access::{LoginEvent, LoginQuery};
use postern_cloudflare::rotation::{
    Coverage, Judgement, RotationCause, Sighting, judge, not_quiet,
};

use super::runner::{Effect, Runner};
use crate::cloudflare::Edge;
use crate::commands::token::probing::{Freshness, is_refused, refusal};
use crate::delivery::{Credentials, Destination};
use crate::error::{CommandError, Kind};
use crate::time;

impl Runner<'_> {
    /// Tries the new secret, then looks whether the old one may go; of a compromise, whether it has
    /// gone.
    pub(super) fn observe(&mut self) -> Result<Effect, CommandError> {
        let tested = self.try_new()?;
        let judgement = match self.journal.rotation.plan.cause {
            RotationCause::Compromised => Judgement::Sufficient(self.prove_old_refused(&tested)?),
            RotationCause::Drill => Judgement::Sufficient(format!("drill: {tested}")),
            RotationCause::Scheduled | RotationCause::Departure | RotationCause::Decommission => {
                self.judge()?
            }
        };
        match (judgement, self.forced()) {
            (Judgement::Sufficient(grounds), _) => {
                self.tools.steps.done("observe", &grounds)?;
                self.journal.rotation.evidence = Some(grounds);
                Ok(Effect::Made)
            }
            (Judgement::Waiting(why), Some(reason)) => {
                let grounds = format!("forced ({reason}); {why}");
                self.tools.steps.warn("observe", &grounds)?;
                self.journal.rotation.evidence = Some(grounds);
                Ok(Effect::Made)
            }
            (Judgement::Waiting(why), None) => Ok(Effect::NotYet(why)),
        }
    }

    fn forced(&self) -> Option<&str> {
        let args = self.tools.args;
        args.reason.as_deref().filter(|_| args.force)
    }

    /// What the new secret opens; each URL must open. Says what was tried.
    fn try_new(&self) -> Result<String, CommandError> {
        let args = self.tools.args;
        if args.test.is_empty() {
            return Ok(String::from("the new secret was not tried (no --test)"));
        }
        let arrived;
        let new = match &self.new {
            Some(new) => new,
            None => {
                arrived = self.arrived()?;
                &arrived
            }
        };
        self.tools
            .prober(Freshness::JustChanged)?
            .must_open(&args.test, new, self.tools.steps)?;
        Ok(format!("the new secret opens {}", args.test.join(", ")))
    }

    /// The new secret as the destination has it.
    fn arrived(&self) -> Result<Credentials, CommandError> {
        let there = self.destination.as_ref().and_then(Destination::delivered);
        let there = there.filter(|there| self.journal.rotation.new == Some(there.hash()));
        there.ok_or_else(|| {
            CommandError::usage("--test needs the new secret, and this process does not have it")
                .hint("give the --out that it was delivered to, or leave --test out")
        })
    }

    /// A secret in wrong hands must be refused; whether it is can only be seen with it in hand.
    fn prove_old_refused(&self, tested: &str) -> Result<String, CommandError> {
        let (Some(old), Some(url)) = (&self.old, self.tools.args.test.first()) else {
            let grounds =
                format!("{tested}; the old one was not tried (it or a URL was not given)");
            return Ok(grounds);
        };
        // It was good a moment ago: a change on its way is waited for, attempt by attempt.
        let once = self.tools.prober(Freshness::LongThere)?.once();
        let limit = std::time::Duration::from_secs(PROPAGATION);
        let start = std::time::Instant::now();
        loop {
            let report = once.report(url, old, self.tools.steps)?;
            if is_refused(&report.verdict) {
                return Ok(format!("{tested}; the old one is refused"));
            }
            if !report.verdict.is_passed() {
                return Err(refusal(&report));
            }
            if start.elapsed() > limit {
                let message = format!("the old secret still opens {url} after {PROPAGATION} s");
                return Err(CommandError::new(Kind::Conflict, message));
            }
            std::thread::sleep(self.tools.args.probing.interval());
        }
    }

    fn judge(&self) -> Result<Judgement, CommandError> {
        // What gateways refuse must not be all that is left.
        if let Some(told) = self.still_to_write()? {
            return Ok(Judgement::Waiting(told));
        }
        let rotation = &self.journal.rotation;
        let now = time::now();
        if rotation.old_has_ended(now) {
            return self.judge_ended(now);
        }
        let sightings = self.sightings()?;
        let delivered_at = rotation.delivered_at.unwrap_or(now);
        Ok(judge(
            &sightings,
            delivered_at,
            rotation.plan.quiet_for,
            now,
        ))
    }

    /// At Cloudflare the old secret is over. Retiring ends it at gateways too, where it may be in use.
    fn judge_ended(&self, now: u64) -> Result<Judgement, CommandError> {
        let ended = "the overlap is over: the old secret ended at Cloudflare by itself";
        let Some(sighting) = self.at_gateways()? else {
            return Ok(Judgement::Sufficient(format!(
                "{ended}; no gateway's events were looked at"
            )));
        };
        let quiet_for = self.journal.rotation.plan.quiet_for;
        Ok(match not_quiet(&[sighting], quiet_for, now) {
            Some(why) => Judgement::Waiting(why),
            None => {
                Judgement::Sufficient(format!("{ended}, and no gateway saw it for {quiet_for} s"))
            }
        })
    }

    /// What each log saw that can tell the two apart.
    fn sightings(&self) -> Result<Vec<Sighting>, CommandError> {
        let mut sightings = Vec::new();
        sightings.extend(self.at_gateways()?);
        let successor = self.journal.rotation.successor.as_ref();
        let new = successor.and_then(|successor| successor.token_id.as_deref());
        if let (Some((edge, old)), Some(new)) = (self.tools.at_edge(&self.journal.rotation), new) {
            sightings.push(Sighting {
                source: String::from("Cloudflare's log"),
                coverage: Coverage::Sampled,
                new: self.seen_at_edge(edge, new)?,
                old: self.seen_at_edge(edge, old)?,
            });
        }
        Ok(sightings)
    }

    /// Gateways tell secrets apart by their SHA-256.
    fn at_gateways(&self) -> Result<Option<Sighting>, CommandError> {
        let args = self.tools.args;
        let configured = self.tools.context.optional_config()?;
        let configured = configured.and_then(|config| config.events_file());
        if args.events.is_empty() && configured.is_none_or(|file| !file.exists()) {
            return Ok(None);
        }
        let evidence = args.events.read(self.tools.context)?;
        let rotation = &self.journal.rotation;
        let old = rotation
            .old
            .iter()
            .filter_map(|old| evidence.secret_seen(old));
        Ok(Some(Sighting {
            source: String::from("the gateways' events"),
            coverage: Coverage::Since(evidence.since().unwrap_or_else(time::now)),
            new: rotation.new.and_then(|new| evidence.secret_seen(&new)),
            old: old.max(),
        }))
    }

    /// When a token was last admitted at the edge since the rotation delivered its new secret.
    fn seen_at_edge(&self, edge: &Edge, id: &str) -> Result<Option<u64>, CommandError> {
        let now = time::now();
        let rotation = &self.journal.rotation;
        let delivered_at = rotation.delivered_at.unwrap_or(now);
        let since = delivered_at.min(now.saturating_sub(rotation.plan.quiet_for));
        let query = LoginQuery {
            since: time::rfc3339(since),
            until: time::rfc3339(now.saturating_add(1)),
            service_token_id: Some(id.to_owned()),
        };
        let events = edge.run(edge.client.login_events(&edge.account, &query))?;
        Ok(events.iter().filter_map(admitted_at).max())
    }
}

fn admitted_at(event: &LoginEvent) -> Option<u64> {
    let at = time::parse_rfc3339(&event.datetime).ok()?;
    (event.is_successful_login == 1).then_some(at)
}

/// How long a change takes to reach the edge, with room to spare.
const PROPAGATION: u64 = 60;
