//! `postern snippet`

use clap::{Args, ValueEnum};
use postern_policy::{ApplicationSet, CommonName, Policy, Rule, TokenName};

use super::{DONE, Outcome};
use crate::context::Context;
use crate::delivery::kubernetes_name;
use crate::error::{CommandError, Kind};
use crate::output::print;

mod certificate;
mod token;

/// Print how a program presents a token or a certificate
///
/// Examples:
///   postern snippet ci-deploy-prod --for curl
///   postern snippet ci-deploy-prod --for github-actions --url https://api.example.com/health
///   postern snippet device-1.factory.corp --for python --url https://devices.example.com/
///
/// A snippet refers to secrets (environment, file, secretKeyRef) and never holds one. URLs come
/// from the applications of postern.toml whose policies name the token or admit the certificate's
/// name.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SnippetArgs {
    /// The name of a token, or the common name of a certificate
    name: String,
    /// The program that is to present it
    #[arg(long = "for", value_enum, value_name = "PROGRAM")]
    program: Program,
    /// The URL to call; without it, those of postern.toml
    #[arg(long, value_name = "URL", value_parser = url)]
    url: Option<String>,
}

/// What a snippet is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Program {
    /// A shell
    Curl,
    /// A workflow with repository secrets
    GithubActions,
    /// Python's standard library
    Python,
    /// Go's standard library
    Go,
    /// Node's standard library
    Node,
    /// Docker Compose with an env file
    Compose,
    /// A Job with a Secret
    Kubernetes,
    /// A crontab line with a header file
    Cron,
    /// A proxy that adds the headers
    Nginx,
    /// A call without the secret in plan or state
    Terraform,
}

pub(crate) fn run(context: &Context, args: &SnippetArgs) -> Outcome {
    let subject = Subject::find(context, &args.name)?;
    let url = match &args.url {
        Some(url) => url.clone(),
        None => url_of(context, &subject)?,
    };
    let text = match &subject {
        Subject::Token(name) => token::snippet(args.program, &kubernetes_name(name), &url),
        Subject::Certificate(name) => certificate::snippet(args.program, name, &url)?,
    };
    print(&text)?;
    DONE
}

/// What the name stands for.
enum Subject {
    Token(TokenName),
    Certificate(String),
}

impl Subject {
    /// A token of the configuration or of the home, else a certificate of the home.
    fn find(context: &Context, name: &str) -> Result<Self, CommandError> {
        let token = TokenName::parse(name).ok();
        let config = context.optional_config()?;
        let declared = config.is_some_and(|config| {
            let mut declared = config.tokens.iter().map(|token| &token.name);
            let named = config.applications.iter().any(|application| {
                let mut policies = application.policies().iter();
                policies.any(|policy| names_token(policy, name))
            });
            named || declared.any(|token| token.as_str() == name)
        });
        if let Some(token) = token.clone().filter(|_| declared) {
            return Ok(Self::Token(token));
        }
        // Without a home there is nothing to look into, and no secret is needed to write a snippet.
        let Ok(authority) = context.authority() else {
            return Err(unknown(name));
        };
        if let Some(token) = token
            && authority.store().token(&token)?.is_some()
        {
            return Ok(Self::Token(token));
        }
        let selection = postern_ca::Selection {
            common_name: Some(name.to_owned()),
            ..postern_ca::Selection::default()
        };
        if authority.store().certificates(&selection)?.is_empty() {
            return Err(unknown(name));
        }
        Ok(Self::Certificate(name.to_owned()))
    }
}

/// The first URL that the configuration opens to the subject.
fn url_of(context: &Context, subject: &Subject) -> Result<String, CommandError> {
    let config = context.optional_config()?;
    let url = config.and_then(|config| first_url(&config.applications, subject));
    url.ok_or_else(|| {
        CommandError::usage("no application of postern.toml names it: which URL is it for?")
            .hint("give --url https://HOST/PATH")
    })
}

fn first_url(applications: &ApplicationSet, subject: &Subject) -> Option<String> {
    let application = applications.iter().find(|application| {
        let mut policies = application.policies().iter();
        policies.any(|policy| policy.decision().admits() && admits(policy, subject))
    })?;
    let host = application.hosts().first()?;
    let path = application.paths().first()?;
    Some(format!("https://{host}{}", path.as_str()))
}

fn admits(policy: &Policy, subject: &Subject) -> bool {
    match subject {
        Subject::Token(name) => names_token(policy, name.as_str()),
        Subject::Certificate(name) => policy
            .include()
            .iter()
            .any(|rule| names_certificate(rule, name)),
    }
}

fn names_token(policy: &Policy, name: &str) -> bool {
    policy
        .rules()
        .any(|rule| matches!(rule, Rule::ServiceToken(token) if token.as_str() == name))
}

fn names_certificate(rule: &Rule, name: &str) -> bool {
    let name = CommonName::parse(name).ok();
    let is = |fits: &dyn Fn(&CommonName) -> bool| name.as_ref().is_some_and(fits);
    match rule {
        Rule::CommonName(exact) => is(&|name| exact == name),
        Rule::CommonNamePattern(pattern) => is(&|name| pattern.matches(name)),
        Rule::Certificate => true,
        Rule::Everyone
        | Rule::ServiceToken(_)
        | Rule::AnyValidServiceToken
        | Rule::Ip(_)
        | Rule::Geo(_)
        | Rule::Issuer(_)
        | Rule::Organization(_)
        | Rule::SubjectCountry(_)
        | Rule::SanDns(_)
        | Rule::SanUri(_) => false,
    }
}

fn unknown(name: &str) -> CommandError {
    let message =
        format!("{name:?} is no token and no certificate of this home or of postern.toml");
    CommandError::new(Kind::NotFound, message)
        .hint("`postern token list` and `postern cert list` show what there is")
}

/// A URL that stands unescaped in every one of these languages.
fn url(text: &str) -> Result<String, String> {
    let uri: http::Uri = text
        .parse()
        .map_err(|error| format!("{text:?} is no URL: {error}"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?&=%+,@[]".contains(c);
    let fits = uri.scheme_str() == Some("https") && uri.host().is_some() && text.chars().all(plain);
    fits.then(|| text.to_owned())
        .ok_or_else(|| format!("{text:?} is no plain https:// URL"))
}
