//! The CA as its callers and its followers see it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod devices;
mod edge_and_rotations;
mod published;
mod succession;
mod support;
mod token_life;
