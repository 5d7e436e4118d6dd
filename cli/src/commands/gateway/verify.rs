//! `postern gateway verify`

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::HeaderName;
use postern_ca::files::{self, Access};
use postern_pki::certificate_ders_from_pem;
use rustls::RootCertStore;

use super::{failure, runtime};
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;
use crate::time;
use crate::verify::{Check, Options, Paths, Report, Row, Suite, SuitePki, Target, Verdict};

mod init;

/// Find out whether a TLS proxy, any one, refuses revoked clients wherever they are
///
/// Examples:
///   postern gateway verify --init-pki verify-pki
///   postern gateway verify https://localhost:8443/ --pki verify-pki \
///       --crl-out verify-pki/crl.pem --reload 'nginx -s reload'
///   postern gateway verify https://gw.example.com/ --confirm gw.example.com:443 …
///
/// The proxy must ask for client certificates of the PKI and read the CRL file; --init-pki makes
/// both, and shows how to configure nginx, HAProxy and Postern. The suite revokes clients of its own
/// by writing the file and running the command. Some checks turn everybody away for some seconds:
/// use a PKI made for the test, and a proxy that nobody needs meanwhile.
///
/// docs/verify.md says what each check does, and what it found.
///
/// Exit codes: 0 no check failed, 6 one failed, 8 the target cannot be reached.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct VerifyArgs {
    /// The proxy, and a path on it that a good client may have
    #[arg(value_name = "URL", required_unless_present = "init_pki")]
    url: Option<String>,
    /// The folder of the PKI: root.crt, root.key, intermediate.crt, intermediate.key
    #[arg(long, value_name = "DIR", required_unless_present = "init_pki")]
    pki: Option<PathBuf>,
    /// The file that the proxy reads CRLs from
    #[arg(long, value_name = "FILE", required_unless_present = "init_pki")]
    crl_out: Option<PathBuf>,
    /// The command that makes the proxy read it again
    #[arg(long, value_name = "CMD", required_unless_present = "init_pki")]
    reload: Option<String>,
    /// Make a throw-away PKI in this folder instead, and show how to point a proxy at it
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    init_pki: Option<PathBuf>,
    /// A name for the server certificate of --init-pki; may be repeated
    #[arg(long, value_name = "NAME", requires = "init_pki")]
    server_name: Vec<String>,
    /// The target's HOST:PORT once more, where it is not on this machine
    #[arg(long, value_name = "HOST:PORT")]
    confirm: Option<String>,
    /// Roots to trust for the proxy's certificate, beside the PKI's own
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Where to connect instead of where the host's name points
    #[arg(long, value_name = "ADDRESS:PORT")]
    connect_to: Option<SocketAddr>,
    /// The common name of the suite's clients
    #[arg(long, value_name = "NAME", default_value = "postern-verify")]
    common_name: String,
    /// How long after CMD returned a revocation may take to be in force
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration, default_value = "5s")]
    within: Duration,
    /// A path that answers without end
    #[arg(long, value_name = "PATH")]
    stream_path: Option<String>,
    /// A path that takes a body without end
    #[arg(long, value_name = "PATH")]
    upload_path: Option<String>,
    /// A path that opens a WebSocket
    #[arg(long, value_name = "PATH")]
    websocket_path: Option<String>,
    /// A path that answers with the head of the request as the upstream got it
    #[arg(long, value_name = "PATH")]
    echo_path: Option<String>,
    /// Another host of the proxy, with other rules about clients
    #[arg(long, value_name = "NAME")]
    other_host: Option<String>,
    /// A header by which the upstream is told who a request is from; may be repeated
    #[arg(long, value_name = "NAME")]
    identity_header: Vec<HeaderName>,
    /// Also swap a CRL of 1,000,000 entries
    #[arg(long)]
    large: bool,
    /// Also flood the target with connections
    #[arg(long)]
    floods: bool,
    /// Only this check; may be repeated
    #[arg(long, value_name = "CHECK")]
    only: Vec<String>,
    /// Write the report here as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report here as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: &VerifyArgs) -> Outcome {
    if let Some(folder) = &args.init_pki {
        return init::run(folder, &args.server_name);
    }
    let target = target(args)?;
    let checks = checks(&args.only)?;
    let mut report = Report::new(format!("https://{}", target.typed()), time::now());
    let mut suite = suite(args, target)?;
    runtime()?.block_on(async {
        suite.reach().await.map_err(unreachable)?;
        suite.reset().await.map_err(no_baseline)?;
        for row in checks {
            report.add(row, row.check.run(&mut suite).await);
        }
        // Whatever came of it, nobody is left revoked.
        if suite.reset().await.is_err() {
            tell("warning: the last, empty CRL did not come into force");
        }
        Ok::<_, CommandError>(())
    })?;
    write(args.json.as_deref(), &format!("{:#}\n", report.json()))?;
    write(args.markdown.as_deref(), &report.markdown())?;
    report.listing().print(context.format)?;
    tell(&report.summary());
    match report.count(Verdict::Fail) {
        0 => DONE,
        _ => Ok(Kind::Policy.code()),
    }
}

