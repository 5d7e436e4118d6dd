//! Why a permitted request got no answer, told apart by what went wrong where.

use std::error::Error;
use std::io;

use postern_policy::Upstream;

use crate::body::ClientBodyError;
use crate::websocket::Disagreement;

/// Why a permitted request got no answer from its upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("cannot connect to the upstream {upstream}: {reason}")]
    Unreachable { upstream: String, reason: String },
    #[error("no TLS with the upstream {upstream}: {reason}")]
    Tls { upstream: String, reason: String },
    #[error("the upstream {upstream} did not accept the connection in time")]
    ConnectTimeout { upstream: String },
    #[error("the upstream {upstream} did not answer within {seconds} s")]
    AnswerTimeout { upstream: String, seconds: u64 },
    #[error("the upstream {upstream} gave no usable answer: {reason}")]
    Failed { upstream: String, reason: String },
    #[error("the upstream {upstream} switched protocols, but {why}")]
    SwitchedProtocols { upstream: String, why: Disagreement },
    #[error("{0}")]
    ClientBody(ClientBodyError),
}

/// How far an exchange came before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Connecting,
    Exchanging,
}

impl UpstreamError {
    /// Whether there was no connection to send a request on.
    pub(super) fn is_no_connection(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Tls { .. } | Self::ConnectTimeout { .. } => true,
            Self::AnswerTimeout { .. }
            | Self::Failed { .. }
            | Self::SwitchedProtocols { .. }
            | Self::ClientBody(_) => false,
        }
    }

    /// Finds the cause in what a library says.
    pub(super) fn of(error: &(dyn Error + 'static), stage: Stage, upstream: &Upstream) -> Self {
        let upstream = upstream.authority();
        let causes = || std::iter::successors(Some(error), |&cause| cause.source());
        if let Some(reason) = causes().find_map(tls_error).map(ToString::to_string) {
            return Self::Tls { upstream, reason };
        }
        let timed_out = causes().any(|cause| {
            let cause = cause.downcast_ref::<io::Error>();
            cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
        });
        let texts: Vec<_> = causes().map(ToString::to_string).collect();
        let reason = texts.join(": ");
        match (stage, timed_out) {
            (Stage::Connecting, true) => Self::ConnectTimeout { upstream },
            (Stage::Connecting, false) => Self::Unreachable { upstream, reason },
            (Stage::Exchanging, _) => Self::Failed { upstream, reason },
        }
    }
}

/// rustls' errors travel inside of those of I/O, sometimes in two layers.
fn tls_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut inner = cause;
    while let Some(io) = inner.downcast_ref::<io::Error>() {
        inner = io.get_ref()?;
    }
    inner.downcast_ref()
}
