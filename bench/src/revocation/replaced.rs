//! A large CRL file is replaced while others make requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::revoked::refused;
use super::{Effort, Line};
use crate::client::{ClientError, Connection, Group, Http, Tickets};
use crate::error::{BenchError, Doing as _};
use crate::percentile::Percentiles;
use crate::site::{FIRST_NUMBER, Site};
use crate::targets::{Kind, Target};
use crate::upstream::SMALL;

/// Replaces the file several times, each time with one client more on it.
pub(super) async fn measure(
    site: &Site,
    effort: Effort,
    lines: &mut Vec<Line>,
    notes: &mut Vec<String>,
) -> Result<(), BenchError> {
    let crl = site.write_crl("replaced.crl", effort.entries)?;
    let target = Target::start(Kind::Postern, site, &crl).await?;
    let (mut in_force, mut before, mut meanwhile) = (Vec::new(), Vec::new(), Vec::new());
    for count in 0..effort.replacements {
        let victim = site.clients.client("device-victim.factory.corp")?;
        let config = site
            .tls
            .config(Some(&victim), Http::One, Group::X25519, Tickets::Ignored)?;
        let number = FIRST_NUMBER + 1 + u64::from(count);
        let revoked = [&site.people.revoked, &victim];
        let next = site.clients.crl(number, effort.entries, &revoked)?;
        let beside = crl.with_extension("next");
        std::fs::write(&beside, next).doing("write a CRL")?;

        let others = Others::start(&target, site).await?;
        sleep(QUIET).await;
        before.extend(others.stop().await?);
        let others = Others::start(&target, site).await?;
        std::fs::rename(&beside, &crl).doing("replace a CRL")?;
        in_force.push(refused(&target, &config, Instant::now()).await?);
        meanwhile.extend(others.stop().await?);
    }
    let all = (|| {
        let of = |times: &[Duration]| Percentiles::of(times);
        Some((of(&in_force)?, of(&before)?, of(&meanwhile)?))
    })();
    let Some((in_force, before, meanwhile)) = all else {
        return Err(BenchError::Machine(
            "time of a replaced CRL: there was none",
        ));
    };
    lines.push(Line::new(
        "a large CRL file replaced",
        "in force",
        in_force,
        (2e3, 500.0),
    ));
    let added = meanwhile.p999 - before.p999;
    lines.push(Line {
        judged: added,
        ..Line::new(
            "the same",
            "requests of others meanwhile",
            meanwhile,
            (5.0, 5.0),
        )
    });
    notes.push(format!(
        "CRL files of {} entries; requests of others are judged by how much their p99.9 rose: {:.1} ms \
         in {} requests just before, {:.1} ms in {} meanwhile",
        effort.entries, before.p999, before.count, meanwhile.p999, meanwhile.count
    ));
    Ok(())
}

/// Clients that ask at a fixed pace, each on a connection of its own.
struct Others {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Result<Vec<Duration>, ClientError>>,
}

impl Others {
    async fn start(target: &Target, site: &Site) -> Result<Self, BenchError> {
        let good = Some(&site.people.good);
        let config = site
            .tls
            .config(good, Http::One, Group::X25519, Tickets::Ignored)?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..OTHERS {
            let connection = Connection::open(target.address, Arc::clone(&config)).await?;
            tasks.spawn(ask(connection, Arc::clone(&stop)));
        }
        Ok(Self { stop, tasks })
    }

    /// How long each request took.
    async fn stop(mut self) -> Result<Vec<Duration>, BenchError> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            all.extend(ended??);
        }
        Ok(all)
    }
}

async fn ask(connection: Connection, stop: Arc<AtomicBool>) -> Result<Vec<Duration>, ClientError> {
    let mut requester = connection.requester();
    requester.get(SMALL).await?;
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let asked = Instant::now();
        requester.get(SMALL).await?;
        times.push(asked.elapsed());
    }
    Ok(times)
}

const OTHERS: u32 = 8;
const PACE: Duration = Duration::from_millis(5);
const QUIET: Duration = Duration::from_secs(2);
