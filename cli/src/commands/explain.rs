//! `postern explain`

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Outcome;
use crate::context::Context;
use crate::error::Kind;
use crate::output::print_object;

mod event;
mod question;

pub(crate) use self::question::{Explanation, Question, ask};

/// Say who gets in, by which policy and rule, or why not
///
/// Examples:
///   postern explain --host telemetry.example.com --path /v1 --cert device-7.crt
///   postern explain --host telemetry.example.com --cn device-7.factory.corp
///   postern explain --host telemetry.example.com --token ci-deploy-prod
///   postern explain 3f2c…                    why the gateway answered this request as it did
///
/// --cert is checked as in a handshake: path, profile, validity, revocation. --cn asks about any
/// valid certificate of that name. Exit code 0 where it is admitted, 4 where it is denied.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ExplainArgs {
    /// A request id, as in the answer and in the events
    #[arg(value_name = "REQUEST_ID", conflicts_with_all = ["host", "path", "cert", "cn", "token", "address"])]
    request_id: Option<String>,
    /// The host that is asked for
    #[arg(long, value_name = "HOST", required_unless_present = "request_id")]
    host: Option<String>,
    /// The path that is asked for
    #[arg(long, value_name = "PATH", default_value = "/")]
    path: String,
    /// A certificate with its chain, PEM
    #[arg(long, value_name = "FILE", conflicts_with = "cn")]
    cert: Option<PathBuf>,
    /// The name of a certificate
    #[arg(long, value_name = "NAME")]
    cn: Option<String>,
    /// The name of a service token; may stand beside a certificate
    #[arg(long, value_name = "NAME")]
    token: Option<String>,
    /// The client's address; without it, rules about addresses do not match
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
}

pub(crate) fn run(context: &Context, args: &ExplainArgs) -> Outcome {
    if let Some(id) = &args.request_id {
        return event::explain(context, id);
    }
    let explanation = ask(
        context,
        &context.config()?.applications,
        &Question {
            host: args.host.clone().unwrap_or_default(),
            path: args.path.clone(),
            cert: args.cert.clone(),
            cn: args.cn.clone(),
            token: args.token.clone(),
            address: args.address,
        },
    )?;
    print_object(
        context.format,
        "postern.explanation/1",
        &[
            ("verdict", explanation.verdict().to_owned()),
            (
                "application",
                explanation.application.clone().unwrap_or_default(),
            ),
            ("policy", explanation.policy.clone().unwrap_or_default()),
            ("rule", explanation.rule.clone().unwrap_or_default()),
            ("reason", explanation.reason.clone()),
            ("because", explanation.detail.clone()),
        ],
        explanation.json(),
    )?;
    Ok(if explanation.admitted {
        ExitCode::SUCCESS
    } else {
        Kind::Denied.code()
    })
}
