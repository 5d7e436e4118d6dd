//! Findings about tokens that are named but not declared, or the other way round.

use super::{Finding, Lint, Severity};
use crate::{Application, ApplicationSet, Policy, Rule, TokenName, config::ServiceTokenSettings};

/// Compares the tokens that policies name with those the file declares.
pub fn lint_tokens(set: &ApplicationSet, declared: &[ServiceTokenSettings]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for application in set.iter() {
        for policy in application.policies() {
            let names =
                named(policy).filter(|name| !declared.iter().any(|token| token.name == **name));
            findings.extend(names.map(|name| not_declared(name).of_policy(application, policy)));
        }
    }
    let unused = declared.iter().filter(|token| !is_named(set, &token.name));
    findings.extend(unused.map(|token| unused_token(&token.name)));
    findings
}

fn named(policy: &Policy) -> impl Iterator<Item = &TokenName> {
    policy.rules().filter_map(|rule| {
        if let Rule::ServiceToken(name) = rule {
            Some(name)
        } else {
            None
        }
    })
}

fn is_named(set: &ApplicationSet, token: &TokenName) -> bool {
    let in_application = |application: &Application| {
        let mut rules = application
            .policies()
            .iter()
            .flat_map(|policy| policy.rules());
        rules.any(|rule| {
            matches!(rule, Rule::ServiceToken(name) if name == token)
                || *rule == Rule::AnyValidServiceToken
        })
    };
    set.iter().any(|application| in_application(application))
}

fn not_declared(name: &TokenName) -> Finding {
    Finding::new(
        Lint::TokenNotDeclared,
        Severity::Info,
        format!("no `[[token]]` declares the token `{name}`: nobody is told before it expires"),
        format!("add a `[[token]]` named \"{name}\" with class and owner"),
    )
}

fn unused_token(name: &TokenName) -> Finding {
    Finding::new(
        Lint::TokenUnused,
        Severity::Warning,
        format!("no policy names the token `{name}`: it opens nothing"),
        "name it in a policy, or remove it",
    )
}
