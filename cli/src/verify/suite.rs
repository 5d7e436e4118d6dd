//! What the checks have in common: clients, revoking them, and waiting for a refusal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderName;
use rustls::RootCertStore;
use tokio::time::sleep;

use super::answer::{Answer, Failure};
use super::client::Client;
use super::crl::{Lists, Revoker};
use super::pki::{Identity, SuitePki};
use super::target::Target;
use super::tls::{Dialer, Protocol, Version};
use super::verdict::{Finding, NotRun};

/// What the operator told beside target and PKI.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The CRL file the target reads.
    pub(crate) crl_out: PathBuf,
    /// What makes it read the file.
    pub(crate) reload: String,
    /// How long after that a revocation may take to be in force.
    pub(crate) within: Duration,
    /// Where the target leads to something that some checks need.
    pub(crate) paths: Paths,
    /// Another name that the target answers to.
    pub(crate) other_host: Option<String>,
    /// The headers by which the upstream is told who a request is from.
    pub(crate) identity_headers: Vec<HeaderName>,
    /// Whether a CRL of a million entries is made.
    pub(crate) large: bool,
    /// Whether the target may be flooded.
    pub(crate) floods: bool,
}

/// Paths with a special upstream behind them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paths {
    /// Answers without end.
    pub(crate) stream: Option<String>,
    /// Takes a body without end.
    pub(crate) upload: Option<String>,
    /// Opens a WebSocket.
    pub(crate) websocket: Option<String>,
    /// Answers with the request's head.
    pub(crate) echo: Option<String>,
}

/// A target, what is signed with, and how to revoke.
pub(crate) struct Suite {
    pub(crate) dialer: Dialer,
    pub(crate) pki: SuitePki,
    pub(crate) options: Options,
    pub(crate) revoker: Revoker,
}

/// A revocation that new full handshakes are refused for.
pub(crate) struct InForce {
    /// When the CRL began to be written.
    pub(crate) began: Instant,
    /// When it was first seen in force.
    pub(crate) seen: Instant,
}

/// How waiting for a refusal ended.
pub(crate) enum Wait {
    /// It came.
    Refused { how: String, at: Instant },
    /// It did not, and this was the last answer.
    Never(Answer),
}

impl Suite {
    pub(crate) fn new(
        target: Target,
        roots: RootCertStore,
        pki: SuitePki,
        options: Options,
    ) -> Self {
        Self {
            dialer: Dialer::new(target, roots),
            pki,
            revoker: Revoker::new(options.crl_out.clone(), options.reload.clone()),
            options,
        }
    }

    /// That something listens.
    pub(crate) async fn reach(&self) -> Result<(), Answer> {
        self.dialer.tcp().await.map(drop).map_err(Answer::from)
    }

    /// A clean slate: nobody is revoked, and a good client is let in.
    pub(crate) async fn reset(&mut self) -> Result<(), NotRun> {
        self.revoker.publish(&self.pki, &Lists::default()).await?;
        let client = self.pki.client();
        // A reload may leave the old processes and the new ones to take turns for a moment.
        for _ in 0..SETTLED {
            let admitted = self.until_admitted(&client).await;
            admitted.map_err(|answer| {
                NotRun::because(format!("a client that nothing is wrong with: {answer}"))
            })?;
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, who: &Identity) -> Answer {
        self.ask_over(Some(who), Version::Any).await
    }

    /// The same in either version, with or without a certificate.
    pub(crate) async fn ask_over(&self, who: Option<&Identity>, version: Version) -> Answer {
        match self.open(who, version, Protocol::Http1).await {
            Ok(mut client) => client.get(&self.dialer.target.path).await,
            Err(failure) => failure.into(),
        }
    }

    /// A connection that stays open.
    pub(crate) async fn open(
        &self,
        who: Option<&Identity>,
        version: Version,
        protocol: Protocol,
    ) -> Result<Client, Failure> {
        let config = Arc::new(self.dialer.config(who, version, protocol));
        Client::connect(&self.dialer, &config).await
    }

    /// A connection on which one request was let in.
    pub(crate) async fn live(&self, who: &Identity, protocol: Protocol) -> Result<Client, NotRun> {
        let opened = self.open(Some(who), Version::Any, protocol).await;
        let mut client = opened.map_err(|failure| {
            NotRun::because(format!("a good client: {}", Answer::from(failure)))
        })?;
        if protocol == Protocol::Http2 && !client.is_http2() {
            return Err(NotRun::not_applicable("the target does not speak HTTP/2"));
        }
        let answer = client.get(&self.dialer.target.path).await;
        answer.must_admit("the client, before it is revoked")?;
        Ok(client)
    }

    /// Revokes `who`, and waits until that is in force for new handshakes: a second certificate,
    /// revoked on the same list and for nothing else, is refused.
    pub(crate) async fn revoke(&mut self, who: &Identity) -> Result<InForce, NotRun> {
        self.put_in_force(Lists::of([who.serial.clone()])).await
    }

    /// The same with lists of any kind.
    pub(crate) async fn put_in_force(&mut self, mut lists: Lists) -> Result<InForce, NotRun> {
        let probe = self.pki.client();
        lists = lists.and(&probe.serial);
        let began = self.revoker.publish(&self.pki, &lists).await?;
        match self.until_refused(async || self.ask(&probe).await).await {
            Wait::Refused { at, .. } => Ok(InForce { began, seen: at }),
            Wait::Never(answer) => Err(NotRun::because(format!(
                "the CRL does not come into force, see R1: {answer}"
            ))),
        }
    }

    /// The time until a client is let in, or what it gets instead for as long as is allowed.
    pub(crate) async fn until_admitted(&self, who: &Identity) -> Result<Duration, Answer> {
        let began = Instant::now();
        loop {
            match self.ask(who).await {
                Answer::Admitted(_) => return Ok(began.elapsed()),
                other if began.elapsed() > self.options.within => return Err(other),
                Answer::Refused(_) | Answer::Unclear(_) => sleep(PAUSE).await,
            }
        }
    }

    /// Asks again and again until a refusal, for as long as the operator allows.
    pub(crate) async fn until_refused(&self, mut ask: impl AsyncFnMut() -> Answer) -> Wait {
        let deadline = Instant::now() + self.options.within;
        loop {
            let answer = ask().await;
            match answer {
                Answer::Refused(how) => {
                    let at = Instant::now();
                    return Wait::Refused { how, at };
                }
                Answer::Admitted(_) | Answer::Unclear(_) if Instant::now() < deadline => {
                    sleep(PAUSE).await;
                }
                Answer::Admitted(_) | Answer::Unclear(_) => return Wait::Never(answer),
            }
        }
    }
}

impl Wait {
    /// The finding of a check that ends with a refusal: `what` was tried, since `began`.
    pub(crate) fn finding(self, what: &str, began: Instant) -> Finding {
        match self {
            Self::Refused { how, at } => {
                let took = at.saturating_duration_since(began);
                Finding::pass(format!("{what}: {how}")).took(took)
            }
            Self::Never(Answer::Admitted(status)) => {
                let so_long = began.elapsed().as_secs_f64();
                Finding::fail(format!(
                    "{what}: still {} after {so_long:.1} s",
                    status.as_u16()
                ))
            }
            Self::Never(Answer::Refused(why) | Answer::Unclear(why)) => {
                NotRun::because(format!("{what}: {why}")).into()
            }
        }
    }
}

const SETTLED: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);
