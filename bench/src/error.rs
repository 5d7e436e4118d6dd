//! Why there is no measurement.

use std::io;

use crate::client::ClientError;
use crate::targets::Kind;

/// Everything that ends a run. A run that ends prints no table: half a comparison is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("cannot {doing}: {source}")]
    Io {
        doing: &'static str,
        source: io::Error,
    },
    #[error("cannot make a certificate or a CRL: {0}")]
    Mint(#[from] rcgen::Error),
    #[error("cannot prepare the client's TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("`{command}` failed: {stderr}")]
    Command { command: String, stderr: String },
    #[error("{kind} does not serve a good client ({last}); its log ends with: {log}")]
    NotServing {
        kind: Kind,
        last: String,
        log: String,
    },
    #[error("{kind} does not keep the policy, so there is nothing to measure: {promise}; {seen}")]
    Policy {
        kind: Kind,
        promise: &'static str,
        seen: String,
    },
    #[error("an operation failed: {0}")]
    Operation(#[from] ClientError),
    #[error("{what}: {source}")]
    Measuring { what: String, source: Box<Self> },
    #[error("the {0} of the machine could not be read")]
    Machine(&'static str),
    #[error("a part of the load stopped: {0}")]
    Task(#[from] tokio::task::JoinError),
    #[error("cannot write the result: {0}")]
    Output(#[from] serde_json::Error),
}

/// Says what was being done when the system refused.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, BenchError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, BenchError> {
        self.map_err(|source| BenchError::Io { doing, source })
    }
}
