//! `postern cloudflare …` against the emulated Access, as an operator runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apply;
mod following;
mod looking;
mod revoking;
mod support;
mod through_the_edge;
