//! What a target's behaviour means: let in, turned away, or neither.

use std::error::Error;
use std::{fmt, io};

use http::StatusCode;

use super::verdict::NotRun;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The request went on to what the target protects.
    Admitted(StatusCode),
    /// It did not, and this is how it was turned away.
    Refused(String),
    /// Neither can be said.
    Unclear(String),
}

/// Why there is no response at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The peer ended it: an alert, a closed connection.
    Refused(String),
    /// Silence, or an error on our side.
    Unclear(String),
}

impl Answer {
    /// nginx refuses a client's certificate with an answer, after the handshake. A gateway error
    /// is an upstream that was asked.
    pub(crate) fn of(status: StatusCode) -> Self {
        let asked = [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT].contains(&status);
        match status {
            status if asked || status.as_u16() < 400 => Self::Admitted(status),
            status if status.is_client_error() => Self::Refused(status.as_u16().to_string()),
            status => Self::Unclear(format!("answered {}", status.as_u16())),
        }
    }

    /// That a client who is to be let in was.
    pub(crate) fn must_admit(&self, who: &str) -> Result<StatusCode, NotRun> {
        match self {
            Self::Admitted(status) => Ok(*status),
            Self::Refused(_) | Self::Unclear(_) => Err(NotRun::because(format!("{who}: {self}"))),
        }
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(how) => Self::Refused(how),
            Failure::Unclear(why) => Self::Unclear(why),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted(status) => write!(f, "let in with {}", status.as_u16()),
            Self::Refused(how) => write!(f, "refused: {how}"),
            Self::Unclear(why) => f.write_str(why),
        }
    }
}

impl Failure {
    /// Reads the cause that says most: the peer's alert before the end of the connection.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut causes = std::iter::successors(Some(error), |error| below(*error));
        causes
            .find_map(known)
            .or_else(|| ended(error))
            .unwrap_or_else(|| Self::Unclear(error.to_string()))
    }
}

/// The next cause; what an I/O error is made of counts as one.
fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(upcast),
        None => error.source(),
    }
}

fn known(error: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(if let rustls::Error::AlertReceived(alert) = tls {
            Failure::Refused(format!("alert {alert:?}"))
        } else {
            Failure::Unclear(tls.to_string())
        });
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        // Where it holds another error, that one says more.
        let is_plain = io
            .get_ref()
            .is_none_or(|inner| !inner.is::<rustls::Error>());
        return (is_plain && ENDINGS.contains(&io.kind())).then(closed);
    }
    let frame = error.downcast_ref::<h2::Error>()?;
    frame
        .is_remote()
        .then(|| Failure::Refused(frame.to_string()))
}

/// hyper's own words for a connection that was closed under it.
fn ended(error: &(dyn Error + 'static)) -> Option<Failure> {
    let http = error.downcast_ref::<hyper::Error>()?;
    let ended = http.is_incomplete_message() || http.is_closed() || http.is_canceled();
    ended.then(closed)
}

fn closed() -> Failure {
    Failure::Refused("connection closed".to_owned())
}

fn upcast<'a>(error: &'a (dyn Error + Send + Sync + 'static)) -> &'a (dyn Error + 'static) {
    error
}

const ENDINGS: [io::ErrorKind; 5] = [
    io::ErrorKind::UnexpectedEof,
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::ConnectionAborted,
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::NotConnected,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_that_was_asked_was_reached() {
        for status in [200, 204, 302, 502, 504] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Answer::of(status), Answer::Admitted(status));
        }
        for status in [400, 401, 403, 404, 421, 496] {
            let refused = Answer::Refused(status.to_string());
            assert_eq!(Answer::of(StatusCode::from_u16(status).unwrap()), refused);
        }
        let answer = Answer::of(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer, Answer::Unclear("answered 503".into()));
    }

    #[test]
    fn the_peers_alert_is_a_refusal_and_our_own_error_is_none() {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRevoked);
        let refused = Failure::of(&io::Error::other(alert));
        assert_eq!(refused, Failure::Refused("alert CertificateRevoked".into()));
        let ours = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(matches!(
            Failure::of(&io::Error::other(ours)),
            Failure::Unclear(_)
        ));
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(
            Failure::of(&reset),
            Failure::Refused("connection closed".into())
        );
    }
}
