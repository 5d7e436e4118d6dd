//! Connections from before the change.

use crate::verify::suite::Suite;
use crate::verify::tls::Protocol;
use crate::verify::verdict::{Finding, NotRun};

/// R3 and the first half of R4.
pub(super) async fn next_request(suite: &mut Suite, protocol: Protocol) -> Result<Finding, NotRun> {
    let identity = suite.pki.client();
    let mut client = suite.live(&identity, protocol).await?;
    let in_force = suite.revoke(&identity).await?;
    let path = suite.dialer.target.path.clone();
    let wait = suite.until_refused(async || client.get(&path).await).await;
    Ok(wait.finding("next request on the live connection", in_force.began))
}
