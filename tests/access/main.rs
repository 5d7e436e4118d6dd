//! The emulated Access, held against Cloudflare's own schema, its official clients, and curl.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod client;
mod contract;
mod edge;
mod emulator;
mod sdk;
