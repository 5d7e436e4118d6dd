//! `gateway check`: everything that starting would read, and nothing bound.

use postern_policy::{Application, ClientAuth};
use rustls_pki_types::UnixTime;
use serde::Serialize;

use crate::cloudflare::{BehindCloudflare, ForwardedBy, People};
use crate::event::rfc3339;
use crate::follow::Follow;
use crate::settings::Settings;

/// What a configuration amounts to.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Where it would listen.
    pub listen: String,
    /// The last second of the server certificate, RFC 3339.
    pub server_not_after: Option<String>,
    /// Networks whose connections begin with a PROXY header.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proxy_protocol: Vec<String>,
    /// Networks whose `X-Forwarded-For` is believed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forwarded_for: Vec<String>,
    /// How many connections one address may have open.
    pub max_connections_per_address: usize,
    /// What is in front of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind_cloudflare: Option<CloudflareSummary>,
    /// Who signs for the upstreams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assertions: Option<AssertionsSummary>,
    /// The applications in file order.
    pub applications: Vec<ApplicationSummary>,
    /// The subjects of the trust anchors.
    pub trust_anchors: Vec<String>,
    /// The followed directories and CRL files.
    pub sources: Vec<SourceSummary>,
    /// What loads and will not do what it is there for: a root that has expired.
    pub warnings: Vec<String>,
}

/// One application.
#[derive(Clone, Debug, Serialize)]
pub struct ApplicationSummary {
    /// Its name.
    pub name: String,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// What the handshake of its first host does: `required`, `requested` or `none`.
    pub client_certificate: &'static str,
    /// Where permitted requests go.
    pub upstream: String,
    /// How the upstream is told whom a request is from.
    pub identity: Vec<&'static str>,
}

/// Cloudflare in front of the gateway.
#[derive(Clone, Debug, Serialize)]
pub struct CloudflareSummary {
    /// How its connections are told from others.
    pub peer: String,
    /// The issuer of its assertions.
    pub issuer: String,
    /// Where the keys of the assertions are read.
    pub jwks: String,
    /// What a person's login means: `admit` or `refuse`.
    pub identity: &'static str,
    /// The header that client certificates are forwarded in.
    pub client_certificate: Option<&'static str>,
}

/// What is signed for upstreams.
#[derive(Clone, Debug, Serialize)]
pub struct AssertionsSummary {
    /// The issuer of the assertions.
    pub issuer: String,
    /// Where their keys are served.
    pub jwks_listen: Option<String>,
}

/// One source of revocations.
#[derive(Clone, Debug, Serialize)]
pub struct SourceSummary {
    /// Directory or file.
    pub name: String,
    /// Seconds since it last said something new.
    pub age_s: Option<u64>,
    /// What is wrong with it.
    pub alarm: Option<String>,
}

/// Why a configuration that reads well would still not start.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct CheckError {
    /// What is wrong, and what to do.
    pub reason: String,
}

/// Reads what the gateway would follow and sums the configuration up. Blocks.
///
/// # Errors
///
/// Where [`Gateway::bind`](crate::Gateway::bind) would refuse to start.
pub fn check(settings: &Settings) -> Result<CheckReport, CheckError> {
    let now = UnixTime::now();
    let follow =
        Follow::look(&settings.follow, &settings.anchors, now).map_err(|error| CheckError {
            reason: error.to_string(),
        })?;
    let sources = follow.sources().into_iter().map(|source| SourceSummary {
        name: source.name,
        age_s: source.age.map(|age| age.as_secs()),
        alarm: source.alarm,
    });
    let anchors = settings.anchors.certificates().iter();
    Ok(CheckReport {
        listen: settings.listen.to_string(),
        server_not_after: server_not_after(settings),
        proxy_protocol: settings.proxy_protocol.names(),
        forwarded_for: settings.forwarded_for.names(),
        max_connections_per_address: settings.limits.max_connections_per_address,
        behind_cloudflare: settings.behind_cloudflare.as_ref().map(cloudflare),
        assertions: settings
            .assertions
            .as_ref()
            .map(|signed| AssertionsSummary {
                issuer: signed.issuer.clone(),
                jwks_listen: settings.jwks_listen.map(|address| address.to_string()),
            }),
        applications: applications(settings),
        trust_anchors: anchors.map(postern_pki::Certificate::subject).collect(),
        sources: sources.collect(),
        warnings: settings.warnings(now),
    })
}

fn cloudflare(front: &BehindCloudflare) -> CloudflareSummary {
    CloudflareSummary {
        peer: front.peer.to_string(),
        issuer: front.issuer.clone(),
        jwks: front.keys.source().name(),
        identity: match front.people {
            People::Admit => "admit",
            People::Refuse => "refuse",
        },
        client_certificate: front.certificate.map(ForwardedBy::as_str),
    }
}

fn applications(settings: &Settings) -> Vec<ApplicationSummary> {
    settings
        .applications
        .iter()
        .map(|application| summary(settings, application))
        .collect()
}

fn summary(settings: &Settings, application: &Application) -> ApplicationSummary {
    let mut scopes = application
        .hosts()
        .iter()
        .filter_map(|host| settings.applications.client_auth(host));
    let forms = application.identity().forms().iter();
    ApplicationSummary {
        name: application.name().to_string(),
        hosts: application
            .hosts()
            .iter()
            .map(ToString::to_string)
            .collect(),
        client_certificate: scopes.next().map_or("requested", ClientAuth::as_str),
        upstream: upstreams(application),
        identity: forms.map(|form| form.as_str()).collect(),
    }
}

fn upstreams(application: &Application) -> String {
    let servers = application.upstream().servers().iter();
    servers
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn server_not_after(settings: &Settings) -> Option<String> {
    let leaf = settings.server_key.as_ref()?.cert.first()?;
    let not_after = postern_pki::Certificate::from_der(leaf).ok()?.not_after();
    std::time::UNIX_EPOCH
        .checked_add(std::time::Duration::from_secs(not_after))
        .map(rfc3339)
}
