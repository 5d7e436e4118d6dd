//! Handshakes that are under way while the CRL is swapped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::verify::answer::{Answer, Failure};
use crate::verify::client::Client;
use crate::verify::held::{Held, Hold};
use crate::verify::suite::Suite;
use crate::verify::tls::{Dialer, Protocol, Version, connect, within};
use crate::verify::verdict::{Finding, NotRun};

/// R6: a handshake that began before the swap shows its certificate after it.
pub(super) async fn held(suite: &mut Suite) -> Result<Finding, NotRun> {
    let identity = suite.pki.client();
    suite
        .ask(&identity)
        .await
        .must_admit("the client, before it is revoked")?;
    let config = suite
        .dialer
        .config(Some(&identity), Version::Any, Protocol::Http1);
    let stream = suite.dialer.tcp().await;
    let stream = stream.map_err(|failure| NotRun::because(Answer::from(failure)))?;
    let (octets, Hold { reached, release }) = Held::new(stream);
    let dialer = suite.dialer.clone();
    let asking = tokio::spawn(async move { ask_over(&dialer, Arc::new(config), octets).await });
    // An error is a handshake that ended before it could be held: the answer says how.
    within(reached).await.ok();
    let in_force = suite.revoke(&identity).await?;
    release.send(()).unwrap_or_default();
    let answer = asking.await.map_err(NotRun::because)?;
    let what = "handshake from before the revocation, finished after it";
    match answer {
        Answer::Refused(how) => {
            let took = in_force.began.elapsed();
            Ok(Finding::pass(format!("{what}: {how}")).took(took))
        }
        Answer::Admitted(_) => Ok(Finding::fail(format!("{what}: {answer}"))),
        Answer::Unclear(_) => Err(NotRun::because(answer)),
    }
}

async fn ask_over(dialer: &Dialer, config: Arc<ClientConfig>, octets: Held) -> Answer {
    let asked = async {
        // Held for as long as the CRL takes to come into force.
        let connected = connect(&config, dialer.target.name.clone(), Box::new(octets)).await?;
        let mut client = Client::over(connected, dialer.target.authority.clone()).await?;
        Ok::<_, Failure>(client.get(&dialer.target.path).await)
    };
    asked.await.unwrap_or_else(Answer::from)
}

/// R6: many handshakes begin around the swap; of those that begin once it is in force, none is
/// let in, by any process or thread of the target.
pub(super) async fn storm(suite: &mut Suite) -> Result<Finding, NotRun> {
    let identity = suite.pki.client();
    let config = suite
        .dialer
        .config(Some(&identity), Version::Any, Protocol::Http1);
    let (stop, stopped) = oneshot::channel();
    let storm = tokio::spawn(blow(suite.dialer.clone(), Arc::new(config), stopped));
    let in_force = suite.revoke(&identity).await?;
    sleep(AFTERMATH).await;
    stop.send(()).unwrap_or_default();
    let asked = storm.await.map_err(NotRun::because)?;
    let admitted: Vec<Instant> = asked
        .iter()
        .filter(|(_, answer)| matches!(answer, Answer::Admitted(_)))
        .map(|(began, _)| *began)
        .collect();
    let last = admitted.iter().max();
    let what = format!(
        "{} handshakes around the swap, {} let in",
        asked.len(),
        admitted.len()
    );
    match last {
        None => Err(NotRun::because(format!("{what}: none came before it"))),
        Some(last) if *last > in_force.seen => {
            let late = last.duration_since(in_force.seen).as_millis();
            Ok(Finding::fail(format!(
                "{what}, one of them {late} ms after others were refused"
            )))
        }
        Some(last) => {
            let took = last.saturating_duration_since(in_force.began);
            Ok(Finding::pass(format!("{what}, none of them once it was in force")).took(took))
        }
    }
}

async fn blow(
    dialer: Dialer,
    config: Arc<ClientConfig>,
    mut stopped: oneshot::Receiver<()>,
) -> Vec<(Instant, Answer)> {
    let mut asked = JoinSet::new();
    while stopped.try_recv().is_err() {
        let (dialer, config) = (dialer.clone(), Arc::clone(&config));
        asked.spawn(async move {
            let began = Instant::now();
            let answer = match Client::connect(&dialer, &config).await {
                Ok(mut client) => client.get(&dialer.target.path).await,
                Err(failure) => failure.into(),
            };
            (began, answer)
        });
        sleep(GUST).await;
    }
    asked.join_all().await
}

const GUST: Duration = Duration::from_millis(10);
const AFTERMATH: Duration = Duration::from_millis(500);
