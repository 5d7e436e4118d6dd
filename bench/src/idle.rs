//! Memory of connections that do nothing.

use std::time::Duration;

use tokio::time::sleep;

use crate::client::{Connection, Group, Http, Tickets};
use crate::compare::{Effort, Summary};
use crate::error::BenchError;
use crate::report::Figures;
use crate::site::Site;
use crate::targets::{Kind, Target};
use crate::upstream::SMALL;

/// KiB of proportional set size per open connection; kernel memory is not in it.
pub(crate) async fn memory(
    site: &Site,
    kinds: &[Kind],
    effort: Effort,
) -> Result<Figures, BenchError> {
    let crl = site.write_crl("idle.crl", 999)?;
    let mut per_connection = vec![Vec::new(); kinds.len()];
    for _round in 0..effort.rounds.min(ROUNDS) {
        for (kind, figures) in kinds.iter().zip(&mut per_connection) {
            let target = Target::start(*kind, site, &crl).await?;
            figures.push(per_idle_connection(&target, site, effort.idle_connections).await?);
        }
    }
    let summaries = per_connection.into_iter().map(Summary::of);
    let summaries: Vec<_> = kinds.iter().copied().zip(summaries).collect();
    Figures::by_kind(&summaries)
}

async fn per_idle_connection(
    target: &Target,
    site: &Site,
    connections: u32,
) -> Result<f64, BenchError> {
    let before = target.processes().pss_kib()?;
    let open = open_idle(target, site, connections).await?;
    sleep(SETTLE).await;
    let after = target.processes().pss_kib()?;
    if open.iter().any(Connection::is_closed) {
        return Err(BenchError::Machine(
            "memory: connections were closed meanwhile",
        ));
    }
    let kib = u32::try_from(after.saturating_sub(before));
    let kib = kib.map_err(|_| BenchError::Machine("memory: more than 4 TiB"))?;
    Ok(f64::from(kib) / f64::from(connections))
}

/// Each with a certificate of its own and one request made.
pub(crate) async fn open_idle(
    target: &Target,
    site: &Site,
    connections: u32,
) -> Result<Vec<Connection>, BenchError> {
    let mut open = Vec::new();
    for name in 0..connections {
        let identity = site
            .clients
            .client(&format!("device-{name}.factory.corp"))?;
        let config =
            site.tls
                .config(Some(&identity), Http::One, Group::X25519, Tickets::Ignored)?;
        let connection = Connection::open(target.address, config).await?;
        connection.requester().get(SMALL).await?;
        open.push(connection);
    }
    Ok(open)
}

/// It repeats within a percent.
const ROUNDS: u32 = 2;
const SETTLE: Duration = Duration::from_secs(1);
