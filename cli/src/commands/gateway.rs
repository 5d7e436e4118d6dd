//! `postern gateway …`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use postern_gateway::{
    CheckReport, Gateway, LoadError, Loader, ReloadRequestError, Settings, StartError,
    StateFolderError, handle_signals, request_reload,
};
use serde_json::json;

use super::{DONE, Outcome};
use crate::config::{self, Config};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::{print_object, tell};

mod verify;

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayCommand {
    Run(RunArgs),
    Check(CheckArgs),
    Reload(ReloadArgs),
    Verify(Box<verify::VerifyArgs>),
}

/// Run the gateway until SIGTERM, which drains it
///
/// Examples:
///   postern gateway run --config /etc/postern/postern.toml
///
/// SIGHUP, or `postern gateway reload`, puts a changed configuration in force whole; a bad one is
/// refused and the old one stays. A bad one at the start is an error.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RunArgs {}

/// Check everything that `gateway run` would read
///
/// Examples:
///   postern gateway check --config /etc/postern/postern.toml
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CheckArgs {}

/// Tell the running gateway to read its configuration again, and wait for the outcome
///
/// Examples:
///   postern gateway reload --config /etc/postern/postern.toml
///
/// Exit code 1 where the configuration is refused: then the old one is still in force.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ReloadArgs {}

const RELOAD_WAIT: Duration = Duration::from_secs(30);

pub(crate) fn run(context: &Context, command: GatewayCommand) -> Outcome {
    match command {
        GatewayCommand::Run(_) => serve(context),
        GatewayCommand::Check(_) => check(context),
        GatewayCommand::Reload(_) => reload(context),
        GatewayCommand::Verify(args) => verify::run(context, &args),
    }
}

fn serve(context: &Context) -> Outcome {
    let path = context.config_path();
    let settings = settings(&path)?;
    runtime()?.block_on(async {
        let gateway = Gateway::bind(settings, loader(path))?;
        tell(&format!("listening on {}", gateway.address()));
        let shutdown = handle_signals(gateway.handle()).map_err(failure)?;
        gateway.run(shutdown).await.map_err(failure)
    })?;
    DONE
}

/// The runtime that everything asynchronous runs on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failure)
}

/// The gateway's settings in the file at `path`.
pub(crate) fn settings(path: &std::path::Path) -> Result<Settings, CommandError> {
    Config::load(path)?.gateway()
}

/// What a reload calls: the same path through the same checks as the start.
pub(crate) fn loader(path: PathBuf) -> Loader {
    Arc::new(move || settings(&path).map_err(|error| LoadError::new(error.message())))
}

fn check(context: &Context) -> Outcome {
    let report = postern_gateway::check(&settings(&context.config_path())?)
        .map_err(|error| CommandError::new(Kind::Integrity, error))?;
    print_object(
        context.format,
        "postern.gateway-check/1",
        &fields(&report),
        json!(report),
    )?;
    for warning in &report.warnings {
        tell(&format!("warning: {warning}"));
    }
    tell("The configuration is good.");
    DONE
}

/// Whom the client's address is believed from, and what one address may have.
fn addresses(report: &CheckReport) -> impl Iterator<Item = (&'static str, String)> {
    let told_by = [
        ("PROXY header from", report.proxy_protocol.join(", ")),
        ("X-Forwarded-For from", report.forwarded_for.join(", ")),
    ];
    let limit = report.max_connections_per_address.to_string();
    let told_by = told_by.into_iter().filter(|(_, text)| !text.is_empty());
    told_by.chain([("connections per address", limit)])
}

fn fields(report: &CheckReport) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("listen", report.listen.clone()),
        (
            "certificate ends",
            report.server_not_after.clone().unwrap_or_default(),
        ),
    ];
    fields.extend(addresses(report));
    fields.extend(report.behind_cloudflare.as_ref().map(|front| {
        let certificate = front.client_certificate.unwrap_or("none");
        let text = format!(
            "{}, issuer {}, keys at {}, identity {}, client certificates in {certificate}",
            front.peer, front.issuer, front.jwks, front.identity
        );
        ("behind cloudflare", text)
    }));
    fields.extend(report.assertions.as_ref().map(|signed| {
        let keys = signed.jwks_listen.as_deref().unwrap_or("nowhere");
        let text = format!("issuer {}, keys at {keys}", signed.issuer);
        ("assertions", text)
    }));
    fields.extend(
        report
            .trust_anchors
            .iter()
            .map(|subject| ("trust", subject.clone())),
    );
    fields.extend(report.applications.iter().map(|application| {
        let hosts = application.hosts.join(", ");
        let certificate = application.client_certificate;
        let identity = match application.identity.as_slice() {
            [] => "none".to_owned(),
            forms => forms.join(" "),
        };
        let text = format!(
            "{} on {hosts} -> {} (client certificate {certificate}, identity {identity})",
            application.name, application.upstream
        );
        ("application", text)
    }));
    fields.extend(report.sources.iter().map(|source| {
        let age = source
            .age_s
            .map(|age| format!(", CRL {age} s old"))
            .unwrap_or_default();
        let alarm = source
            .alarm
            .as_ref()
            .map(|alarm| format!(": {alarm}"))
            .unwrap_or_default();
        ("source", format!("{}{age}{alarm}", source.name))
    }));
    fields
}

fn reload(context: &Context) -> Outcome {
    // The file as a whole is the gateway's to judge: it may be bad, and that is an answer.
    let state = config::state_folder(&context.config_path())?;
    let outcome = request_reload(&state, RELOAD_WAIT).map_err(|error| {
        let idle = matches!(error, ReloadRequestError::NotRunning { .. });
        let kind = if idle { Kind::NotFound } else { Kind::Failure };
        CommandError::new(kind, error)
    })?;
    match &outcome.error {
        Some(error) => Err(CommandError::new(
            Kind::Failure,
            format!("the gateway refused the configuration and keeps the old one: {error}"),
        )),
        None => {
            tell(&format!(
                "Configuration {} is in force.",
                outcome.generation
            ));
            if !outcome.needs_restart.is_empty() {
                tell(&format!(
                    "Changed, and in force only after a restart: {}",
                    outcome.needs_restart.join(", ")
                ));
            }
            DONE
        }
    }
}

fn failure(error: impl std::fmt::Display) -> CommandError {
    CommandError::new(Kind::Failure, error)
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        let kind = match &error {
            StartError::Listen { .. }
            | StartError::ListenBeside { .. }
            | StartError::State(StateFolderError::InUse { .. }) => Kind::Conflict,
            StartError::Follow { .. } => Kind::Integrity,
            StartError::State(StateFolderError::Unusable { .. })
            | StartError::Events(_)
            | StartError::Assertions { .. } => Kind::Failure,
        };
        Self::new(kind, error)
    }
}
