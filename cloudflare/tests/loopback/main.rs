//! The client, doctor and the probe against servers on loopback.

mod calls;
mod probe;
mod retries;
mod scripted;
mod secrets;
mod settling;
