//! The client against a server that answers what a script says.

mod calls;
mod retries;
mod scripted;
mod secrets;
mod settling;
