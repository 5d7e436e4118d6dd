//! `postern token test`

use std::io::Write as _;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use clap::{Args, ValueEnum};
use postern_cloudflare::probe::{
    Attempt, CredentialHeader, EchoError, EchoReport, Passage, ProbeReport, Verdict,
};
use postern_policy::TokenName;
use serde_json::{Value, json};

use super::probing::{Freshness, Prober, ProbingArgs, refusal};
use super::record::{destination, recorded_anywhere};
use super::steps::Steps;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::delivery::Credentials;
use crate::error::{CommandError, Kind};
use crate::output::{Format, Listing, Row, print, print_object, tell};
use crate::time;

/// Try a token on a URL, and say what the answer means
///
/// Examples:
///   postern token test ci-deploy-prod --credentials token.json --url https://api.example.com/health
///   pass show ci-deploy-prod | postern token test --credentials - --url https://api.example.com/health
///   postern token test --credentials token.json --url https://echo.example.com/ --echo
///   postern token test --credentials token.json --url https://api.example.com/health --every 60s -o jsonl
///
/// 200 passes. The secret is read from a file in any format of `token create`, or from standard
/// input. Redirects are not followed. Exit codes: 0 opened, 4 refused (401, 403, a login page),
/// 8 nobody answers, or the application fails.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct TestArgs {
    /// The token's name; its secret is read from the file that it was delivered to, if that is known
    #[arg(value_parser = super::name, required_unless_present = "credentials")]
    name: Option<TokenName>,
    /// The file with id and secret; `-` is standard input
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// The URL to open; repeatable
    #[arg(long, value_name = "URL", required = true)]
    url: Vec<String>,
    /// Which header carries the token
    #[arg(long, value_enum, value_name = "HEADER", default_value = "pair")]
    header: Header,
    /// Ask a URL that answers with the headers it got which of ours arrived
    #[arg(long)]
    echo: bool,
    /// Try again and again, once each time: a health probe
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration, conflicts_with = "echo")]
    every: Option<Duration>,
    #[command(flatten)]
    probing: ProbingArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Header {
    /// CF-Access-Client-Id and CF-Access-Client-Secret
    Pair,
    /// Authorization, with both as JSON
    Authorization,
}

impl Header {
    fn credential_header(self) -> CredentialHeader {
        match self {
            Self::Pair => CredentialHeader::Pair,
            Self::Authorization => CredentialHeader::Authorization,
        }
    }
}

pub(crate) fn run(context: &Context, args: &TestArgs) -> Outcome {
    let credentials = credentials(context, args)?;
    let prober = args.probing.prober(freshness(args))?;
    let prober = prober.with_header(args.header.credential_header());
    if let Some(every) = args.every {
        return watch(
            &prober.once(),
            &args.url,
            &credentials,
            (every, context.format),
        );
    }
    if args.echo {
        return echo(context.format, &prober, &args.url, &credentials);
    }
    try_all(context.format, &prober, &args.url, &credentials)
}

/// Tries every URL; each must open.
fn try_all(format: Format, prober: &Prober, urls: &[String], credentials: &Credentials) -> Outcome {
    let reports = urls
        .iter()
        .map(|url| prober.report(url, credentials, Steps(format)));
    let reports: Vec<ProbeReport> = reports.collect::<Result<_, CommandError>>()?;
    match format {
        // Each attempt was told.
        Format::Table => {}
        Format::Json | Format::Jsonl => {
            let tried: Vec<Value> = reports.iter().map(tried).collect();
            print_object(
                format,
                "postern.token-test/1",
                &[],
                json!({ "urls": tried }),
            )?;
        }
    }
    let failed = reports.iter().find(|report| !report.verdict.is_passed());
    failed.map_or(DONE, |report| Err(refusal(report)))
}

fn tried(report: &ProbeReport) -> Value {
    json!({
        "url": report.url,
        "passed": report.verdict.is_passed(),
        "verdict": verdict(&report.verdict),
        "explanation": report.verdict.explanation(),
        "attempts": report.attempts.len(),
        "ray": report.attempts.last().and_then(|attempt| attempt.ray.as_ref()),
    })
}

/// The verdict's word, without what was got.
fn verdict(verdict: &Verdict) -> Value {
    let verdict = serde_json::to_value(verdict).unwrap_or_default();
    verdict.get("verdict").cloned().unwrap_or_default()
}

/// A health probe looks at what has long been there.
fn freshness(args: &TestArgs) -> Freshness {
    match args.every {
        Some(_) => Freshness::LongThere,
        None => Freshness::JustChanged,
    }
}

