//! `postern cloudflare doctor`

use clap::Args;
use postern_cloudflare::doctor::{
    DoctorReport, LAYOUTS_WITHOUT_MTLS, LiveReport, Throwaway, examine, live_probe,
    live_probe_questions,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::cloudflare::{CloudflareArgs, Edge};
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::{print_document, tell};
use crate::time::now;

/// Say what the API token may do, and whether the account has Access mTLS; nothing is written
///
/// Examples:
///   postern cloudflare doctor
///   postern cloudflare doctor -o json | jq '.findings[] | select(.standing != "OK")'
///   postern cloudflare doctor --questions
///   postern cloudflare doctor --live-probe --host unused.example.com
///
/// For each permission group: OK, MISSING, INSUFFICIENT, or UNKNOWN where reading does not tell.
/// Never a value. --live-probe does write: it tries what only a live account can settle, on
/// throw-away objects of its own, and deletes them.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DoctorArgs {
    /// List what only a live account can settle, and what Postern assumes meanwhile
    #[arg(long, conflicts_with = "live_probe")]
    questions: bool,
    /// Try it, on throw-away objects that are deleted again
    #[arg(long)]
    live_probe: bool,
    /// A host of the account's zones that nothing answers for, for --live-probe
    #[arg(long, value_name = "HOST", requires = "live_probe")]
    host: Option<String>,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
}

pub(crate) fn run(context: &Context, args: &DoctorArgs) -> Outcome {
    if args.questions {
        return questions(context);
    }
    let edge = args.cloudflare.connect(context)?;
    let clock = i64::try_from(now()).ok();
    let clock = clock.and_then(|now| OffsetDateTime::from_unix_timestamp(now).ok());
    let clock = clock.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let scope = edge.scope();
    let report = edge.run(examine(&edge.client, &scope, clock))?;
    let live = match args.live_probe {
        true => Some(probe(&edge, args.host.clone())?),
        false => None,
    };
    print(context, &report, live.as_ref())?;
    match live {
        Some(live) if !live.left_behind.is_empty() => Err(CommandError::new(
            Kind::Partial,
            format!("could not delete: {}", live.left_behind.join(", ")),
        )),
        _ if report.is_healthy() => DONE,
        _ => Ok(Kind::Denied.code()),
    }
}

fn probe(edge: &Edge, host: Option<String>) -> Result<LiveReport, CommandError> {
    let throwaway = Throwaway {
        run: now().to_string(),
        ca: throwaway_ca()?,
        other_ca: throwaway_ca()?,
        host,
    };
    tell("Trying on throw-away objects named postern-live-probe-…");
    let scope = edge.scope();
    Ok(edge.run(live_probe(&edge.client, &scope, &throwaway)))
}

/// A CA whose key is gone when this returns: nobody will ever be issued anything by it.
fn throwaway_ca() -> Result<String, CommandError> {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};
    let failed = |error| CommandError::new(Kind::Failure, format!("cannot make a CA: {error}"));
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params.self_signed(&key).map_err(failed)?.pem())
}

fn print(
    context: &Context,
    report: &DoctorReport,
    live: Option<&LiveReport>,
) -> Result<(), CommandError> {
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&format!(
            "{:12}  {}: {}\n",
            finding.standing, finding.what, finding.detail
        ));
        if let Some(remedy) = &finding.remedy {
            text.push_str(&format!("{:12}  {remedy}\n", ""));
        }
    }
    text.push_str(&format!("\n{}\n", report.mtls.sentence()));
    if report.mtls.is_missing() {
        let layouts = LAYOUTS_WITHOUT_MTLS.iter();
        text.extend(layouts.map(|layout| format!("  works without it: {layout}\n")));
    }
    for answer in live.into_iter().flat_map(|live| &live.answers) {
        text.push_str(&format!("\n{}: {}\n", answer.id, answer.observed));
    }
    let mut document = serde_json::to_value(report).unwrap_or_default();
    if let Value::Object(fields) = &mut document {
        fields.insert(String::from("live_probe"), json!(live));
        fields.insert(
            String::from("layouts_without_mtls"),
            json!(LAYOUTS_WITHOUT_MTLS),
        );
    }
    print_document(
        context.format,
        "postern.cloudflare-doctor/1",
        &text,
        document,
    )
}

fn questions(context: &Context) -> Outcome {
    let mut text = String::new();
    for question in live_probe_questions() {
        text.push_str(&format!(
            "{}: {}\n  would be tried: {}\n  assumed until then: {}\n",
            question.id, question.question, question.tried, question.assumed
        ));
    }
    let document = json!({ "questions": live_probe_questions() });
    print_document(
        context.format,
        "postern.cloudflare-questions/1",
        &text,
        document,
    )?;
    DONE
}
