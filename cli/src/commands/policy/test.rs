//! `postern policy test`

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use postern_policy::config::ConfigError;
use serde::Deserialize;
use serde_json::json;
use toml::Spanned;

use crate::commands::explain::{Explanation, Question, ask};
use crate::commands::{DONE, Outcome};
use crate::config::mistakes;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::{Listing, Row};

/// Hold the policies against a file of requests and the answers that you expect
///
/// Examples:
///   postern policy test policy-tests.toml
///
/// The file holds one table per request:
///   [[test]]
///   name   = "a device reaches telemetry"
///   host   = "telemetry.example.com"
///   path   = "/v1"                        # default "/"
///   cn     = "device-7.factory.corp"      # or cert = "device-7.crt"; token = "ci-deploy-prod"; address = "10.0.0.7"
///   expect = "admitted"                   # or "denied"
///   policy = "factory-devices"            # where it matters which one decides
///   reason = "permitted"                  # where it matters why
///
/// Each is asked as `postern explain` asks; `cert` is looked at as in a handshake, and counts from
/// the file's folder. Exit code 6 where an answer is another.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct TestArgs {
    /// The requests and their answers, TOML
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    test: Spanned<Vec<Test>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    name: String,
    host: Spanned<String>,
    #[serde(default = "root")]
    path: String,
    cert: Option<PathBuf>,
    cn: Option<Spanned<String>>,
    token: Option<String>,
    address: Option<IpAddr>,
    expect: Expected,
    policy: Option<String>,
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Admitted,
    Denied,
}

pub(super) fn run(context: &Context, args: &TestArgs) -> Outcome {
    let tests = load(&args.file)?;
    let config = context.config()?;
    let folder = args.file.parent().unwrap_or(Path::new(""));
    let mut rows = Vec::new();
    let mut failed = 0;
    for test in &tests {
        let answer = ask(context, &config.applications, &test.question(folder))
            .map_err(|error| error.about(format!("test {:?}", test.name)))?;
        let differences = test.differences(&answer);
        failed += usize::from(!differences.is_empty());
        rows.push(row(test, &answer, &differences));
    }
    let columns = &["RESULT", "TEST", "ANSWER", "POLICY", "EXPECTED"];
    Listing {
        schema: "postern.policy-tests/1",
        columns,
        rows,
    }
    .print(context.format)?;
    if failed == 0 {
        return DONE;
    }
    let message = format!("{failed} of {} answers are not as expected", tests.len());
    Err(CommandError::new(Kind::Policy, message))
}

fn load(path: &Path) -> Result<Vec<Test>, CommandError> {
    let text = String::from_utf8(postern_ca::files::read(path)?)
        .map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))?;
    let mistake = |span, message, hint: Option<&str>| {
        let hint = hint.map(str::to_owned);
        let error = ConfigError {
            span,
            message,
            hint,
        };
        mistakes(path, &text, &[error])
    };
    let file: File = toml::from_str(&text)
        .map_err(|error| mistake(error.span(), error.message().to_owned(), None))?;
    if file.test.get_ref().is_empty() {
        let hint = "write a [[test]] with host, a client and `expect`";
        let message = String::from("there is no test in it");
        return Err(mistake(Some(file.test.span()), message, Some(hint)));
    }
    for test in file.test.get_ref() {
        if let (Some(_), Some(cn)) = (&test.cert, &test.cn) {
            let message = format!("test {:?} has both `cert` and `cn`", test.name);
            let hint = Some("a certificate has its own name: remove `cn`");
            return Err(mistake(Some(cn.span()), message, hint));
        }
    }
    Ok(file.test.into_inner())
}

impl Test {
    fn question(&self, folder: &Path) -> Question {
        Question {
            host: self.host.get_ref().clone(),
            path: self.path.clone(),
            cert: self.cert.as_ref().map(|file| folder.join(file)),
            cn: self.cn.as_ref().map(|cn| cn.get_ref().clone()),
            token: self.token.clone(),
            address: self.address,
        }
    }

    /// What was expected and is not so.
    fn differences(&self, answer: &Explanation) -> Vec<String> {
        let mut differences = Vec::new();
        let expects_admission = self.expect == Expected::Admitted;
        if expects_admission != answer.admitted {
            differences.push(self.expect.as_str().to_owned());
        }
        let mut compare = |what: &str, expected: &Option<String>, there: Option<&str>| {
            if let Some(expected) = expected.as_deref().filter(|it| Some(*it) != there) {
                differences.push(format!("{what} {expected}"));
            }
        };
        compare("policy", &self.policy, answer.policy.as_deref());
        compare("reason", &self.reason, Some(&answer.reason));
        differences
    }
}

impl Expected {
    fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Denied => "denied",
        }
    }
}

fn row(test: &Test, answer: &Explanation, differences: &[String]) -> Row {
    let passed = differences.is_empty();
    let result = if passed { "pass" } else { "FAIL" };
    Row {
        cells: vec![
            result.to_owned(),
            test.name.clone(),
            format!("{}: {}", answer.verdict(), answer.reason),
            answer.policy.clone().unwrap_or_default(),
            differences.join(", "),
        ],
        json: json!({
            "test": test.name,
            "passed": passed,
            "expected": test.expect.as_str(),
            "differences": differences,
            "answer": answer.json(),
        }),
    }
}

fn root() -> String {
    String::from("/")
}
