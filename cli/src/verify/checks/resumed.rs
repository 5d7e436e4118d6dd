//! Sessions from before the change, presented after it.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::verify::answer::Answer;
use crate::verify::client::Client;
use crate::verify::suite::Suite;
use crate::verify::tls::Version;
use crate::verify::verdict::{Finding, NotRun};

/// R2.
pub(super) async fn revoked(suite: &mut Suite, version: Version) -> Result<Finding, NotRun> {
    let client = suite.pki.client();
    let config = suite.dialer.resuming(&client, version);
    let offered = session(suite, &config).await?;
    let in_force = suite.revoke(&client).await?;
    let mut resumed = false;
    let wait = suite
        .until_refused(async || {
            let (answer, was_resumed) = ask(suite, &config).await;
            resumed = was_resumed;
            answer
        })
        .await;
    let what = match (offered, resumed) {
        (false, _) => "no session is ever resumed; full handshake",
        (true, true) => "resumed session",
        (true, false) => "session from before the revocation, not resumed",
    };
    Ok(wait.finding(what, in_force.began))
}

/// Gets a session, and says whether the target resumes it while nothing is wrong.
pub(super) async fn session(suite: &Suite, config: &Arc<ClientConfig>) -> Result<bool, NotRun> {
    let (first, _) = ask(suite, config).await;
    first.must_admit("the client's first connection")?;
    let (second, resumed) = ask(suite, config).await;
    second.must_admit("the client's second connection")?;
    Ok(resumed)
}

/// One request on a new connection, and whether its handshake was abbreviated.
pub(super) async fn ask(suite: &Suite, config: &Arc<ClientConfig>) -> (Answer, bool) {
    match Client::connect(&suite.dialer, config).await {
        Ok(mut client) => {
            let answer = client.get(&suite.dialer.target.path).await;
            (answer, client.is_resumed())
        }
        Err(failure) => (failure.into(), false),
    }
}
