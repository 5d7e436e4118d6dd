//! A real gateway, a real upstream, real TLS clients: one promise per test.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod admission;
mod behind_cloudflare;
mod forwarding;
mod lifecycle;
mod remembered;
mod revocation;
mod stalls;
mod support;
mod websocket;
