//! `cert revoke` while many others are connected.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::process;
use tokio::time::timeout;

use super::{Effort, Line};
use crate::authority::Identity;
use crate::client::{Connection, Group, Http, Tickets, visit};
use crate::error::{BenchError, Doing as _};
use crate::idle::open_idle;
use crate::percentile::Percentiles;
use crate::site::{Site, run};
use crate::targets::{Kind, Target};
use crate::upstream::SMALL;

/// One revocation, from the start of the command.
struct Effect {
    returned: Duration,
    refused: Duration,
    cut: Duration,
}

/// Revokes one client after the other.
pub(super) async fn measure(
    site: &Site,
    effort: Effort,
    lines: &mut Vec<Line>,
    notes: &mut Vec<String>,
) -> Result<(), BenchError> {
    let crl = site.write_crl("revoked.crl", 999)?;
    let target = Target::start(Kind::Postern, site, &crl).await?;
    let others = open_idle(&target, site, effort.others).await?;
    let mut effects = Vec::new();
    for count in 0..effort.revocations {
        effects.push(revoke(&target, site, &format!("device-r{count}.factory.corp")).await?);
    }
    let touched = others.iter().filter(|other| other.is_closed()).count();
    if touched > 0 {
        return Err(BenchError::Machine(
            "revocation: connections of others were cut",
        ));
    }
    notes.push(format!(
        "{} others stayed connected through all revocations, and none was touched",
        others.len()
    ));
    let line = |from, to, of: &dyn Fn(&Effect) -> Duration, bars| {
        let times: Vec<_> = effects.iter().map(of).collect();
        let times = Percentiles::of(&times)?;
        Some(Line::new(from, to, times, bars))
    };
    let (start, end) = ("start of `cert revoke`", "its return");
    let (refused, cut) = ("new handshakes refused", "its live connection cut");
    lines.extend(line(start, refused, &|effect| effect.refused, (1e3, 100.0)));
    lines.extend(line(
        end,
        refused,
        &|e| e.refused.saturating_sub(e.returned),
        (1e3, 100.0),
    ));
    lines.extend(line(start, cut, &|effect| effect.cut, (1e3, 250.0)));
    lines.extend(line(
        end,
        cut,
        &|e| e.cut.saturating_sub(e.returned),
        (1e3, 250.0),
    ));
    Ok(())
}

async fn revoke(target: &Target, site: &Site, name: &str) -> Result<Effect, BenchError> {
    let folder = site.path("issued");
    run(site.command(&["cert", "issue", name, "--out"]).arg(&folder))?;
    let config = config(site, &folder, name)?;
    let live = Connection::open(target.address, Arc::clone(&config)).await?;
    live.requester().get(SMALL).await?;
    let mut command = process::Command::from(site.command(&["cert", "revoke", name]));
    let started = Instant::now();
    let returned = async {
        let output = command.output().await.doing("run `cert revoke`")?;
        let elapsed = started.elapsed();
        if output.status.success() {
            return Ok(elapsed);
        }
        Err(BenchError::Command {
            command: format!("postern cert revoke {name}"),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    };
    let cut = async {
        live.wait_until_closed().await;
        Ok(started.elapsed())
    };
    let refused = refused(target, &config, started);
    let all = async { tokio::try_join!(returned, refused, cut) };
    let all = timeout(PATIENCE, all).await;
    let (returned, refused, cut) =
        all.map_err(|_| BenchError::Machine("revocation: it did not take effect"))??;
    Ok(Effect {
        returned,
        refused,
        cut,
    })
}

fn config(site: &Site, folder: &Path, name: &str) -> Result<Arc<ClientConfig>, BenchError> {
    let identity = Identity::read(folder, name)?;
    site.tls
        .config(Some(&identity), Http::One, Group::X25519, Tickets::Ignored)
}

/// One handshake after the other until one is refused; then none may come through any more.
pub(super) async fn refused(
    target: &Target,
    config: &Arc<ClientConfig>,
    since: Instant,
) -> Result<Duration, BenchError> {
    while visit(target.address, Arc::clone(config), SMALL)
        .await
        .is_ok()
    {}
    let refused = since.elapsed();
    for _ in 0..STILL {
        if visit(target.address, Arc::clone(config), SMALL)
            .await
            .is_ok()
        {
            return Err(BenchError::Machine(
                "revocation: a refused client came in again",
            ));
        }
    }
    Ok(refused)
}

const STILL: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(30);
