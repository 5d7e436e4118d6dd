//! One application.

use std::collections::BTreeSet;

use postern_policy::config::CloudflareHostnames;
use postern_policy::edge::edge_report;
use postern_policy::{
    Application, ApplicationSet, CloudflareApplication, Edge, HostName, PathPrefix,
};

use super::{Inexpressible, InexpressibleReason, Sources, policy};
use crate::desired::{AppReference, DesiredApplication, Manager, Statement};
use crate::go_duration::to_go;
use crate::minting::is_id;
use crate::waf::{self, WafError};

/// An application without `[application.cloudflare]` is the gateway's alone.
pub(super) fn translate(
    application: &Application,
    sources: &Sources<'_>,
) -> Result<(Option<DesiredApplication>, Vec<Statement>), Vec<Inexpressible>> {
    let Some(cloudflare) = application.cloudflare() else {
        return Ok((None, Vec::new()));
    };
    let mut errors = strategies(application, sources);
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut policies = Vec::new();
    let mut statements = Vec::new();
    for policy in application.policies() {
        match policy::translate(application, policy, sources) {
            Ok((parts, statement)) => {
                policies.extend(parts);
                statements.push(statement);
            }
            Err(reason) => errors.push(inexpressible(application, policy.name().as_str(), reason)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    policy::tell_apart(&mut policies);
    Ok((Some(desired(application, cloudflare, policies)), statements))
}

/// Whether the edge has to ask for a certificate.
pub(super) fn asks_certificate(application: &Application) -> bool {
    let mut policies = application.policies().iter();
    policies.any(|policy| policy.rules().any(postern_policy::Rule::needs_certificate))
}

/// The hosts of ours where a policy has this strategy.
pub(super) fn hosts_with(edge: Edge, sources: &Sources<'_>) -> BTreeSet<String> {
    let has_it = |application: &Application| {
        let mut policies = application.policies().iter();
        policies.any(|policy| policy.edge() == Some(edge))
    };
    let applications = sources.applications.iter();
    applications
        .filter(|application| {
            let cloudflare = application.cloudflare();
            let is_ours = cloudflare.is_some_and(|c| manager(c) == Manager::Postern);
            is_ours && has_it(application)
        })
        .flat_map(|application| application.hosts())
        .map(|host| host.as_str().to_owned())
        .collect()
}

/// What is wrong with the strategies, before any of them is followed.
fn strategies(application: &Application, sources: &Sources<'_>) -> Vec<Inexpressible> {
    let alone = ApplicationSet::new(vec![application.clone()])
        .expect("an application of a checked set is one by itself");
    let unfit = edge_report(&alone).into_iter().filter_map(|finding| {
        let remedy = finding.remedy()?;
        let rules = finding.gateway_only.join(", ");
        let reason =
            InexpressibleReason::Strategy(format!("{rules}: Access has no such rule; {remedy}"));
        Some(inexpressible(application, finding.policy.as_str(), reason))
    });
    let mut errors: Vec<_> = unfit.collect();
    for policy in application.policies() {
        let reason = match policy.edge() {
            Some(Edge::Waf) => waf_refuses(application, sources),
            Some(Edge::DedicatedCa) => shared(application, sources),
            Some(Edge::Expand | Edge::CertificateAndGateway) | None => None,
        };
        errors.extend(
            reason.map(|reason| inexpressible(application, policy.name().as_str(), reason)),
        );
    }
    if asks_certificate(application) && sources.chains.is_empty() {
        let reason = InexpressibleReason::NoAuthority;
        errors.push(inexpressible(application, "*", reason));
    }
    errors
}

/// A WAF rule is the whole host's: another application there would be blocked by it.
fn waf_refuses(application: &Application, sources: &Sources<'_>) -> Option<InexpressibleReason> {
    let beside = |other: &&Application| {
        let shares = |host: &HostName| application.hosts().contains(host);
        other.name() != application.name() && other.hosts().iter().any(shares)
    };
    let mut others = sources.applications.iter().map(|other| &**other);
    let refused = match others.find(beside) {
        Some(other) => Err(WafError::SharedHost {
            other: other.name().to_string(),
        }),
        None => waf::expression(application).map(drop),
    };
    refused.err().map(InexpressibleReason::Waf)
}

/// `dedicated-ca` holds only while nobody else's host asks for the CA.
fn shared(application: &Application, sources: &Sources<'_>) -> Option<InexpressibleReason> {
    let listed = match &sources.settings.hostnames {
        CloudflareHostnames::Listed(hosts) => hosts.as_slice(),
        CloudflareHostnames::FromApplications => &[],
    };
    let beside = listed
        .iter()
        .filter(|host| !application.hosts().contains(host));
    let others: BTreeSet<&str> = sources
        .applications
        .iter()
        .filter(|other| other.name() != application.name())
        .filter(|other| other.cloudflare().is_some() && asks_certificate(other))
        .flat_map(|other| other.hosts())
        .chain(beside)
        .map(|host| host.as_str())
        .collect();
    (!others.is_empty()).then(|| InexpressibleReason::SharedAuthority {
        others: others.into_iter().collect::<Vec<_>>().join(", "),
    })
}

fn desired(
    application: &Application,
    cloudflare: &CloudflareApplication,
    policies: Vec<crate::desired::DesiredPolicy>,
) -> DesiredApplication {
    DesiredApplication {
        name: application.name().clone(),
        reference: reference(application, cloudflare),
        domains: domains(application),
        session_duration: cloudflare.session_duration.map(to_go),
        aud: cloudflare.aud.as_ref().map(ToString::to_string),
        skip_interstitial: cloudflare.skip_interstitial,
        token_header: application.token_header().map(ToString::to_string),
        manager: manager(cloudflare),
        policies,
    }
}

fn reference(application: &Application, cloudflare: &CloudflareApplication) -> AppReference {
    match &cloudflare.app {
        Some(id) if is_id(id) => AppReference::Id(id.clone()),
        Some(domain) => AppReference::Domain(domain.clone()),
        None => AppReference::Domain(domains(application).swap_remove(0)),
    }
}

/// Every host and path that it answers for, as Access writes them.
fn domains(application: &Application) -> Vec<String> {
    let paths = application.paths();
    let of = |host: &HostName| -> Vec<String> {
        let domain = |path: &PathPrefix| match path.is_root() {
            true => host.as_str().to_owned(),
            false => format!("{}{}", host.as_str(), path.as_str()),
        };
        paths.iter().map(domain).collect()
    };
    application.hosts().iter().flat_map(of).collect()
}

fn manager(cloudflare: &CloudflareApplication) -> Manager {
    match cloudflare.managed_by.as_deref() {
        None | Some("postern") => Manager::Postern,
        Some(other) => Manager::Other(other.to_owned()),
    }
}

fn inexpressible(
    application: &Application,
    policy: &str,
    reason: InexpressibleReason,
) -> Inexpressible {
    Inexpressible {
        application: application.name().clone(),
        policy: policy.to_owned(),
        reason,
    }
}
