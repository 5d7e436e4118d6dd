//! The gateway's promises, kept by the real binary in front of programs that are not ours.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

mod admission;
mod assertions;
mod balancers;
mod behind_cloudflare;
mod certificates;
mod client_auth;
mod crl_files;
mod crowds;
mod deny_list;
mod deploy;
mod downgrade;
mod events;
mod expiry;
mod floods;
mod following;
mod forwarding;
mod frames;
mod grpc;
mod headers;
mod health;
mod hosts;
mod identity;
mod issuers;
mod journal;
mod limits;
mod metrics;
mod policy_tests;
mod quickstart;
mod reload;
mod resumption;
mod revocation;
mod s_client;
mod smuggling;
mod source_terms;
mod succession;
mod ticket_keys;
mod tokens;
mod upstream_tls;
mod upstreams;
mod websocket;
mod wire;
