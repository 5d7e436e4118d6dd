//! `postern explain`

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use postern_gateway::{TokenStanding, token_standing};
use postern_pki::certificate_ders_from_pem;
use postern_policy::{
    Application, CertificateIdentity, CommonName, Credentials, Denial, Fingerprint, HostName,
    RouteError, SerialNumber, TokenName, Verdict,
};
use serde_json::{Value, json};

use super::Outcome;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::print_object;

mod event;

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

/// What `explain` says.
struct Explanation {
    admitted: bool,
    application: Option<String>,
    reason: String,
    policy: Option<String>,
    rule: Option<String>,
    detail: String,
}

pub(crate) fn run(context: &Context, args: &ExplainArgs) -> Outcome {
    if let Some(id) = &args.request_id {
        return event::explain(context, id);
    }
    let explanation = explain(context, args)?;
    let verdict = if explanation.admitted {
        "admitted"
    } else {
        "denied"
    };
    print_object(
        context.format,
        "postern.explanation/1",
        &[
            ("verdict", verdict.to_owned()),
            (
                "application",
                explanation.application.clone().unwrap_or_default(),
            ),
            ("policy", explanation.policy.clone().unwrap_or_default()),
            ("rule", explanation.rule.clone().unwrap_or_default()),
            ("reason", explanation.reason.clone()),
            ("because", explanation.detail.clone()),
        ],
        explanation.json(verdict),
    )?;
    Ok(if explanation.admitted {
        ExitCode::SUCCESS
    } else {
        Kind::Denied.code()
    })
}

impl Explanation {
    fn json(&self, verdict: &str) -> Value {
        json!({
            "verdict": verdict,
            "application": self.application,
            "policy": self.policy,
            "rule": self.rule,
            "reason": self.reason,
            "message": self.detail,
        })
    }

    fn refused(application: Option<&Application>, reason: &str, detail: String) -> Self {
        Self {
            admitted: false,
            application: application.map(|application| application.name().to_string()),
            reason: reason.to_owned(),
            policy: None,
            rule: None,
            detail,
        }
    }
}

fn explain(context: &Context, args: &ExplainArgs) -> Result<Explanation, CommandError> {
    let config = context.config()?;
    let host = args.host.as_deref().unwrap_or_default();
    let host = HostName::parse(host).map_err(CommandError::usage)?;
    let application = match config.applications.route(&host, &args.path) {
        Ok(application) => std::sync::Arc::clone(application),
        Err(error) => {
            let code = match error {
                RouteError::UnknownHost => "unknown_host",
                RouteError::NoApplication => "no_application",
                RouteError::AmbiguousPath => "ambiguous_path",
            };
            return Ok(Explanation::refused(None, code, error.to_string()));
        }
    };
    let token = args
        .token
        .as_deref()
        .map(TokenName::parse)
        .transpose()
        .map_err(CommandError::usage)?;
    let certificate = match (&args.cert, &args.cn) {
        (Some(path), _) => match examine(context, path)? {
            Ok(identity) => Some(identity),
            Err((code, detail)) => {
                let why = format!("the handshake is refused: {detail}");
                return Ok(Explanation::refused(Some(&application), &code, why));
            }
        },
        (None, Some(name)) => Some(any_certificate(name)?),
        (None, None) => None,
    };
    // A token is looked at only where a policy of the application names one.
    let token = token.filter(|_| application.names_a_token());
    if let Some(name) = &token
        && let Some((code, detail)) = token_refusal(context, name)?
    {
        return Ok(Explanation::refused(Some(&application), code, detail));
    }
    Ok(decide(
        &application,
        certificate.as_ref(),
        token.as_ref(),
        args.address,
    ))
}

fn decide(
    application: &Application,
    certificate: Option<&CertificateIdentity>,
    token: Option<&TokenName>,
    address: Option<IpAddr>,
) -> Explanation {
    // Without an address no rule about addresses matches.
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let name = Some(application.name().to_string());
    match application.decide(&Credentials {
        certificate: certificate.map(Into::into),
        token,
        address,
    }) {
        Verdict::Permit(permit) => Explanation {
            admitted: true,
            application: name,
            reason: String::from("permitted"),
            policy: Some(permit.policy().to_owned()),
            rule: Some(permit.rule()),
            detail: format!("method {}", permit.method().as_str()),
        },
        Verdict::Denial(denial) => {
            let nothing = certificate.is_none() && token.is_none();
            let no_credentials = nothing && denial == Denial::NoPolicyMatched;
            let reason = if no_credentials {
                "no_credentials"
            } else {
                denial.reason()
            };
            Explanation {
                admitted: false,
                application: name,
                reason: reason.to_owned(),
                policy: denial.policy().map(str::to_owned),
                rule: denial.rule().map(str::to_owned),
                detail: denial.to_string(),
            }
        }
    }
}

/// The certificate as the gateway's handshake would see it.
fn examine(
    context: &Context,
    path: &Path,
) -> Result<Result<CertificateIdentity, (String, String)>, CommandError> {
    let pem = postern_ca::files::read(path)?;
    let chain = certificate_ders_from_pem(&pem)
        .map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))?;
    let settings = super::gateway::settings(&context.config_path())?;
    let verified = postern_gateway::examine(&settings, &chain)
        .map_err(|error| CommandError::new(Kind::Integrity, error))?;
    Ok(verified
        .map(|identity| (*identity).clone())
        .map_err(|rejection| (rejection.code().to_owned(), rejection.to_string())))
}

/// Why the gateway would refuse the token of that name, if it would.
fn token_refusal(
    context: &Context,
    name: &TokenName,
) -> Result<Option<(&'static str, String)>, CommandError> {
    let settings = super::gateway::settings(&context.config_path())?;
    let standing = token_standing(&settings, name)
        .map_err(|error| CommandError::new(Kind::Integrity, error))?;
    Ok(match standing {
        TokenStanding::Good => None,
        TokenStanding::Unknown => Some((
            "token_unknown",
            format!("no followed CA has a token {name}"),
        )),
        TokenStanding::Disabled => Some(("token_disabled", format!("token {name} is disabled"))),
        TokenStanding::Expired => Some(("token_expired", format!("token {name} has expired"))),
    })
}

/// A valid certificate of which only the name is known.
fn any_certificate(name: &str) -> Result<CertificateIdentity, CommandError> {
    let serial = SerialNumber::from_octets(&[1]).map_err(CommandError::usage)?;
    Ok(CertificateIdentity {
        common_name: Some(CommonName::parse(name).map_err(CommandError::usage)?),
        serial,
        fingerprint: Fingerprint::from([0; 32]),
        issuer_common_name: None,
        issuer_fingerprint: None,
        organizations: Vec::new(),
        countries: Vec::new(),
        san_dns: Vec::new(),
        san_uri: Vec::new(),
        not_after: u64::MAX,
    })
}
