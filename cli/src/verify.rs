//! The revocation suite: does a TLS proxy, any one, refuse who was revoked, wherever that client is?
//!
//! Everything is done from outside. The suite signs clients of its own, revokes them by writing a
//! CRL file and running the operator's reload command, and looks at what the proxy then does.

mod answer;
mod checks;
mod client;
mod crl;
mod held;
mod pki;
mod report;
mod stream;
mod suite;
mod target;
mod tls;
mod verdict;

pub(crate) use checks::{Check, Row};
pub(crate) use crl::{Lists, clock_number};
pub(crate) use pki::SuitePki;
pub(crate) use report::Report;
pub(crate) use suite::{Options, Paths, Suite};
pub(crate) use target::Target;
pub(crate) use verdict::Verdict;
