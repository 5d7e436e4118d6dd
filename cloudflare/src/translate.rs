//! From the policy file to what Access is to hold, or to everything that Access cannot express.
//!
//! A rule that Access does not have is never widened in silence: the policy names a strategy, the
//! strategy's effect is stated, and what is left to the gateway is listed. A pattern is never sent
//! as a common name: it would match nobody and look right.

mod application;
mod policy;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use postern_policy::config::{CloudflareHostnames, CloudflareSettings};
use postern_policy::{Application, ApplicationName, ApplicationSet, Edge, TokenName};
use thiserror::Error;

use crate::chain::Chain;
use crate::desired::{Desired, DesiredApplication, DesiredAuthority, Statement};
use crate::inventory::Inventory;
use crate::limits;
use crate::waf::WafError;

/// What a translation looks at.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The policies.
    pub applications: &'a ApplicationSet,
    /// `[cloudflare]`.
    pub settings: &'a CloudflareSettings,
    /// The CAs that issue our clients, the one in use first.
    pub chains: &'a [Chain],
    /// Our clients.
    pub inventory: &'a Inventory,
    /// Where each service token is good.
    pub tokens: &'a BTreeMap<TokenName, TokenAtEdge>,
    /// The one in use that takes a token's place, for each token that was rotated in parallel.
    pub successors: &'a BTreeMap<TokenName, TokenName>,
}

/// Where a service token is good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenAtEdge {
    /// Minted by Cloudflare, with this id there.
    Minted(String),
    /// Made by us: Cloudflare takes none of ours.
    GatewayOnly,
}

/// What was asked for, and what it amounts to.
#[derive(Clone, Debug, Default)]
pub struct Translation {
    /// What Access is to hold.
    pub desired: Desired,
    /// One for every policy of the file.
    pub statements: Vec<Statement>,
}

/// Something that Access cannot express.
#[derive(Clone, Debug, Error)]
#[error("{application} / {policy}: {reason}")]
pub struct Inexpressible {
    /// The application.
    pub application: ApplicationName,
    /// The policy in the file.
    pub policy: String,
    /// What, and what to write instead.
    pub reason: InexpressibleReason,
}

/// Why something cannot be pushed.
#[derive(Clone, Debug, Error)]
pub enum InexpressibleReason {
    /// The policy names no strategy, or one that does not fit.
    #[error("{0}")]
    Strategy(String),
    /// Everyone would pass without any credential.
    #[error(
        "`everyone` in a `non_identity` policy admits anyone without a credential at the edge; say who is meant, or write `bypass` if that is what you want"
    )]
    Everyone,
    /// A WAF expression cannot say it.
    #[error(transparent)]
    Waf(WafError),
    /// More names than the account may hold.
    #[error(
        "{names} names do not fit into Access ({} groups of {} rules): use `edge = \"certificate+gateway\"` or `edge = \"dedicated-ca\"`",
        limits::GROUPS,
        limits::RULES_PER_GROUP
    )]
    TooManyNames {
        /// How many.
        names: usize,
    },
    /// `require` is an and over its values, so it takes one group.
    #[error(
        "`require` expands to {names} names, and it takes one group of {} at most: use another strategy",
        limits::RULES_PER_GROUP
    )]
    RequireTooLarge {
        /// How many.
        names: usize,
    },
    /// A host's CA is shared, so "any of its certificates" means more than the policy says.
    #[error(
        "`dedicated-ca` means any certificate of the CA, and that CA is asked for at {others} too: give this application a CA of its own, or use another strategy"
    )]
    SharedAuthority {
        /// The hosts of other applications.
        others: String,
    },
    /// No CA was given.
    #[error(
        "it needs a client certificate, and there is no CA to upload: run `postern ca init`, or name one in `[cloudflare] chain`"
    )]
    NoAuthority,
}

/// Translates the whole file, or tells everything that cannot be.
///
/// # Errors
/// All of them, not the first.
pub fn translate(sources: &Sources<'_>) -> Result<Translation, Vec<Inexpressible>> {
    let mut translation = Translation::default();
    let mut errors = Vec::new();
    for application in sources.applications.iter() {
        match application::translate(application, sources) {
            Ok((desired, statements)) => {
                translation.desired.applications.extend(desired);
                translation.statements.extend(statements);
            }
            Err(found) => errors.extend(found),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let hostnames = hostnames(sources, &translation.desired.applications);
    // Their gateway decides by the certificate itself.
    translation.desired.forwarding = application::hosts_with(Edge::CertificateAndGateway, sources);
    if !hostnames.is_empty() {
        translation.desired.authorities = authorities(sources, &hostnames);
    }
    Ok(translation)
}

/// The hosts for which the edge asks for a certificate.
fn hostnames(sources: &Sources<'_>, desired: &[DesiredApplication]) -> BTreeSet<String> {
    match &sources.settings.hostnames {
        CloudflareHostnames::Listed(hosts) => {
            hosts.iter().map(|host| host.as_str().to_owned()).collect()
        }
        CloudflareHostnames::FromApplications => {
            let pushed = |application: &Application| {
                desired
                    .iter()
                    .any(|other| other.name == *application.name())
            };
            let applications = sources.applications.iter();
            applications
                .filter(|application| {
                    pushed(application) && application::asks_certificate(application)
                })
                .flat_map(|application| application.hosts())
                .map(|host| host.as_str().to_owned())
                .collect()
        }
    }
}

/// The CA in use has the plain name; one that is being left has its fingerprint behind it.
fn authorities(sources: &Sources<'_>, hostnames: &BTreeSet<String>) -> Vec<DesiredAuthority> {
    let name = sources.settings.ca_name.as_deref().unwrap_or("Postern");
    let authority = |(place, chain): (usize, &Chain)| {
        let fingerprint = chain.fingerprint();
        let name = match place {
            0 => name.to_owned(),
            _ => format!("{name} {}", &fingerprint.to_string()[..8]),
        };
        DesiredAuthority {
            fingerprint,
            name,
            pem: chain.to_pem(),
            hostnames: hostnames.clone(),
            dedicated: application::hosts_with(Edge::DedicatedCa, sources),
        }
    };
    sources.chains.iter().enumerate().map(authority).collect()
}

#[cfg(test)]
mod tests;
