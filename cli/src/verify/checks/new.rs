//! Connections that begin after the change.

use crate::verify::crl::Lists;
use crate::verify::suite::Suite;
use crate::verify::verdict::{Finding, NotRun};

/// R1.
pub(super) async fn revoked(suite: &mut Suite) -> Result<Finding, NotRun> {
    let client = suite.pki.client();
    suite
        .ask(&client)
        .await
        .must_admit("the client, before it is revoked")?;
    let lists = Lists::of([client.serial.clone()]);
    let began = suite.revoker.publish(&suite.pki, &lists).await?;
    let wait = suite.until_refused(async || suite.ask(&client).await).await;
    Ok(wait.finding("new handshake", began))
}
