//! The command line: what can be written.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    ca, cert, cloudflare, completions, device, expiry, explain, gateway, man, policy, quickstart,
    snippet, status, token,
};
use crate::output::Format;

/// mTLS client certificates for clients without a browser, from the first key to a refused connection
///
/// Examples:
///   postern quickstart                       a throw-away PKI and a gateway, to look at
///   postern ca init --name "Example Corp" --root-dir /media/root
///   postern cert issue ci-runner-1 --out .
///   postern gateway run --config postern.toml
///   postern cert revoke ci-runner-1 --reason key-compromise
///
/// Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 denied, 5 conflict, 6 policy violation,
/// 7 partly done, 8 unreachable, 9 integrity, 10 something due, 130 interrupted.
#[derive(Debug, Parser)]
#[command(
    name = "postern",
    version,
    verbatim_doc_comment,
    propagate_version = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The configuration file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "POSTERN_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,
    /// The CA's home
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "POSTERN_HOME",
        hide_env_values = true
    )]
    pub(crate) home: Option<PathBuf>,
    /// How data is written to standard output
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value = "table"
    )]
    pub(crate) output: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Quickstart(quickstart::QuickstartArgs),
    Explain(explain::ExplainArgs),
    Status(status::StatusArgs),
    /// Manage the certificate authority
    #[command(subcommand)]
    Ca(ca::CaCommand),
    /// Manage certificates
    #[command(subcommand)]
    Cert(cert::CertCommand),
    /// Bring the same policies to Cloudflare Access
    #[command(subcommand)]
    Cloudflare(cloudflare::CloudflareCommand),
    /// Manage devices: the names that certificates and their successors belong to
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// Run and check the gateway
    #[command(subcommand)]
    Gateway(gateway::GatewayCommand),
    /// Look at policies
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Manage service tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    Snippet(snippet::SnippetArgs),
    /// See what ends soon
    #[command(subcommand)]
    Expiry(expiry::ExpiryCommand),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}
