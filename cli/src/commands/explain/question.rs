//! A request that nobody made, and what the gateway would say to it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use postern_gateway::{TokenStanding, token_standing};
use postern_pki::certificate_ders_from_pem;
use postern_policy::{
    Application, ApplicationSet, CertificateIdentity, CommonName, Credentials, Denial, Fingerprint,
    HostName, RouteError, SerialNumber, TokenName, Verdict,
};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{CommandError, Kind};

/// A request that is thought of.
pub(crate) struct Question {
    pub(crate) host: String,
    pub(crate) path: String,
    /// A certificate with its chain, PEM; before `cn`.
    pub(crate) cert: Option<PathBuf>,
    pub(crate) cn: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) address: Option<IpAddr>,
}

/// What the gateway would say to a request.
pub(crate) struct Explanation {
    pub(crate) admitted: bool,
    pub(crate) application: Option<String>,
    pub(crate) reason: String,
    pub(crate) policy: Option<String>,
    pub(crate) rule: Option<String>,
    pub(crate) detail: String,
}

impl Explanation {
    /// In a word.
    pub(crate) fn verdict(&self) -> &'static str {
        if self.admitted { "admitted" } else { "denied" }
    }

    /// As it stands in `-o json`.
    pub(crate) fn json(&self) -> Value {
        json!({
            "verdict": self.verdict(),
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

/// Asks what the gateway of this configuration would say.
pub(crate) fn ask(
    context: &Context,
    applications: &ApplicationSet,
    args: &Question,
) -> Result<Explanation, CommandError> {
    let host = HostName::parse(&args.host).map_err(CommandError::usage)?;
    let application = match applications.route(&host, &args.path) {
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
    let settings = crate::commands::gateway::settings(&context.config_path())?;
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
    let settings = crate::commands::gateway::settings(&context.config_path())?;
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
