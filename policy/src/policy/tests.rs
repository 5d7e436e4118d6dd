use super::*;
use crate::{
    CommonName,
    testing::{identity, nothing, token, with_both, with_certificate, with_token},
};

fn name() -> PolicyName {
    PolicyName::parse("p").unwrap()
}

fn policy(include: Vec<Rule>) -> Policy {
    Policy::new(name(), Decision::NonIdentity, include).unwrap()
}

fn common_name(name: &str) -> Rule {
    Rule::CommonName(CommonName::parse(name).unwrap())
}

#[test]
fn a_policy_without_include_does_not_exist() {
    let error = Policy::new(name(), Decision::NonIdentity, Vec::new()).unwrap_err();
    assert_eq!(error, PolicyError::NoInclude { policy: name() });
    assert!(
        error
            .to_string()
            .contains("include = [{ certificate = {} }]"),
        "{error}"
    );
}

#[test]
fn include_is_an_or() {
    let policy = policy(vec![common_name("a"), common_name("b")]);
    for (place, cn) in ["a", "b"].into_iter().enumerate() {
        let device = identity(cn);
        let Evaluation::Matches { rule, index } = policy.evaluate(&with_certificate(&device))
        else {
            panic!("{cn} must match")
        };
        assert_eq!((index, rule), (place, &common_name(cn)));
    }
    assert_eq!(
        policy.evaluate(&with_certificate(&identity("c"))),
        Evaluation::NotIncluded
    );
}

#[test]
fn require_is_an_and() {
    let (device, ci) = (identity("a"), token("ci"));
    let required = Rule::ServiceToken(ci.clone());
    let policy =
        policy(vec![Rule::Certificate]).with_require(vec![common_name("a"), required.clone()]);
    assert!(matches!(
        policy.evaluate(&with_both(&device, &ci)),
        Evaluation::Matches { index: 0, .. }
    ));
    assert_eq!(
        policy.evaluate(&with_certificate(&device)),
        Evaluation::RequirementNotMet { rule: &required }
    );
    assert_eq!(
        policy.evaluate(&with_both(&identity("b"), &ci)),
        Evaluation::RequirementNotMet {
            rule: &common_name("a")
        }
    );
    assert_eq!(policy.evaluate(&with_token(&ci)), Evaluation::NotIncluded);
}

#[test]
fn exclude_is_a_not_and_beats_include_and_require() {
    let stolen = common_name("stolen");
    let policy = policy(vec![Rule::Everyone, stolen.clone()])
        .with_require(vec![Rule::Certificate])
        .with_exclude(vec![common_name("other"), stolen.clone()]);
    let device = identity("stolen");
    assert_eq!(
        policy.evaluate(&with_certificate(&device)),
        Evaluation::Excluded { rule: &stolen }
    );
    assert!(matches!(
        policy.evaluate(&with_certificate(&identity("a"))),
        Evaluation::Matches { .. }
    ));
}

#[test]
fn exclude_by_country_of_the_address_admits_nobody() {
    let policy = policy(vec![Rule::Certificate]).with_exclude(vec![Rule::Geo("KP".into())]);
    assert!(matches!(
        policy.evaluate(&with_certificate(&identity("a"))),
        Evaluation::Excluded { .. }
    ));
}

#[test]
fn a_policy_needs_a_certificate_if_all_includes_or_one_require_does() {
    let token_rule = || Rule::ServiceToken(token("ci"));
    assert!(policy(vec![Rule::Certificate, common_name("a")]).needs_certificate());
    assert!(!policy(vec![Rule::Certificate, token_rule()]).needs_certificate());
    assert!(
        policy(vec![token_rule()])
            .with_require(vec![Rule::Certificate])
            .needs_certificate()
    );
    assert!(
        !policy(vec![token_rule()])
            .with_exclude(vec![Rule::Certificate])
            .needs_certificate()
    );
    assert!(!policy(vec![Rule::Everyone]).needs_certificate());
}

#[test]
fn a_token_is_named_wherever_it_stands() {
    let token_rule = || vec![Rule::ServiceToken(token("ci"))];
    assert!(policy(token_rule()).names_a_token());
    assert!(
        policy(vec![Rule::Certificate])
            .with_require(token_rule())
            .names_a_token()
    );
    assert!(
        policy(vec![Rule::Certificate])
            .with_exclude(token_rule())
            .names_a_token()
    );
    assert!(policy(vec![Rule::AnyValidServiceToken]).names_a_token());
    assert!(!policy(vec![Rule::Certificate, Rule::Everyone]).names_a_token());
    assert_eq!(
        policy(vec![Rule::Certificate]).evaluate(&nothing()),
        Evaluation::NotIncluded
    );
}
