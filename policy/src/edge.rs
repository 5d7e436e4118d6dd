//! What Cloudflare Access can enforce of a policy, and what only the gateway can.
//!
//! Access takes one literal common name per rule and has no selector for issuers or alternative
//! names. A rule it cannot express is never widened in silence: the policy names an [`Edge`]
//! strategy, and [`edge_report`] says what it amounts to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ApplicationName, ApplicationSet, Decision, Policy, PolicyName, Rule};

/// What Cloudflare is to enforce for rules it cannot express; the file must say, there is no
/// default.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Edge {
    /// One exact `common_name` rule for every certificate we issued that matches.
    #[serde(rename = "expand")]
    Expand,
    /// Any valid certificate at the edge; the rule itself at the gateway behind it.
    #[serde(rename = "certificate+gateway")]
    CertificateAndGateway,
    /// Any certificate of a CA of its own, which issues to nobody else.
    #[serde(rename = "dedicated-ca")]
    DedicatedCa,
    /// A WAF custom rule over the subject's name.
    #[serde(rename = "waf")]
    Waf,
}

impl Edge {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::CertificateAndGateway => "certificate+gateway",
            Self::DedicatedCa => "dedicated-ca",
            Self::Waf => "waf",
        }
    }

    /// What the strategy amounts to at the edge.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Expand => {
                "one exact common_name rule per certificate issued; a new one is refused until the next sync"
            }
            Self::CertificateAndGateway => {
                "any valid certificate at the edge, the rule itself only at the gateway"
            }
            Self::DedicatedCa => "any certificate of a CA that issues to nobody else",
            Self::Waf => "a WAF custom rule over the subject's name, outside Access",
        }
    }

    /// Whether the strategy can carry a rule that Access itself cannot.
    fn carries(self, rule: &Rule) -> bool {
        let beyond_the_subject = matches!(rule, Rule::SanDns(_) | Rule::SanUri(_));
        match self {
            Self::Expand | Self::CertificateAndGateway | Self::DedicatedCa => true,
            Self::Waf => !beyond_the_subject,
        }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether Access has a rule with exactly this meaning.
pub fn is_expressible(rule: &Rule) -> bool {
    match rule {
        Rule::Certificate
        | Rule::Everyone
        | Rule::CommonName(_)
        | Rule::ServiceToken(_)
        | Rule::AnyValidServiceToken
        | Rule::Ip(_)
        | Rule::Geo(_) => true,
        Rule::CommonNamePattern(_)
        | Rule::Issuer(_)
        | Rule::Organization(_)
        | Rule::SubjectCountry(_)
        | Rule::SanDns(_)
        | Rule::SanUri(_) => false,
    }
}

/// Says for every policy what Access would enforce.
pub fn edge_report(set: &ApplicationSet) -> Vec<EdgeFinding> {
    let of_application = |application: &crate::Application| {
        let name = application.name().clone();
        let findings = application
            .policies()
            .iter()
            .map(|policy| finding(&name, policy));
        findings.collect::<Vec<_>>()
    };
    set.iter()
        .flat_map(|application| of_application(application))
        .collect()
}

fn finding(application: &ApplicationName, policy: &Policy) -> EdgeFinding {
    let (at_edge, gateway_only): (Vec<_>, Vec<_>) =
        policy.rules().partition(|rule| is_expressible(rule));
    let written = |rules: Vec<&Rule>| rules.into_iter().map(ToString::to_string).collect();
    EdgeFinding {
        application: application.clone(),
        policy: policy.name().clone(),
        decision: policy.decision(),
        enforcement: enforcement(policy.edge(), &gateway_only),
        at_edge: written(at_edge),
        gateway_only: written(gateway_only),
    }
}

fn enforcement(edge: Option<Edge>, gateway_only: &[&Rule]) -> Enforcement {
    match edge {
        _ if gateway_only.is_empty() => Enforcement::Exact,
        None => Enforcement::NeedsStrategy,
        Some(edge) if gateway_only.iter().all(|rule| edge.carries(rule)) => {
            Enforcement::ByStrategy(edge)
        }
        Some(edge) => Enforcement::StrategyUnfit(edge),
    }
}

/// What Access would enforce of one policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EdgeFinding {
    /// The application.
    pub application: ApplicationName,
    /// The policy.
    pub policy: PolicyName,
    /// What the policy decides.
    pub decision: Decision,
    /// How much of it Access enforces.
    pub enforcement: Enforcement,
    /// The rules Access has, as they stand in the file.
    pub at_edge: Vec<String>,
    /// The rules only the gateway has.
    pub gateway_only: Vec<String>,
}

impl EdgeFinding {
    /// What to do before the policy can be pushed; `None` where nothing is missing.
    pub fn remedy(&self) -> Option<String> {
        match self.enforcement {
            Enforcement::Exact | Enforcement::ByStrategy(_) => None,
            Enforcement::NeedsStrategy => Some(format!("needs `edge = …`: {CHOICES}")),
            Enforcement::StrategyUnfit(edge) => Some(format!(
                "`edge = \"{edge}\"` cannot see alternative names; choose another: {CHOICES}"
            )),
        }
    }
}

impl fmt::Display for EdgeFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} / {}: {}",
            self.application, self.policy, self.enforcement
        )?;
        if !self.gateway_only.is_empty() {
            write!(f, "; only at the gateway: {}", self.gateway_only.join(", "))?;
        }
        self.remedy()
            .map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

/// How much of a policy Access enforces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Enforcement {
    /// All of it, as written.
    Exact,
    /// What the strategy amounts to.
    ByStrategy(Edge),
    /// Nothing can be pushed: a rule is not expressible and the policy names no strategy.
    NeedsStrategy,
    /// Nothing can be pushed: the strategy cannot carry a rule of the policy.
    StrategyUnfit(Edge),
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("enforced at the edge as written"),
            Self::ByStrategy(edge) => write!(f, "edge = \"{edge}\": {}", edge.meaning()),
            Self::NeedsStrategy => f.write_str("not enforceable at the edge"),
            Self::StrategyUnfit(edge) => write!(f, "not enforceable at the edge by \"{edge}\""),
        }
    }
}

const CHOICES: &str = "\"expand\", \"certificate+gateway\", \"dedicated-ca\" or \"waf\"";

#[cfg(test)]
mod tests;
