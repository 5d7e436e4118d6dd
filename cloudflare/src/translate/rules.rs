//! Rules, one by one: as they are where Access has them, else as the strategy says.

use std::collections::BTreeSet;

use postern_policy::edge::is_expressible;
use postern_policy::{CertificateFacts, CertificateIdentity, Credentials, Edge, Policy, Rule};

use crate::access::AccessRule;
use crate::inventory::Inventory;

/// The certificate rules of a list.
pub(super) fn certificate_rules(
    list: &[Rule],
    edge: Option<Edge>,
    expansion: &Expansion,
) -> Vec<AccessRule> {
    let rules = list.iter().filter(|rule| rule.needs_certificate());
    let mut written = Vec::new();
    for rule in rules {
        if expansion.replaces(rule) {
            continue;
        }
        let rule = match (exactly(rule), edge) {
            (Some(exact), _) => exact,
            (None, Some(Edge::CertificateAndGateway | Edge::DedicatedCa | Edge::Waf)) => {
                AccessRule::Certificate
            }
            // Nothing stands for it: `strategies` has refused the policy.
            (None, Some(Edge::Expand) | None) => continue,
        };
        if !written.contains(&rule) {
            written.push(rule);
        }
    }
    written
}

/// The rules of a list that ask for neither a certificate nor a token.
pub(super) fn others(list: &[Rule]) -> Vec<AccessRule> {
    let rules = list.iter().filter_map(|rule| match rule {
        Rule::Ip(network) => Some(AccessRule::Ip(network.to_string())),
        Rule::Geo(country) => Some(AccessRule::Geo(country.clone())),
        Rule::Everyone => Some(AccessRule::Everyone),
        Rule::Certificate
        | Rule::CommonName(_)
        | Rule::ServiceToken(_)
        | Rule::AnyValidServiceToken
        | Rule::CommonNamePattern(_)
        | Rule::Issuer(_)
        | Rule::Organization(_)
        | Rule::SubjectCountry(_)
        | Rule::SanDns(_)
        | Rule::SanUri(_) => None,
    });
    rules.collect()
}

/// What `expand` makes of a policy: the names that its certificate rules come to, looked up among
/// our clients. The edge then knows names and nothing else, so a name is admitted only if every
/// live certificate of that name satisfies the rules.
pub(super) struct Expansion {
    /// `None` where the policy is not expanded.
    satisfying: Option<Names>,
}

struct Names {
    /// Of the certificates that the policy as a whole is about.
    admitted: BTreeSet<String>,
    /// Of the certificates that satisfy its `require`.
    required: BTreeSet<String>,
}

impl Expansion {
    pub(super) fn of(policy: &Policy, inventory: &Inventory) -> Self {
        let beyond = policy.rules().any(|rule| !is_expressible(rule));
        let expands = policy.edge() == Some(Edge::Expand) && beyond;
        Self {
            satisfying: expands.then(|| Names {
                admitted: names(inventory, |identity| admits(policy, identity)),
                required: names(inventory, |identity| satisfies(policy, identity)),
            }),
        }
    }

    /// Names for `include`; none where the policy has no certificate rule there.
    pub(super) fn admitted(&self, policy: &Policy) -> Option<BTreeSet<String>> {
        let asks = policy.include().iter().any(Rule::needs_certificate);
        let names = self.satisfying.as_ref().filter(|_| asks);
        names.map(|names| names.admitted.clone())
    }

    /// Names for `require`; none where the names of `include` satisfy it already.
    pub(super) fn required(&self, policy: &Policy) -> Option<BTreeSet<String>> {
        let asks = policy.require().iter().any(Rule::needs_certificate);
        let by_others = !policy.include().iter().all(Rule::needs_certificate);
        let names = self.satisfying.as_ref().filter(|_| asks && by_others);
        names.map(|names| names.required.clone())
    }

    /// The certificate rules of `exclude` that Access has; the others are left out of the names,
    /// or left to the gateway.
    pub(super) fn exclude(&self, policy: &Policy) -> Vec<AccessRule> {
        let expressible = policy.exclude().iter().filter_map(exactly);
        expressible.collect()
    }

    fn replaces(&self, rule: &Rule) -> bool {
        self.satisfying.is_some() && rule.needs_certificate()
    }
}

/// The names of live certificates that the policy is not about: what "any certificate" admits at
/// the edge beyond it.
pub(super) fn strangers(policy: &Policy, inventory: &Inventory) -> BTreeSet<String> {
    let strangers = inventory
        .live()
        .filter(|identity| !admits(policy, identity));
    let told = strangers.map(|identity| match &identity.common_name {
        Some(name) => name.as_str().to_owned(),
        None => String::from("(a certificate without a common name)"),
    });
    told.collect()
}

/// The names all of whose live certificates pass.
fn names(inventory: &Inventory, passes: impl Fn(&CertificateIdentity) -> bool) -> BTreeSet<String> {
    let mut passing = BTreeSet::new();
    let mut failing = BTreeSet::new();
    for identity in inventory.live() {
        if let Some(name) = &identity.common_name {
            let names = if passes(identity) {
                &mut passing
            } else {
                &mut failing
            };
            names.insert(name.as_str().to_owned());
        }
    }
    passing.retain(|name| !failing.contains(name));
    passing
}

/// Whether the certificate rules of all three lists are satisfied.
fn admits(policy: &Policy, identity: &CertificateIdentity) -> bool {
    let matches = |rule: &&Rule| rule.matches(&presenting(identity));
    let of_certificates = |rule: &&Rule| rule.needs_certificate();
    policy
        .include()
        .iter()
        .filter(of_certificates)
        .any(|rule| matches(&rule))
        && satisfies(policy, identity)
        && !policy
            .exclude()
            .iter()
            .filter(of_certificates)
            .any(|rule| matches(&rule))
}

/// The certificate rule that Access has too.
fn exactly(rule: &Rule) -> Option<AccessRule> {
    if let Rule::CommonName(name) = rule {
        return Some(AccessRule::CommonName(name.as_str().to_owned()));
    }
    (*rule == Rule::Certificate).then_some(AccessRule::Certificate)
}

fn satisfies(policy: &Policy, identity: &CertificateIdentity) -> bool {
    let mut required = policy
        .require()
        .iter()
        .filter(|rule| rule.needs_certificate());
    required.all(|rule| rule.matches(&presenting(identity)))
}

/// Certificate rules look at nothing else.
fn presenting(identity: &CertificateIdentity) -> Credentials<'_> {
    Credentials {
        certificate: Some(CertificateFacts::Whole(identity)),
        token: None,
        address: std::net::Ipv4Addr::UNSPECIFIED.into(),
    }
}
