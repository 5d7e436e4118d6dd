//! `gateway verify`: what it says of the gateway, of nginx, of HAProxy, and of bad targets.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod lab;
mod refusals;
mod verdicts;
