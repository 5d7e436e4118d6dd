//! The gateway's promises, kept by the real binary in front of programs that are not ours.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod admission;
