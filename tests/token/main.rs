//! The service-token runbook: the real `postern` against an emulated Access and its edge.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod create;
mod delivery;
mod evidence;
mod faults;
mod lifecycle;
mod probe;
mod rotate;
mod snippet;
mod succession;
mod support;
mod turns;
mod unused;
