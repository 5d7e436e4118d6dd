//! Findings about policies that load but may not do what their author thinks.
//!
//! Nothing here decides anything: a finding has a stable id, says where it is, and what to write
//! instead.

mod coverage;
mod pattern;
mod policy;
mod tokens;

use std::fmt;

use crate::{Application, ApplicationName, ApplicationSet, PolicyName};

pub use crate::edge::{EdgeFinding, edge_report};
pub use tokens::lint_tokens;

/// Looks at every policy of every application, in file order.
pub fn lint(set: &ApplicationSet) -> Vec<Finding> {
    set.iter()
        .flat_map(|application| lint_application(application))
        .collect()
}

fn lint_application(application: &Application) -> Vec<Finding> {
    let mut findings = Vec::new();
    policy::application(application, &mut findings);
    for (place, policy) in application.policies().iter().enumerate() {
        let earlier = application.policies().get(..place).unwrap_or_default();
        policy::policy(application, policy, earlier, &mut findings);
        pattern::policy(application, policy, &mut findings);
    }
    findings
}

/// What a finding is about. The ids are stable: people silence and search them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Lint {
    /// A `deny` policy stands beside policies that admit, and does not stop them.
    DenyAfterAdmit,
    /// An application has only `deny` policies.
    NobodyAdmitted,
    /// A policy says `bypass`.
    Bypass,
    /// A policy admits anyone.
    Everyone,
    /// A policy admits from every address.
    IpAny,
    /// A policy admits whoever holds any token.
    AnyValidServiceToken,
    /// A token stands in a policy where Cloudflare does not take it.
    TokenOutsideServiceAuth,
    /// `geo` cannot be answered at the gateway.
    GeoNeverMatches,
    /// An earlier policy always decides first.
    UnreachablePolicy,
    /// The rules of a policy contradict each other.
    NeverMatches,
    /// A `.` of a pattern stands where a literal dot was probably meant.
    PatternUnescapedDot,
    /// A pattern matches names of very different kinds.
    PatternTooWide,
    /// Cloudflare cannot express a rule, and the policy does not say what to enforce there instead.
    PatternWithoutEdge,
    /// `edge` is given although Cloudflare can express the policy.
    EdgeWithoutNeed,
    /// A policy names a token that no `[[token]]` declares.
    TokenNotDeclared,
    /// A `[[token]]` that no policy names.
    TokenUnused,
}

impl Lint {
    /// The stable id.
    pub fn id(self) -> &'static str {
        match self {
            Self::DenyAfterAdmit => "deny-after-admit",
            Self::NobodyAdmitted => "nobody-admitted",
            Self::Bypass => "bypass",
            Self::Everyone => "everyone",
            Self::IpAny => "ip-any",
            Self::AnyValidServiceToken => "any-valid-service-token",
            Self::TokenOutsideServiceAuth => "token-outside-service-auth",
            Self::GeoNeverMatches => "geo-never-matches",
            Self::UnreachablePolicy => "unreachable-policy",
            Self::NeverMatches => "never-matches",
            Self::PatternUnescapedDot => "pattern-unescaped-dot",
            Self::PatternTooWide => "pattern-too-wide",
            Self::PatternWithoutEdge => "pattern-without-edge",
            Self::EdgeWithoutNeed => "edge-without-need",
            Self::TokenNotDeclared => "token-not-declared",
            Self::TokenUnused => "token-unused",
        }
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Probably not what was meant.
    Warning,
    /// Somebody gets in, or is kept out, against what the file seems to say.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One finding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What it is about.
    pub lint: Lint,
    /// How much it matters.
    pub severity: Severity,
    /// The application it is in, unless it is about a token alone.
    pub application: Option<ApplicationName>,
    /// The policy it is in, unless it is about the whole application.
    pub policy: Option<PolicyName>,
    /// What is the case.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    /// The stable id of what the finding is about.
    pub fn id(&self) -> &'static str {
        self.lint.id()
    }

    fn new(
        lint: Lint,
        severity: Severity,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            lint,
            severity,
            application: None,
            policy: None,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    fn of_application(self, application: &Application) -> Self {
        Self {
            application: Some(application.name().clone()),
            ..self
        }
    }

    fn of_policy(self, application: &Application, policy: &crate::Policy) -> Self {
        Self {
            policy: Some(policy.name().clone()),
            ..self.of_application(application)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.severity, self.id())?;
        let place = [
            self.application.as_ref().map(ToString::to_string),
            self.policy.as_ref().map(ToString::to_string),
        ];
        let place: Vec<_> = place.into_iter().flatten().collect();
        if !place.is_empty() {
            write!(f, " {}", place.join(" / "))?;
        }
        write!(f, ": {}; {}", self.message, self.remedy)
    }
}

#[cfg(test)]
mod tests;