fn credentials(context: &Context, args: &TestArgs) -> Result<Credentials, CommandError> {
    let Some(name) = &args.name else {
        // clap sees to it that one of them is there.
        let path = args.credentials.clone().unwrap_or_default();
        return Credentials::read_file_or_stdin(&path);
    };
    let authority = context.authority()?;
    let token = super::find(&authority, name)?;
    let credentials = match &args.credentials {
        Some(path) => Credentials::read_file_or_stdin(path)?,
        None => delivered(&authority, name)?,
    };
    if credentials.client_id() != token.client_id {
        return Err(CommandError::new(
            Kind::Conflict,
            format!("these are the credentials of another token than {name}"),
        )
        .hint("`postern token identify` says whose a found secret is"));
    }
    if !token.secrets.contains(&credentials.hash()) {
        tell(&format!(
            "{name} has another secret by now: this one was rotated away."
        ));
    }
    Ok(credentials)
}

/// The secret where it was delivered to. Nobody keeps it but whoever it was delivered to.
fn delivered(
    authority: &postern_ca::CertificateAuthority,
    name: &TokenName,
) -> Result<Credentials, CommandError> {
    let object = recorded_anywhere(authority.store(), name)?;
    let file = object.as_ref().and_then(destination).map(PathBuf::from);
    file.and_then(|file| Credentials::read(&file).ok())
        .ok_or_else(|| {
            CommandError::usage(format!("the secret of {name} is not kept here")).hint(
                "give the file that has it with --credentials, or pipe it in with --credentials -",
            )
        })
}

/// Once each `every`, until somebody ends it or nobody listens any more.
fn watch(
    prober: &Prober,
    urls: &[String],
    credentials: &Credentials,
    (every, format): (Duration, Format),
) -> Outcome {
    let probes: Result<Vec<_>, _> = urls
        .iter()
        .map(|url| Ok::<_, CommandError>((url, prober.probe(url, credentials)?)))
        .collect();
    let probes = probes?;
    loop {
        for (url, probe) in &probes {
            let report = prober.run(probe.run(|_| ()));
            let lines = report
                .attempts
                .iter()
                .map(|attempt| line(format, url, attempt));
            let text: String = lines.collect();
            let mut out = std::io::stdout().lock();
            if out
                .write_all(text.as_bytes())
                .and_then(|()| out.flush())
                .is_err()
            {
                return DONE;
            }
        }
        sleep(every);
    }
}

fn line(format: Format, url: &str, attempt: &Attempt) -> String {
    let now = time::rfc3339(time::now());
    match format {
        Format::Table => format!("{now} {url} {}\n", attempt.verdict.explanation()),
        Format::Json | Format::Jsonl => {
            let line = json!({
                "schema": "postern.probe/1",
                "time": now,
                "url": url,
                "passed": attempt.verdict.is_passed(),
                "explanation": attempt.verdict.explanation(),
                "ray": attempt.ray,
                "cookie": attempt.cookie,
                "verdict": verdict(&attempt.verdict),
            });
            format!("{line}\n")
        }
    }
}

fn echo(format: Format, prober: &Prober, urls: &[String], credentials: &Credentials) -> Outcome {
    let mut rows = Vec::new();
    let mut nginx = Vec::new();
    for url in urls {
        let probe = prober.probe(url, credentials)?;
        let report = prober.run(probe.echo()).map_err(no_echo)?;
        rows.extend(echo_rows(url, &report));
        nginx.extend(report.nginx);
    }
    Listing {
        schema: "postern.echo/1",
        columns: &["HEADER", "PASSAGE", "URL"],
        rows,
    }
    .print(format)?;
    if !nginx.is_empty() && format == Format::Table {
        nginx.dedup();
        print(&format!(
            "\nWhere an nginx on the way strips them:\n  {}\n",
            nginx.join("\n  ")
        ))?;
    }
    DONE
}

fn echo_rows(url: &str, report: &EchoReport) -> Vec<Row> {
    let passage = |passage| match passage {
        Passage::Arrived => "arrived",
        Passage::Altered => "altered",
        Passage::Missing => "missing",
    };
    let nginx: Value = report.nginx.iter().map(String::as_str).collect();
    let rows = report.headers.iter().map(|header| Row {
        cells: vec![
            header.name.to_owned(),
            passage(header.passage).to_owned(),
            url.to_owned(),
        ],
        json: json!({
            "url": url,
            "header": header.name,
            "passage": passage(header.passage),
            "nginx": nginx,
        }),
    });
    rows.collect()
}

fn no_echo(error: EchoError) -> CommandError {
    let kind = match &error {
        EchoError::NotPassed(_) => Kind::Denied,
        EchoError::NoEcho(_) => Kind::Failure,
    };
    CommandError::new(kind, error)
}
