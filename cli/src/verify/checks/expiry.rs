//! What ends by itself: certificates, CRLs.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::time::sleep;

use super::resumed;
use crate::verify::crl::Lists;
use crate::verify::pki::Identity;
use crate::verify::stream::Exchange;
use crate::verify::suite::Suite;
use crate::verify::tls::{Protocol, Version};
use crate::verify::verdict::{Finding, NotRun};

/// R7: the next request on a connection whose certificate has ended.
pub(super) async fn next_request(suite: &mut Suite) -> Result<Finding, NotRun> {
    let (identity, end) = short_lived(suite);
    let mut client = suite.live(&identity, Protocol::Http1).await?;
    let ended = end.pass().await;
    let path = suite.dialer.target.path.clone();
    let wait = suite.until_refused(async || client.get(&path).await).await;
    Ok(wait.finding("next request on the live connection", ended))
}

/// R7: a session of a certificate that has ended.
pub(super) async fn session(suite: &mut Suite) -> Result<Finding, NotRun> {
    let (identity, end) = short_lived(suite);
    let config = suite.dialer.resuming(&identity, Version::Any);
    let offered = resumed::session(suite, &config).await?;
    let ended = end.pass().await;
    let wait = suite
        .until_refused(async || resumed::ask(suite, &config).await.0)
        .await;
    let what = if offered {
        "session from before the end"
    } else {
        "no session is ever resumed; full handshake"
    };
    Ok(wait.finding(what, ended))
}

/// R7: a stream whose certificate ends.
pub(super) async fn stream(suite: &mut Suite) -> Result<Finding, NotRun> {
    let (identity, end) = short_lived(suite);
    let mut running = Exchange::Response(Protocol::Http1)
        .begin(suite, &identity)
        .await?;
    let at = end.at;
    let limit = at.saturating_duration_since(Instant::now()) + suite.options.within;
    match running.ended_within(limit).await {
        Some(how) => {
            let took = at.elapsed();
            Ok(Finding::pass(format!("streaming response: {how}")).took(took))
        }
        None => {
            let so_long = at.elapsed().as_secs_f64();
            let evidence =
                format!("streaming response: still going on {so_long:.1} s after the end");
            Ok(Finding::fail(evidence))
        }
    }
}

/// R9: past `nextUpdate`, nobody knows who is revoked.
pub(super) async fn stale_crl(suite: &mut Suite) -> Result<Finding, NotRun> {
    let lists = Lists {
        life: SHORT,
        ..Lists::default()
    };
    let end = End::after(SHORT);
    suite.revoker.publish(&suite.pki, &lists).await?;
    let client = suite.pki.client();
    let fresh = suite.until_admitted(&client).await;
    fresh.map_err(|answer| NotRun::because(format!("while the CRL is fresh: {answer}")))?;
    let ended = end.pass().await;
    let wait = suite.until_refused(async || suite.ask(&client).await).await;
    Ok(wait.finding("new handshake past nextUpdate", ended))
}

/// When something ends.
struct End {
    at: Instant,
}

impl End {
    fn after(life: Duration) -> Self {
        Self {
            at: Instant::now() + life,
        }
    }

    /// Waits until it is over; `notAfter` and `nextUpdate` include their second.
    async fn pass(self) -> Instant {
        sleep(self.at.saturating_duration_since(Instant::now())).await;
        self.at
    }
}

/// A client whose certificate ends soon.
fn short_lived(suite: &Suite) -> (Identity, End) {
    let not_after = OffsetDateTime::now_utc() + SHORT;
    let identity = suite.pki.client_with(|params| params.not_after = not_after);
    (identity, End::after(SHORT))
}

const SHORT: Duration = Duration::from_secs(4);
