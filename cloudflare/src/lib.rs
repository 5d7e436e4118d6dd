//! What we want Cloudflare Access to hold, compared with what it holds; and the API client.
//!
//! The line is `policies → Desired → Plan → apply`: [`access`] has Cloudflare's words, [`Client`]
//! speaks them over HTTPS. Nothing here decides who is admitted; that is `postern-policy`.

pub mod access;
mod client;
pub mod doctor;
mod error;
pub mod go_duration;
mod http;
pub mod minting;
pub mod probe;
pub mod rotation;

pub use client::{ApiToken, Client, ClientOptions, Pace, Scope};
pub use error::{ApiError, ApiErrorKind};
