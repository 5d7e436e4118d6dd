//! One application.

use std::collections::BTreeSet;

use postern_policy::edge::edge_report;
use postern_policy::{Application, ApplicationSet, CloudflareApplication, Edge};

use super::{Inexpressible, InexpressibleReason, Sources, policy};
use crate::desired::{AppReference, DesiredApplication, Manager, Statement};
use crate::go_duration::to_go;
use crate::waf;

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
    let alone = ApplicationSet::new(vec![application.clone()]).unwrap_or_default();
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
            Some(Edge::Waf) => waf::expression(application)
                .err()
                .map(InexpressibleReason::Waf),
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

/// `dedicated-ca` holds only while nobody else's host asks for the CA.
fn shared(application: &Application, sources: &Sources<'_>) -> Option<InexpressibleReason> {
    let others: BTreeSet<&str> = sources
        .applications
        .iter()
        .filter(|other| other.name() != application.name())
        .filter(|other| other.cloudflare().is_some() && asks_certificate(other))
        .flat_map(|other| other.hosts())
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
        session_duration: cloudflare.session_duration.map(to_go),
        aud: cloudflare.aud.as_ref().map(ToString::to_string),
        skip_interstitial: cloudflare.skip_interstitial,
        manager: manager(cloudflare),
        policies,
    }
}

fn reference(application: &Application, cloudflare: &CloudflareApplication) -> AppReference {
    match &cloudflare.app {
        Some(id) if is_id(id) => AppReference::Id(id.clone()),
        Some(domain) => AppReference::Domain(domain.clone()),
        None => {
            let host = application.hosts().first().map(|host| host.as_str());
            AppReference::Domain(host.unwrap_or_default().to_owned())
        }
    }
}

fn manager(cloudflare: &CloudflareApplication) -> Manager {
    match cloudflare.managed_by.as_deref() {
        None | Some("postern") => Manager::Postern,
        Some(other) => Manager::Other(other.to_owned()),
    }
}

/// An id is a UUID; a domain never is one.
fn is_id(text: &str) -> bool {
    text.len() == 36 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
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
