//! Connections from before the change.

use crate::verify::stream::Exchange;
use crate::verify::suite::Suite;
use crate::verify::tls::Protocol;
use crate::verify::verdict::{Finding, NotRun};

/// R3, and R4 for new streams.
pub(super) async fn next_request(suite: &mut Suite, protocol: Protocol) -> Result<Finding, NotRun> {
    let identity = suite.pki.client();
    let mut client = suite.live(&identity, protocol).await?;
    let in_force = suite.revoke(&identity).await?;
    let path = suite.dialer.target.path.clone();
    let wait = suite.until_refused(async || client.get(&path).await).await;
    Ok(wait.finding("next request on the live connection", in_force.began))
}

/// R4 for running streams, and R5.
pub(super) async fn running(suite: &mut Suite, exchange: Exchange) -> Result<Finding, NotRun> {
    let (identity, other) = (suite.pki.client(), suite.pki.client());
    // One that ends by itself after some time ends first for the client that began first.
    let bystander = exchange.begin(suite, &other).await?;
    let mut victim = exchange.begin(suite, &identity).await?;
    let in_force = suite.revoke(&identity).await?;
    let what = exchange.noun();
    let Some(how) = victim.ended_within(suite.options.within).await else {
        let so_long = in_force.began.elapsed().as_secs_f64();
        return Ok(Finding::fail(format!(
            "{what}: still going on after {so_long:.1} s"
        )));
    };
    let took = in_force.began.elapsed();
    if !bystander.goes_on() {
        return Err(NotRun::because(format!(
            "{what}: {how}, and so did another client's: it was not for the revocation"
        )));
    }
    Ok(Finding::pass(format!("{what}: {how}; another client's goes on")).took(took))
}
