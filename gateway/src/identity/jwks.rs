//! The public keys, for whoever verifies our assertions: on a listener of their own, because no
//! client certificate is asked for and no application has a part in it.

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::plain_listener::{TEXT, document};
use crate::state::State;

/// What `[gateway.assertions] jwks_listen` answers at a path: the keys of the configuration in force.
pub(crate) fn answer(state: &State, path: &str) -> Response<Full<Bytes>> {
    let snapshot = state.snapshot();
    match (&snapshot.minter, path) {
        (Some(minter), PATH) => {
            let keys = minter.keys().document().clone();
            let mut response = document(StatusCode::OK, "application/json", keys);
            let keep = HeaderValue::from_static(KEEP);
            response.headers_mut().insert(CACHE_CONTROL, keep);
            response
        }
        (Some(_) | None, _) => document(StatusCode::NOT_FOUND, TEXT, Bytes::new()),
    }
}

/// Where verifiers look, below the issuer.
const PATH: &str = "/cdn-cgi/access/certs";
/// Shorter than keys are published before they sign.
const KEEP: &str = "public, max-age=300";
