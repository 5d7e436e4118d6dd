//! The decision: what a policy may say, and the proof that one said yes.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Credentials, Evaluation, Policy, PolicyName};

/// What a policy decides for those it matches; the words of Cloudflare Access.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Admit without a human login: "Service Auth" in the dashboard.
    #[serde(alias = "service_auth")]
    NonIdentity,
    /// Admit and do not log at Cloudflare.
    Bypass,
    /// Refuse. It comes after `bypass` and `non_identity`, so it never stops what those admit.
    Deny,
    /// Send a human to log in at Cloudflare. The gateway has no humans and refuses to load it.
    Allow,
}

impl Decision {
    /// Whether a match admits a request at the gateway.
    pub fn admits(self) -> bool {
        match self {
            Self::NonIdentity | Self::Bypass => true,
            Self::Deny | Self::Allow => false,
        }
    }

    /// The word in the file and at Cloudflare.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NonIdentity => "non_identity",
            Self::Bypass => "bypass",
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a permitted client proved itself with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A client certificate.
    Mtls,
    /// A service token.
    ServiceToken,
    /// A login at Cloudflare.
    Login,
    /// Nothing: the address, or anyone.
    None,
}

impl Method {
    /// The word in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mtls => "mtls",
            Self::ServiceToken => "service_token",
            Self::Login => "login",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The answer to a request.
#[derive(Debug)]
#[must_use = "a verdict that nobody looks at decides nothing"]
pub enum Verdict {
    /// A policy admits it.
    Permit(Permit),
    /// Nothing admits it.
    Denial(Denial),
}

/// Proof that a policy admits one request.
///
/// Only [`Application::decide`](crate::Application::decide) makes one, and it covers one request:
/// it cannot be cloned
///
/// ```compile_fail,E0599
/// fn twice(permit: postern_policy::Permit) -> (postern_policy::Permit, postern_policy::Permit) {
///     (permit.clone(), permit)
/// }
/// ```
///
/// and it cannot be written down.
///
/// ```compile_fail,E0451
/// fn forged() -> postern_policy::Permit {
///     postern_policy::Permit { grounds: unimplemented!() }
/// }
/// ```
#[derive(Debug)]
#[must_use = "a permit is spent by covering the request it was made for"]
pub struct Permit {
    grounds: Grounds,
}

#[derive(Debug)]
enum Grounds {
    Policy {
        policy: Arc<Policy>,
        include: usize,
        method: Method,
    },
    /// Access let a person in, and the file says that this is enough.
    Person,
}

impl Permit {
    /// The policy that admits the request; where the file admits people, the table that says so.
    pub fn policy(&self) -> &str {
        match &self.grounds {
            Grounds::Policy { policy, .. } => policy.name().as_str(),
            Grounds::Person => "gateway.behind_cloudflare",
        }
    }

    /// The `include` rule that matched, as it stands in the file.
    pub fn rule(&self) -> String {
        match &self.grounds {
            Grounds::Policy {
                policy, include, ..
            } => policy
                .include()
                .get(*include)
                .map(ToString::to_string)
                .expect("the index of the rule that matched"),
            Grounds::Person => String::from("identity = \"admit\""),
        }
    }

    /// What the client proved itself with.
    pub fn method(&self) -> Method {
        match &self.grounds {
            Grounds::Policy { method, .. } => *method,
            Grounds::Person => Method::Login,
        }
    }

    /// Spends the permit on the request it was made for.
    pub fn cover<T>(self, request: T) -> Permitted<T> {
        Permitted {
            permit: self,
            request,
        }
    }
}

/// A request together with the permit that covers it.
#[derive(Debug)]
pub struct Permitted<T> {
    permit: Permit,
    request: T,
}

impl<T> Permitted<T> {
    /// The permit.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The request alone; the permit is gone.
    pub fn into_inner(self) -> T {
        self.request
    }

    /// The permit, spent as it is, and the request.
    pub fn into_parts(self) -> (Permit, T) {
        (self.permit, self.request)
    }
}

impl<T> AsRef<T> for Permitted<T> {
    fn as_ref(&self) -> &T {
        &self.request
    }
}

impl<T> AsMut<T> for Permitted<T> {
    fn as_mut(&mut self) -> &mut T {
        &mut self.request
    }
}

/// Why nothing admits a request, most telling reason first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Denial {
    /// A `deny` policy matched.
    DeniedBy {
        /// The policy.
        policy: PolicyName,
        /// Its `include` rule that matched.
        rule: String,
    },
    /// A policy would have admitted the client if it were not excluded there.
    ExcludedBy {
        /// The policy.
        policy: PolicyName,
        /// Its `exclude` rule that refused.
        rule: String,
    },
    /// A policy would have admitted the client if it had met this requirement.
    RequirementNotMet {
        /// The policy.
        policy: PolicyName,
        /// Its `require` rule that did not match.
        rule: String,
    },
    /// No policy is about this client: the default.
    NoPolicyMatched,
}

