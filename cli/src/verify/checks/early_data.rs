//! 0-RTT: requests that can be replayed, sent before anybody was authenticated.

use std::sync::Arc;

use rustls::ClientConnection;

use super::resumed;
use crate::verify::suite::Suite;
use crate::verify::tls::Version;
use crate::verify::verdict::{Finding, NotRun};

pub(super) async fn offered(suite: &Suite) -> Result<Finding, NotRun> {
    let client = suite.pki.client();
    let mut config = suite.dialer.resuming(&client, Version::Tls13);
    Arc::make_mut(&mut config).enable_early_data = true;
    let (answer, _) = resumed::ask(suite, &config).await;
    answer.must_admit("a good client")?;
    let name = suite.dialer.target.name.clone();
    let mut next = ClientConnection::new(config, name).map_err(NotRun::because)?;
    Ok(match next.early_data() {
        Some(_) => Finding::fail("the target's tickets allow it"),
        None => Finding::pass("no ticket allows it"),
    })
}
