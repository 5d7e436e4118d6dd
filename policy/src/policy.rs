//! Policies: what is decided for whom.

use thiserror::Error;

use crate::{Credentials, Decision, Edge, PolicyName, Rule, TokenName};

/// A policy: `include` is an or, `require` an and, `exclude` a not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    name: PolicyName,
    decision: Decision,
    include: Vec<Rule>,
    require: Vec<Rule>,
    exclude: Vec<Rule>,
    edge: Option<Edge>,
}

impl Policy {
    /// Makes a policy; one without `include` would match nobody, or everybody, and is refused.
    pub fn new(
        name: PolicyName,
        decision: Decision,
        include: Vec<Rule>,
    ) -> Result<Self, PolicyError> {
        if include.is_empty() {
            return Err(PolicyError::NoInclude { policy: name });
        }
        Ok(Self {
            name,
            decision,
            include,
            require: Vec::new(),
            exclude: Vec::new(),
            edge: None,
        })
    }

    /// Sets the rules that all must match.
    pub fn with_require(self, require: Vec<Rule>) -> Self {
        Self { require, ..self }
    }

    /// Sets the rules of which none may match.
    pub fn with_exclude(self, exclude: Vec<Rule>) -> Self {
        Self { exclude, ..self }
    }

    /// Sets what Cloudflare is to enforce where it cannot enforce the rules themselves.
    pub fn with_edge(self, edge: Option<Edge>) -> Self {
        Self { edge, ..self }
    }

    /// The policy's name.
    pub fn name(&self) -> &PolicyName {
        &self.name
    }

    /// What the policy decides for those it matches.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// The rules of which one must match; never empty.
    pub fn include(&self) -> &[Rule] {
        &self.include
    }

    /// The rules that all must match.
    pub fn require(&self) -> &[Rule] {
        &self.require
    }

    /// The rules of which none may match.
    pub fn exclude(&self) -> &[Rule] {
        &self.exclude
    }

    /// What Cloudflare is to enforce where it cannot enforce the rules themselves.
    pub fn edge(&self) -> Option<Edge> {
        self.edge
    }

    /// Every rule of the policy: `include`, then `require`, then `exclude`.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.include
            .iter()
            .chain(&self.require)
            .chain(&self.exclude)
    }

    /// Whether the policy can match only requests with a certificate.
    pub fn needs_certificate(&self) -> bool {
        self.include.iter().all(Rule::needs_certificate)
            || self.require.iter().any(Rule::needs_certificate)
    }

    /// Whether a rule of the policy asks for a service token.
    pub fn names_a_token(&self) -> bool {
        self.rules().any(Rule::needs_token)
    }

    /// Whether a rule of the policy is about this service token.
    pub fn names_token(&self, name: &TokenName) -> bool {
        let is_it = |rule: &Rule| matches!(rule, Rule::ServiceToken(token) if token == name);
        self.rules().any(is_it)
    }

    /// Asks the rules in order, and says where the answer was found.
    pub fn evaluate(&self, credentials: &Credentials<'_>) -> Evaluation<'_> {
        let included = self
            .include
            .iter()
            .enumerate()
            .find(|(_, rule)| rule.matches(credentials));
        let Some((index, rule)) = included else {
            return Evaluation::NotIncluded;
        };
        if let Some(rule) = self.require.iter().find(|rule| !rule.matches(credentials)) {
            return Evaluation::RequirementNotMet { rule };
        }
        if let Some(rule) = self.exclude.iter().find(|rule| rule.excludes(credentials)) {
            return Evaluation::Excluded { rule };
        }
        Evaluation::Matches { rule, index }
    }
}

/// What a policy says to some credentials.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Evaluation<'a> {
    /// The policy matches.
    Matches {
        /// The first `include` rule that matched.
        rule: &'a Rule,
        /// Its place in `include`.
        index: usize,
    },
    /// No `include` rule matched.
    NotIncluded,
    /// A `require` rule did not match.
    RequirementNotMet {
        /// The first such rule.
        rule: &'a Rule,
    },
    /// An `exclude` rule refused.
    Excluded {
        /// The first such rule.
        rule: &'a Rule,
    },
}

/// Why something is not a policy.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum PolicyError {
    /// An empty list never means everyone.
    #[error(
        "policy `{policy}` has no `include`: say whom it is about, for example `include = [{{ certificate = {{}} }}]`"
    )]
    NoInclude {
        /// The policy's name.
        policy: PolicyName,
    },
}

#[cfg(test)]
mod tests;