impl Denial {
    /// A stable code for events and answers.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::DeniedBy { .. } => "denied_by_policy",
            Self::ExcludedBy { .. } => "excluded",
            Self::RequirementNotMet { .. } => "requirement_not_met",
            Self::NoPolicyMatched => "no_policy_matched",
        }
    }

    /// The policy that refused, unless it was the default.
    pub fn policy(&self) -> Option<&str> {
        self.cause().map(|(policy, _)| policy.as_str())
    }

    /// The rule that refused, as it stands in the file, unless it was the default.
    pub fn rule(&self) -> Option<&str> {
        self.cause().map(|(_, rule)| rule)
    }

    fn cause(&self) -> Option<(&PolicyName, &str)> {
        match self {
            Self::DeniedBy { policy, rule }
            | Self::ExcludedBy { policy, rule }
            | Self::RequirementNotMet { policy, rule } => Some((policy, rule)),
            Self::NoPolicyMatched => None,
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeniedBy { policy, rule } => write!(f, "policy `{policy}` denies: {rule}"),
            Self::ExcludedBy { policy, rule } => write!(f, "policy `{policy}` excludes: {rule}"),
            Self::RequirementNotMet { policy, rule } => {
                write!(
                    f,
                    "policy `{policy}` requires what was not presented: {rule}"
                )
            }
            Self::NoPolicyMatched => f.write_str("no policy matched"),
        }
    }
}

impl std::error::Error for Denial {}

/// Decides in Cloudflare's order: what admits first, then what denies, each in file order; nothing
/// matched is a denial.
pub(crate) fn decide(policies: &[Arc<Policy>], credentials: &Credentials<'_>) -> Verdict {
    for policy in policies.iter().filter(|policy| policy.decision().admits()) {
        if let Evaluation::Matches { index, .. } = policy.evaluate(credentials) {
            let method = method(policy, index);
            return Verdict::Permit(Permit {
                grounds: Grounds::Policy {
                    policy: Arc::clone(policy),
                    include: index,
                    method,
                },
            });
        }
    }
    Verdict::Denial(denial(policies, credentials))
}

/// Decides about a person whom Access admitted; the policies that admit are about machines.
pub(crate) fn decide_person(policies: &[Arc<Policy>], credentials: &Credentials<'_>) -> Verdict {
    match denied(policies, credentials) {
        Some(denial) => Verdict::Denial(denial),
        None => Verdict::Permit(Permit {
            grounds: Grounds::Person,
        }),
    }
}

/// The included rule's method; where that proves nothing (an address), the first required proof's.
fn method(policy: &Policy, include: usize) -> Method {
    let included = policy.include().get(include).into_iter();
    let methods = included.chain(policy.require()).map(crate::Rule::method);
    methods
        .into_iter()
        .find(|&method| method != Method::None)
        .unwrap_or(Method::None)
}

/// The first `deny` policy that matches.
fn denied(policies: &[Arc<Policy>], credentials: &Credentials<'_>) -> Option<Denial> {
    let mut denying = policies
        .iter()
        .filter(|policy| policy.decision() == Decision::Deny);
    denying.find_map(|policy| match policy.evaluate(credentials) {
        Evaluation::Matches { rule, .. } => Some(Denial::DeniedBy {
            policy: policy.name().clone(),
            rule: rule.to_string(),
        }),
        Evaluation::NotIncluded
        | Evaluation::RequirementNotMet { .. }
        | Evaluation::Excluded { .. } => None,
    })
}

fn denial(policies: &[Arc<Policy>], credentials: &Credentials<'_>) -> Denial {
    if let Some(denial) = denied(policies, credentials) {
        return denial;
    }
    let admitting = policies.iter().filter(|policy| policy.decision().admits());
    let mut near_miss = Denial::NoPolicyMatched;
    for policy in admitting {
        match policy.evaluate(credentials) {
            Evaluation::Excluded { rule } => {
                return Denial::ExcludedBy {
                    policy: policy.name().clone(),
                    rule: rule.to_string(),
                };
            }
            Evaluation::RequirementNotMet { rule } if near_miss == Denial::NoPolicyMatched => {
                near_miss = Denial::RequirementNotMet {
                    policy: policy.name().clone(),
                    rule: rule.to_string(),
                };
            }
            Evaluation::RequirementNotMet { .. }
            | Evaluation::NotIncluded
            | Evaluation::Matches { .. } => {}
        }
    }
    near_miss
}

#[cfg(test)]
mod tests;
