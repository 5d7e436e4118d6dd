//! `postern quickstart`

use std::path::PathBuf;

use clap::Args;
use postern_gateway::{Gateway, handle_signals};

use super::{Outcome, gateway};
use crate::error::{CommandError, Kind};
use crate::output::print;

mod client;
mod echo;
mod make;
mod once;

use make::Playground;

/// Make a throw-away PKI and run a gateway in front of an echo, to look at
///
/// Examples:
///   postern quickstart
///   postern quickstart --once      try the four requests and exit with 0 or 1
///
/// Everything is under ./postern-dev; delete the folder to start afresh. Its root key is on this
/// machine and unencrypted: never use it for anything real.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct QuickstartArgs {
    /// The folder that everything is made in
    #[arg(long, value_name = "DIR", default_value = "postern-dev")]
    dir: PathBuf,
    /// The gateway's port on 127.0.0.1, when the folder is made
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    port: u16,
    /// The echo's port on 127.0.0.1, when the folder is made
    #[arg(long, value_name = "PORT", default_value_t = 8480)]
    upstream_port: u16,
    /// Make the four requests here, print a line for each, and exit
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(args: &QuickstartArgs) -> Outcome {
    let playground = Playground::open_or_make(&args.dir, args.port, args.upstream_port)?;
    let settings = gateway::settings(&playground.config())?;
    gateway::runtime()?.block_on(async {
        let echo = echo::bind(playground.upstream_port()?).await?;
        let server = Gateway::bind(settings, gateway::loader(playground.config()))?;
        let address = server.address().tcp().expect("quickstart listens on TCP");
        let echoing = tokio::spawn(echo::serve(echo));
        let outcome = if args.once {
            let handle = tokio::spawn(server.run(std::future::pending()));
            let outcome = once::try_all(&playground, address).await;
            handle.abort();
            outcome
        } else {
            print(&invitation(&playground, address.port()))?;
            let shutdown = handle_signals(server.handle()).map_err(failure)?;
            server
                .run(shutdown)
                .await
                .map_err(failure)
                .map(|()| std::process::ExitCode::SUCCESS)
        };
        echoing.abort();
        outcome
    })
}

/// What to type into another terminal.
fn invitation(playground: &Playground, port: u16) -> String {
    let postern = std::env::current_exe().map_or_else(
        |_| String::from("postern"),
        |path| path.display().to_string(),
    );
    let postern = quoted(&postern);
    let at = |name: &str| quoted(&playground.path(name).display().to_string());
    let (root, headers) = (at("root/root.crt"), at("dev-token.headers"));
    let (certificate, key, home) = (at("dev-client.crt"), at("dev-client.key"), at("home"));
    let (config, events) = (at("postern.toml"), at("events.jsonl"));
    format!(
        "The gateway listens on https://localhost:{port} and was started from {config}.\n\
         Try in another terminal, from this folder:\n\n\
         # with the certificate: 200\n\
         curl --cacert {root} --cert {certificate} --key {key} https://localhost:{port}/hello\n\n\
         # with the service token: 200\n\
         curl --cacert {root} -H @{headers} https://localhost:{port}/hello\n\n\
         # with neither: 401\n\
         curl --cacert {root} https://localhost:{port}/hello\n\n\
         # revoke it; the first line again is refused from then on, without a restart\n\
         {postern} --home {home} cert revoke dev-client\n\n\
         # why was a request answered as it was? each answer has an x-request-id\n\
         {postern} --config {config} explain REQUEST_ID\n\n\
         Events go to {events}. Ctrl-C stops it; `rm -r {}` removes all of it.\n",
        quoted(&playground.dir().display().to_string()),
    )
}

/// As a shell takes it back.
fn quoted(text: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "/._-+".contains(character);
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn failure(error: impl std::fmt::Display) -> CommandError {
    CommandError::new(Kind::Failure, error)
}
