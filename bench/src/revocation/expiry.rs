//! Certificates that end while their clients are connected.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::task::JoinSet;

use super::{Effort, Line};
use crate::client::{Connection, Group, Http, Tickets};
use crate::error::BenchError;
use crate::percentile::Percentiles;
use crate::site::Site;
use crate::targets::{Kind, Target};
use crate::upstream::SMALL;

/// From the first instant of `notAfter`, whose whole second still counts (RFC 5280 section 4.1.2.5),
/// to the end of the connection.
pub(super) async fn measure(
    site: &Site,
    effort: Effort,
    lines: &mut Vec<Line>,
) -> Result<(), BenchError> {
    let crl = site.write_crl("expiry.crl", 999)?;
    let target = Target::start(Kind::Postern, site, &crl).await?;
    let mut tasks = JoinSet::new();
    for count in 0..effort.revocations {
        let now = OffsetDateTime::now_utc();
        let not_after = (now + LEFT).replace_nanosecond(0).unwrap_or(now);
        let name = format!("device-e{count}.factory.corp");
        let identity = site.clients.client_until(&name, not_after)?;
        let config =
            site.tls
                .config(Some(&identity), Http::One, Group::X25519, Tickets::Ignored)?;
        let connection = Connection::open(target.address, config).await?;
        connection.requester().get(SMALL).await?;
        tasks.spawn(async move {
            connection.wait_until_closed().await;
            OffsetDateTime::now_utc() - not_after
        });
    }
    let mut late = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        // Before its end is not late.
        late.push(Duration::try_from(ended?).unwrap_or_default());
    }
    if let Some(late) = Percentiles::of(&late) {
        lines.push(Line::new(
            "`notAfter`",
            "connection closed",
            late,
            (1e3, 0.0),
        ));
    }
    Ok(())
}

const LEFT: Duration = Duration::from_secs(4);
