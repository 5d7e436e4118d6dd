//! R14: a CRL of a million entries takes the place of an empty one while others come in.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::verify::answer::Answer;
use crate::verify::client::Client;
use crate::verify::crl::Lists;
use crate::verify::suite::Suite;
use crate::verify::tls::{Dialer, Protocol, Version};
use crate::verify::verdict::{Finding, NotRun};

pub(super) async fn million(suite: &mut Suite) -> Result<Finding, NotRun> {
    if !suite.options.large {
        return Err(NotRun::because("no --large"));
    }
    let (victim, other) = (suite.pki.client(), suite.pki.client());
    suite
        .ask(&victim)
        .await
        .must_admit("the client, before it is revoked")?;
    let mut lists =
        Lists::of((0..ENTRIES).map(|count| [&[0x60][..], &count.to_be_bytes()].concat()));
    lists = lists.and(&victim.serial);
    let number = suite.revoker.next_number();
    let pem = lists.to_pem(&suite.pki, number);
    drop(lists);
    let config = suite
        .dialer
        .config(Some(&other), Version::Any, Protocol::Http1);
    let (stop, stopped) = oneshot::channel();
    let load = tokio::spawn(load(suite.dialer.clone(), config.into(), stopped));
    let began = suite.revoker.publish_pem(pem).await?;
    let wait = suite.until_refused(async || suite.ask(&victim).await).await;
    stop.send(()).unwrap_or_default();
    let load = load.await.map_err(NotRun::because)?;
    if load.turned_away > 0 {
        let (away, all) = (load.turned_away, load.all);
        let evidence = format!("{away} of {all} requests of another client failed meanwhile");
        return Ok(Finding::fail(evidence));
    }
    let (all, slowest) = (load.all, load.slowest.as_millis());
    let what = format!("{ENTRIES} entries; {all} handshakes meanwhile, slowest {slowest} ms");
    Ok(wait.finding(&what, began))
}

/// What another client met.
#[derive(Debug, Default)]
struct Load {
    all: usize,
    turned_away: usize,
    slowest: Duration,
}

async fn load(
    dialer: Dialer,
    config: std::sync::Arc<rustls::ClientConfig>,
    mut stopped: oneshot::Receiver<()>,
) -> Load {
    let mut load = Load::default();
    while stopped.try_recv().is_err() {
        let began = Instant::now();
        let answer = match Client::connect(&dialer, &config).await {
            Ok(mut client) => client.get(&dialer.target.path).await,
            Err(failure) => failure.into(),
        };
        load.all += 1;
        load.turned_away += usize::from(!matches!(answer, Answer::Admitted(_)));
        load.slowest = load.slowest.max(began.elapsed());
    }
    load
}

const ENTRIES: u64 = 1_000_000;
