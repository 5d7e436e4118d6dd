//! How much longer a start takes with many revoked.

use std::path::Path;

use crate::compare::{Effort, Summary};
use crate::error::BenchError;
use crate::report::Figures;
use crate::site::Site;
use crate::targets::{Kind, Target};

/// Milliseconds more from the start of the process to its first answer to a good client.
pub(crate) async fn added(
    site: &Site,
    kinds: &[Kind],
    strangers: u64,
    effort: Effort,
) -> Result<Figures, BenchError> {
    let none = site.write_crl("start-none.crl", 0)?;
    let many = site.write_crl("start-many.crl", strangers)?;
    let mut added = vec![Vec::new(); kinds.len()];
    for _round in 0..effort.rounds {
        for (kind, added) in kinds.iter().zip(&mut added) {
            let without = milliseconds(*kind, site, &none).await?;
            added.push(milliseconds(*kind, site, &many).await? - without);
        }
    }
    let summaries = added.into_iter().map(Summary::of);
    let summaries: Vec<_> = kinds.iter().copied().zip(summaries).collect();
    Figures::by_kind(&summaries)
}

async fn milliseconds(kind: Kind, site: &Site, crl: &Path) -> Result<f64, BenchError> {
    let target = Target::start(kind, site, crl).await?;
    Ok(target.started_in.as_secs_f64() * 1_000.0)
}
