//! CA and command line: one module per promise, against openssl, strace, sqlite3 and faketime.

#![allow(
    clippy::print_stderr,
    reason = "skips and summaries are for the person who reads the test's output"
)]

mod broken_store;
mod concurrency;
mod config_errors;
mod csr;
mod device;
mod disk_faults;
mod emergency;
mod expiry;
mod help;
mod identify;
mod init;
mod init_interrupted;
mod init_refused;
mod issue;
mod kill_loop;
mod limbo;
mod names;
mod renew;
mod revoke;
mod secrets;
mod status;
mod streams;
mod support;
mod token_list;
mod validity;
