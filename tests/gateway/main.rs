//! The gateway's promises, kept by the real binary in front of programs that are not ours.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod admission;
mod behind_cloudflare;
mod certificates;
mod downgrade;
mod events;
mod expiry;
mod following;
mod forwarding;
mod frames;
mod grpc;
mod headers;
mod hosts;
mod journal;
mod limits;
mod quickstart;
mod reload;
mod revocation;
mod smuggling;
mod succession;
mod tokens;
mod upstream_tls;
mod upstreams;
mod websocket;
mod wire;
