//! Trying a token on the URLs that it is to open.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use postern_cloudflare::probe::{
    CredentialHeader, Probe, ProbeError, ProbeOptions, ProbeReport, Verdict,
};
use tokio::runtime::{Builder, Runtime};

use super::steps::Steps;
use crate::delivery::Credentials;
use crate::error::{CommandError, Kind};
use crate::time;

/// How patiently a token is tried, and over which way.
#[derive(Debug, Clone, Args)]
pub(crate) struct ProbingArgs {
    /// How often a URL is tried before that is a failure
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
    /// The pause between two attempts
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time::parse_duration)]
    interval: Duration,
    /// The limit on one attempt
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time::parse_duration)]
    timeout: Duration,
    /// Roots to trust beside the system's, in PEM
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Where to connect instead of where the host's name points
    #[arg(long, value_name = "ADDRESS:PORT")]
    connect_to: Option<SocketAddr>,
}

/// Tries tokens.
pub(crate) struct Prober {
    runtime: Runtime,
    options: ProbeOptions,
}

impl ProbingArgs {
    /// The pause between two attempts.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// What tries tokens; nothing is sent yet. A refusal within 30 s is a change on its way only
    /// where something was `changed` just now.
    pub(crate) fn prober(&self, freshness: Freshness) -> Result<Prober, CommandError> {
        let defaults = ProbeOptions::default();
        let roots = self.cacert.as_ref().map(|path| {
            fs::read_to_string(path).map_err(|error| {
                CommandError::usage(format!("cannot read {}: {error}", path.display()))
            })
        });
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            CommandError::new(Kind::Failure, format!("cannot start the runtime: {error}"))
        })?;
        Ok(Prober {
            runtime,
            options: ProbeOptions {
                attempts: self.attempts,
                interval: self.interval,
                timeout: self.timeout,
                propagation: match freshness {
                    Freshness::JustChanged => defaults.propagation,
                    Freshness::LongThere => Duration::ZERO,
                },
                extra_roots: roots.transpose()?,
                resolve: self.connect_to,
                ..defaults
            },
        })
    }
}

/// Whether a change may still be on its way to the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// It may.
    JustChanged,
    /// Nothing was changed.
    LongThere,
}

impl Prober {
    /// The same with another way to carry the token.
    pub(crate) fn with_header(mut self, header: CredentialHeader) -> Self {
        self.options.header = header;
        self
    }

    /// The same with one attempt.
    pub(crate) fn once(mut self) -> Self {
        self.options.attempts = 1;
        self
    }

    /// A probe of one URL.
    pub(crate) fn probe(
        &self,
        url: &str,
        credentials: &Credentials,
    ) -> Result<Probe, CommandError> {
        let (id, secret) = (credentials.client_id(), credentials.secret());
        Ok(Probe::new(url, id, secret, self.options.clone())?)
    }

    /// Waits for a conversation with the edge.
    pub(crate) fn run<F: Future>(&self, conversation: F) -> F::Output {
        self.runtime.block_on(conversation)
    }

    /// Tries every URL; each must open.
    pub(crate) fn must_open(
        &self,
        urls: &[String],
        credentials: &Credentials,
        steps: Steps,
    ) -> Result<(), CommandError> {
        let mut failed = None;
        for url in urls {
            let report = self.report(url, credentials, steps)?;
            if !report.verdict.is_passed() {
                failed = failed.or(Some(refusal(&report)));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Tries one URL and tells each attempt.
    pub(crate) fn report(
        &self,
        url: &str,
        credentials: &Credentials,
        steps: Steps,
    ) -> Result<ProbeReport, CommandError> {
        let probe = self.probe(url, credentials)?;
        let mut told = Ok(());
        let report = self.run(probe.run(|attempt| {
            let line = format!(
                "{url}, attempt {}: {}",
                attempt.number,
                attempt.verdict.explanation()
            );
            let line = match &attempt.ray {
                Some(ray) => format!("{line} (ray {ray})"),
                None => line,
            };
            let said = if attempt.verdict.is_passed() {
                steps.done("test", &line)
            } else {
                steps.warn("test", &line)
            };
            told = std::mem::replace(&mut told, Ok(())).and(said);
        }));
        told.map(|()| report)
    }
}

/// A verdict that is no pass, as a failure with its exit code.
pub(crate) fn refusal(report: &ProbeReport) -> CommandError {
    let kind = match report.verdict {
        Verdict::Propagating(_)
        | Verdict::LoginPage
        | Verdict::Unauthenticated
        | Verdict::Forbidden => Kind::Denied,
        Verdict::Unreachable(_) | Verdict::NoAnswer(_) | Verdict::ServerFailed(_) => {
            Kind::Unreachable
        }
        Verdict::Passed | Verdict::Redirected(_) | Verdict::Unexpected(_) => Kind::Failure,
    };
    let message = format!(
        "{} does not open: {}",
        report.url,
        report.verdict.explanation()
    );
    let told = CommandError::new(kind, message);
    if matches!(report.verdict, Verdict::Propagating(_)) {
        let later = Verdict::LoginPage.explanation();
        return told.hint(format!("where it stays like that: {later}"));
    }
    told
}

/// Whether a verdict is what a worthless secret gets. An answer of the application itself, or
/// none, proves nothing.
pub(crate) fn is_refused(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::LoginPage | Verdict::Unauthenticated | Verdict::Forbidden => true,
        Verdict::Passed
        | Verdict::Propagating(_)
        | Verdict::Redirected(_)
        | Verdict::ServerFailed(_)
        | Verdict::Unexpected(_)
        | Verdict::Unreachable(_)
        | Verdict::NoAnswer(_) => false,
    }
}

impl From<ProbeError> for CommandError {
    fn from(error: ProbeError) -> Self {
        let kind = match &error {
            ProbeError::Url(_)
            | ProbeError::Cleartext(_)
            | ProbeError::Credential(_)
            | ProbeError::Roots(_) => Kind::Usage,
            ProbeError::Setup(_) => Kind::Failure,
        };
        Self::new(kind, error)
    }
}