/// The target, which is typed twice where it is not on this machine.
fn target(args: &VerifyArgs) -> Result<Target, CommandError> {
    let url = args.url.as_deref().unwrap_or_default();
    let target = Target::parse(url, args.connect_to).map_err(CommandError::usage)?;
    let typed = target.typed();
    match &args.confirm {
        None if target.is_loopback() => Ok(target),
        Some(again) if *again == typed => Ok(target),
        Some(_) | None => Err(CommandError::new(
            Kind::Denied,
            format!("{typed} is not on this machine; the suite sends it broken requests"),
        )
        .hint(format!("where you may do that, add --confirm {typed}"))),
    }
}

fn checks(only: &[String]) -> Result<Vec<Row>, CommandError> {
    let known = |id: &&String| Check::ALL.iter().any(|row| row.id == **id);
    if let Some(unknown) = only.iter().find(|id| !known(id)) {
        let ids: Vec<_> = Check::ALL.iter().map(|row| row.id).collect();
        let message = format!("there is no check {unknown:?}");
        return Err(CommandError::usage(message).hint(format!("the checks: {}", ids.join(" "))));
    }
    let chosen = |row: &&Row| only.is_empty() || only.iter().any(|id| id == row.id);
    Ok(Check::ALL.iter().filter(chosen).copied().collect())
}

fn suite(args: &VerifyArgs, target: Target) -> Result<Suite, CommandError> {
    let (Some(folder), Some(crl_out), Some(reload)) = (&args.pki, &args.crl_out, &args.reload)
    else {
        return Err(CommandError::usage(
            "--pki, --crl-out and --reload belong to a target",
        ));
    };
    let pki = SuitePki::load(folder, &args.common_name)?;
    let mut roots = RootCertStore::empty();
    roots.add(pki.root.der()).map_err(failure)?;
    if let Some(path) = &args.cacert {
        let more = certificate_ders_from_pem(&files::read(path)?).map_err(|error| {
            CommandError::new(Kind::Failure, format!("{}: {error}", path.display()))
        })?;
        roots.add_parsable_certificates(more);
    }
    let options = Options {
        crl_out: crl_out.clone(),
        reload: reload.clone(),
        within: args.within,
        paths: Paths {
            stream: args.stream_path.clone(),
            upload: args.upload_path.clone(),
            websocket: args.websocket_path.clone(),
            echo: args.echo_path.clone(),
        },
        other_host: args.other_host.clone(),
        identity_headers: args.identity_header.clone(),
        large: args.large,
        floods: args.floods,
    };
    Ok(Suite::new(target, roots, pki, options))
}

fn unreachable(why: impl Display) -> CommandError {
    CommandError::new(
        Kind::Unreachable,
        format!("the target cannot be reached: {why}"),
    )
}

fn no_baseline(why: impl Display) -> CommandError {
    let message = format!("nothing can be tested as long as this is so: {why}");
    CommandError::new(Kind::Failure, message)
        .hint("the proxy must trust root.crt of --pki, read --crl-out, and let --common-name in")
        .hint("name a path that answers below 400, and --cacert for the proxy's own certificate")
}

fn write(path: Option<&Path>, text: &str) -> Result<(), CommandError> {
    path.map_or(Ok(()), |path| {
        Ok(files::replace(path, text.as_bytes(), Access::Everybody)?)
    })
}
