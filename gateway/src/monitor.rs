//! What is told to whoever watches the gateway: figures, and whether it lives and takes requests.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use rustls_pki_types::UnixTime;

use crate::plain_listener::{TEXT, document};
use crate::state::State;

/// What `[gateway] metrics` answers at a path.
pub(crate) fn answer(state: &State, path: &str) -> Response<Full<Bytes>> {
    match path {
        "/metrics" => {
            let figures = state.metrics.render(UnixTime::now().as_secs());
            document(StatusCode::OK, prometheus::TEXT_FORMAT, figures)
        }
        "/healthz" => document(StatusCode::OK, TEXT, "ok\n"),
        // A drain is what a load balancer has to see before the connections end.
        "/readyz" if state.draining.is_cancelled() => {
            document(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n")
        }
        "/readyz" => document(StatusCode::OK, TEXT, "ok\n"),
        _ => {
            let known = "/metrics, /healthz or /readyz\n";
            document(StatusCode::NOT_FOUND, TEXT, known)
        }
    }
}
