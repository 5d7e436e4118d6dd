//! Plans carried out against the emulated Access: what is ours is brought to what the file says,
//! what is not ours stays as it is, and whatever fails, the next run finishes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod fleet;
mod ownership;
mod places;
mod support;
mod taking_away;
