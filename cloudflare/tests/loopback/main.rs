//! The client, doctor and the probe against servers on loopback.

mod calls;
mod doctor;
mod edge;
mod emulated;
mod live;
mod objects;
mod probe;
mod retries;
mod scripted;
mod secrets;
mod settling;
