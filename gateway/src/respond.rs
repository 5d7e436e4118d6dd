//! Every refusal becomes one status and one small JSON body, here and nowhere else.
//!
//! The client's reason and the operator's are two strings: the client gets a stable code, the event
//! the code and the detail.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use postern_pki::Rejection;
use postern_policy::{Denial, RouteError};
use serde::Serialize;

use crate::body::ClientBodyError;
use crate::cloudflare::CloudflareRefusal;
use crate::event::{Record, RequestId};
use crate::forwarded_for::ForwardedForError;
use crate::headers::FramingError;
use crate::service_token::TokenRefusal;
use crate::target::TargetError;
use crate::upstream::UpstreamError;
use crate::websocket::HandshakeError;

/// Why a request is not answered by its upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// What cannot be recorded is not served.
    #[error("nobody takes the event lines")]
    EventLogStalled,
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Framing(#[from] FramingError),
    #[error(transparent)]
    ForwardedFor(#[from] ForwardedForError),
    /// Said rather than hidden: a client whose upgrade is dropped silently waits for nothing.
    #[error(transparent)]
    WebSocket(#[from] HandshakeError),
    /// The host belongs to another connection than this one.
    #[error("this connection's handshake does not cover the host that the request names")]
    Misdirected,
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The certificate was good at the handshake and is not any more.
    #[error(transparent)]
    Peer(#[from] Rejection),
    #[error(transparent)]
    Token(#[from] TokenRefusal),
    #[error(transparent)]
    Cloudflare(#[from] CloudflareRefusal),
    /// Nothing was presented, and that is not enough.
    #[error("neither a certificate nor a token was presented: {0}")]
    Unauthenticated(Denial),
    #[error(transparent)]
    Denied(Denial),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl Refusal {
    /// The status line. 401: could not authenticate; 403: authenticated and not allowed.
    fn status(&self) -> StatusCode {
        match self {
            Self::EventLogStalled => StatusCode::SERVICE_UNAVAILABLE,
            Self::Target(TargetError::Connect) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Framing(FramingError::TransferEncoding) => StatusCode::NOT_IMPLEMENTED,
            Self::Target(
                TargetError::HostMissing
                | TargetError::HostTwice
                | TargetError::HostUnreadable
                | TargetError::HostInvalid(_)
                | TargetError::HostsDiffer { .. }
                | TargetError::NotAPath,
            )
            | Self::Framing(FramingError::LengthsDiffer)
            | Self::ForwardedFor(_)
            | Self::WebSocket(_)
            | Self::Route(RouteError::AmbiguousPath) => StatusCode::BAD_REQUEST,
            Self::Misdirected | Self::Route(RouteError::UnknownHost) => {
                StatusCode::MISDIRECTED_REQUEST
            }
            Self::Route(RouteError::NoApplication) => StatusCode::NOT_FOUND,
            Self::Token(TokenRefusal::Throttled { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Self::Peer(_) | Self::Token(_) | Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::Cloudflare(refusal) => refusal.status(),
            Self::Upstream(error) => upstream_status(error),
        }
    }

    /// The stable code in the event.
    fn code(&self) -> &'static str {
        match self {
            Self::EventLogStalled => "event_log_stalled",
            Self::Target(error) => target_code(error),
            Self::Framing(FramingError::TransferEncoding) => "transfer_encoding_not_supported",
            Self::Framing(FramingError::LengthsDiffer) => "content_length_duplicate",
            Self::ForwardedFor(_) => "forwarded_for_invalid",
            Self::WebSocket(_) => "websocket_handshake_invalid",
            Self::Misdirected => "misdirected",
            Self::Route(RouteError::UnknownHost) => "unknown_host",
            Self::Route(RouteError::NoApplication) => "no_application",
            Self::Route(RouteError::AmbiguousPath) => "ambiguous_path",
            Self::Peer(rejection) => rejection.code(),
            Self::Token(refusal) => refusal.code(),
            Self::Cloudflare(refusal) => refusal.code(),
            Self::Unauthenticated(_) => "no_credentials",
            Self::Denied(denial) => denial.reason(),
            Self::Upstream(error) => upstream_code(error),
        }
    }

    /// The code that the client is told: the same, unless it would help to guess.
    fn public_code(&self) -> &'static str {
        match self {
            Self::Token(refusal) => refusal.public_code(),
            Self::Cloudflare(refusal) => refusal.public_code(),
            Self::EventLogStalled
            | Self::Target(_)
            | Self::Framing(_)
            | Self::ForwardedFor(_)
            | Self::WebSocket(_)
            | Self::Misdirected
            | Self::Route(_)
            | Self::Peer(_)
            | Self::Unauthenticated(_)
            | Self::Denied(_)
            | Self::Upstream(_) => self.code(),
        }
    }

    /// Writes the refusal into the record.
    pub(crate) fn note(&self, record: &mut Record) {
        match self {
            // The permit stays on the line: the request was allowed, and then something broke.
            Self::Upstream(error) => record.failed(self.code(), &error.to_string()),
            Self::Unauthenticated(denial) | Self::Denied(denial) => {
                record.refused(self.code(), &self.to_string());
                if let (Some(policy), Some(rule)) = (denial.policy(), denial.rule()) {
                    record.denied_by(policy, rule);
                }
            }
            Self::EventLogStalled
            | Self::Target(_)
            | Self::Framing(_)
            | Self::ForwardedFor(_)
            | Self::WebSocket(_)
            | Self::Misdirected
            | Self::Route(_)
            | Self::Peer(_)
            | Self::Token(_)
            | Self::Cloudflare(_) => {
                record.refused(self.code(), &self.to_string());
            }
        }
    }

    /// The answer's body is `{reason, request_id}` and nothing else; never a redirect, never a cookie.
    pub(crate) fn response(&self, request_id: RequestId) -> Response<Full<Bytes>> {
        let body = Answer {
            reason: self.public_code(),
            request_id: request_id.to_string(),
        };
        let body = serde_json::to_vec(&body).expect("two strings make JSON");
        let length = HeaderValue::from(body.len());
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Self::Token(TokenRefusal::Throttled { after }) = self {
            // Rounded up: whoever comes a moment early waits again.
            headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs() + 1));
        }
        response
    }
}

#[derive(Serialize)]
struct Answer {
    reason: &'static str,
    request_id: String,
}

fn target_code(error: &TargetError) -> &'static str {
    match error {
        TargetError::HostMissing => "host_missing",
        TargetError::HostTwice => "host_duplicate",
        TargetError::HostUnreadable | TargetError::HostInvalid(_) => "host_invalid",
        TargetError::HostsDiffer { .. } => "hosts_differ",
        TargetError::Connect => "connect_not_served",
        TargetError::NotAPath => "not_a_path",
    }
}

fn upstream_code(error: &UpstreamError) -> &'static str {
    match error {
        UpstreamError::Unreachable { .. } => "upstream_unreachable",
        UpstreamError::Tls { .. } => "upstream_tls_failed",
        UpstreamError::ConnectTimeout { .. } | UpstreamError::AnswerTimeout { .. } => {
            "upstream_timeout"
        }
        UpstreamError::Failed { .. } | UpstreamError::SwitchedProtocols { .. } => "upstream_failed",
        UpstreamError::ClientBody(ClientBodyError::Idle) => "request_timeout",
        UpstreamError::ClientBody(ClientBodyError::Broken) => "request_incomplete",
    }
}

fn upstream_status(error: &UpstreamError) -> StatusCode {
    match error {
        UpstreamError::Unreachable { .. }
        | UpstreamError::Tls { .. }
        | UpstreamError::Failed { .. }
        | UpstreamError::SwitchedProtocols { .. } => StatusCode::BAD_GATEWAY,
        UpstreamError::ConnectTimeout { .. } | UpstreamError::AnswerTimeout { .. } => {
            StatusCode::GATEWAY_TIMEOUT
        }
        UpstreamError::ClientBody(ClientBodyError::Idle) => StatusCode::REQUEST_TIMEOUT,
        UpstreamError::ClientBody(ClientBodyError::Broken) => StatusCode::BAD_REQUEST,
    }
}
