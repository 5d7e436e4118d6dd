//! The harness: the real `postern` binary, in an environment of its own.

mod access;
pub mod canary;
mod client;
mod contract;
mod gateway;
mod haproxy;
mod http1;
mod nginx;
mod packages;
mod peer;
mod postern;
mod site;
mod upstream;
mod visit;

pub use access::Rehearsal;
pub use client::{Answer, AnyBody, Client, Protocol, connect, dial, full, tls, verdict};
pub use contract::{Contract, Violation};
pub use gateway::{PATIENCE, TestGateway};
pub use haproxy::Haproxy;
pub use http1::{Sha256, pattern};
pub use nginx::{Nginx, free_port};
pub use packages::{node_with, python_with};
pub use peer::Peer;
pub use postern::{Output, Postern, note_skip, skip_without};
pub use site::{
    BOTH, DEVICE, DEVICES, GATEWAY, Identity, LOGS, MIXED, PLAIN, Site, certificates, config,
};
pub use upstream::{Received, Upstream};
pub use visit::{Seen, visit};
