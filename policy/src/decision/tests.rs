use super::*;
use crate::testing::{
    application, from_address, identity, nothing, token, with_both, with_certificate, with_token,
};

const FLEET: &str = r"include = [{ common_name_pattern = '^device-[a-z0-9-]+\.factory\.corp$' }]";

fn permit(verdict: Verdict) -> (String, String, Method) {
    match verdict {
        Verdict::Permit(permit) => (permit.policy().into(), permit.rule(), permit.method()),
        Verdict::Denial(denial) => panic!("denied: {denial}"),
    }
}

fn denied(verdict: Verdict) -> Denial {
    match verdict {
        Verdict::Denial(denial) => denial,
        Verdict::Permit(permit) => panic!("permitted: {permit:?}"),
    }
}

fn name(policy: &str) -> PolicyName {
    PolicyName::parse(policy).unwrap()
}

#[test]
fn the_default_is_denial() {
    let app = application(&[("non_identity", FLEET)]);
    assert_eq!(denied(app.decide(&nothing())), Denial::NoPolicyMatched);
    assert_eq!(
        denied(app.decide(&with_certificate(&identity("laptop-1")))),
        Denial::NoPolicyMatched
    );
    assert_eq!(
        denied(app.decide(&with_token(&token("ci")))),
        Denial::NoPolicyMatched
    );
}

#[test]
fn a_fleet_pattern_admits_the_fleet_and_nobody_who_looks_like_it() {
    let app = application(&[("non_identity", FLEET)]);
    let (policy, rule, method) =
        permit(app.decide(&with_certificate(&identity("device-1.factory.corp"))));
    assert_eq!(policy, "p0");
    assert_eq!(
        rule,
        r"common_name_pattern = '^device-[a-z0-9-]+\.factory\.corp$'"
    );
    assert_eq!(method, Method::Mtls);
    for attacker in [
        "evil-device-1.factory.corp.attacker",
        "xdevice-1.factory.corp",
        "DEVICE-1.factory.corp",
        "device-1.factory.corp\nevil",
        "device-1.factory.corp\0.evil",
        "",
    ] {
        let attacker = identity(attacker);
        assert_eq!(
            denied(app.decide(&with_certificate(&attacker))),
            Denial::NoPolicyMatched
        );
    }
}

#[test]
fn policies_that_admit_are_asked_in_file_order() {
    let app = application(&[
        ("non_identity", "include = [{ common_name = \"a\" }]"),
        ("bypass", "include = [{ certificate = {} }]"),
        ("non_identity", "include = [{ common_name = \"b\" }]"),
    ]);
    assert_eq!(
        permit(app.decide(&with_certificate(&identity("a")))).0,
        "p0"
    );
    assert_eq!(
        permit(app.decide(&with_certificate(&identity("b")))).0,
        "p1",
        "bypass stands first"
    );
}

#[test]
fn deny_does_not_stop_what_a_non_identity_policy_admits() {
    let app = application(&[
        ("deny", "include = [{ common_name = \"stolen\" }]"),
        ("non_identity", "include = [{ certificate = {} }]"),
    ]);
    assert_eq!(
        permit(app.decide(&with_certificate(&identity("stolen")))).0,
        "p1"
    );
}

#[test]
fn deny_explains_what_nothing_admits() {
    let app = application(&[
        ("deny", "include = [{ certificate = {} }]"),
        ("non_identity", "include = [{ common_name = \"a\" }]"),
    ]);
    let denial = denied(app.decide(&with_certificate(&identity("b"))));
    assert_eq!(
        denial,
        Denial::DeniedBy {
            policy: name("p0"),
            rule: "certificate = {}".into()
        }
    );
    assert_eq!(denial.reason(), "denied_by_policy");
    assert_eq!(
        (denial.policy(), denial.rule()),
        (Some("p0"), Some("certificate = {}"))
    );
}

#[test]
fn exclude_stops_a_stolen_device_and_says_so() {
    let rules = "include = [{ certificate = {} }]\nexclude = [{ common_name = \"stolen\" }]";
    let app = application(&[("non_identity", rules)]);
    assert_eq!(
        permit(app.decide(&with_certificate(&identity("a")))).0,
        "p0"
    );
    let denial = denied(app.decide(&with_certificate(&identity("stolen"))));
    let rule = r#"common_name = "stolen""#;
    assert_eq!(
        denial,
        Denial::ExcludedBy {
            policy: name("p0"),
            rule: rule.into()
        }
    );
    assert_eq!(
        denial.to_string(),
        "policy `p0` excludes: common_name = \"stolen\""
    );
}

#[test]
fn an_exclusion_in_one_policy_does_not_bind_another() {
    let app = application(&[
        (
            "non_identity",
            "include = [{ certificate = {} }]\nexclude = [{ common_name = \"a\" }]",
        ),
        ("non_identity", "include = [{ common_name = \"a\" }]"),
    ]);
    assert_eq!(
        permit(app.decide(&with_certificate(&identity("a")))).0,
        "p1"
    );
}

#[test]
fn require_makes_the_token_a_second_factor() {
    let rules = "include = [{ certificate = {} }]\nrequire = [{ service_token = \"ci\" }]";
    let app = application(&[("non_identity", rules)]);
    let (device, ci, other) = (identity("a"), token("ci"), token("other"));
    let (_, rule, method) = permit(app.decide(&with_both(&device, &ci)));
    assert_eq!((rule.as_str(), method), ("certificate = {}", Method::Mtls));
    for one_factor in [with_certificate(&device), with_both(&device, &other)] {
        let denial = denied(app.decide(&one_factor));
        let rule = r#"service_token = "ci""#;
        assert_eq!(
            denial,
            Denial::RequirementNotMet {
                policy: name("p0"),
                rule: rule.into()
            }
        );
    }
    assert_eq!(
        denied(app.decide(&with_token(&ci))),
        Denial::NoPolicyMatched
    );
}

#[test]
fn certificate_and_token_are_alternatives_in_include() {
    let app = application(&[(
        "non_identity",
        "include = [{ certificate = {} }, { service_token = \"ci\" }]",
    )]);
    let (device, ci) = (identity("a"), token("ci"));
    assert_eq!(
        permit(app.decide(&with_certificate(&device))).2,
        Method::Mtls
    );
    assert_eq!(permit(app.decide(&with_token(&ci))).2, Method::ServiceToken);
    assert_eq!(
        permit(app.decide(&with_both(&device, &ci))).2,
        Method::Mtls,
        "the first rule that matched"
    );
}

#[test]
fn the_method_is_what_was_proved_even_where_the_address_was_included() {
    let rules = "include = [{ ip = \"192.0.2.0/24\" }]";
    let app = application(&[
        (
            "non_identity",
            &format!("{rules}\nrequire = [{{ certificate = {{}} }}]"),
        ),
        ("bypass", rules),
    ]);
    let (_, rule, method) = permit(app.decide(&with_certificate(&identity("a"))));
    assert_eq!(
        (rule.as_str(), method),
        (r#"ip = "192.0.2.0/24""#, Method::Mtls)
    );
    assert_eq!(permit(app.decide(&nothing())).2, Method::None);
    assert_eq!(
        denied(app.decide(&from_address("198.51.100.1"))),
        Denial::NoPolicyMatched
    );
}

#[test]
fn the_most_telling_denial_is_reported() {
    let app = application(&[
        (
            "non_identity",
            "include = [{ certificate = {} }]\nrequire = [{ ip = \"10.0.0.0/8\" }]",
        ),
        (
            "non_identity",
            "include = [{ certificate = {} }]\nexclude = [{ common_name = \"a\" }, { common_name = \"b\" }]\nrequire = [{ common_name = \"a\" }]",
        ),
    ]);
    assert_eq!(
        denied(app.decide(&with_certificate(&identity("a")))).reason(),
        "excluded"
    );
    assert_eq!(
        denied(app.decide(&with_certificate(&identity("b")))).policy(),
        Some("p0")
    );
    assert_eq!(denied(app.decide(&nothing())).reason(), "no_policy_matched");
}

#[test]
fn geo_admits_nobody_wherever_it_stands() {
    for rules in [
        "include = [{ geo = \"DE\" }]",
        "include = [{ certificate = {} }]\nrequire = [{ geo = \"DE\" }]",
        "include = [{ certificate = {} }]\nexclude = [{ geo = \"DE\" }]",
    ] {
        let app = application(&[("non_identity", rules)]);
        let denial = denied(app.decide(&with_certificate(&identity("a"))));
        assert_ne!(denial.reason(), "denied_by_policy");
    }
}

#[test]
fn a_person_gets_in_unless_a_deny_policy_names_them() {
    let app = application(&[
        ("non_identity", "include = [{ certificate = {} }]"),
        ("deny", "include = [{ ip = \"198.51.100.0/24\" }]"),
    ]);
    let (policy, rule, method) = permit(app.decide_person(&nothing()));
    assert_eq!(policy, "gateway.behind_cloudflare");
    assert_eq!(rule, "identity = \"admit\"");
    assert_eq!(method, Method::Login);
    let denial = denied(app.decide_person(&from_address("198.51.100.1")));
    assert_eq!(denial.policy(), Some("p1"));
}

#[test]
fn a_permit_travels_with_the_request_it_covers() {
    let app = application(&[("non_identity", "include = [{ certificate = {} }]")]);
    let Verdict::Permit(permit) = app.decide(&with_certificate(&identity("a"))) else {
        panic!("must be permitted")
    };
    let mut permitted = permit.cover(String::from("GET /"));
    permitted.as_mut().push('x');
    assert_eq!(permitted.as_ref(), "GET /x");
    assert_eq!(permitted.permit().policy(), "p0");
    let (permit, request) = permitted.into_parts();
    assert_eq!(request, "GET /x");
    assert_eq!(permit.cover(1).into_inner(), 1);
}

#[test]
fn the_words_of_decisions_and_methods_are_stable() {
    assert_eq!(Decision::NonIdentity.to_string(), "non_identity");
    assert_eq!(
        [
            Method::Mtls,
            Method::ServiceToken,
            Method::Login,
            Method::None
        ]
        .map(Method::as_str),
        ["mtls", "service_token", "login", "none"]
    );
    assert!(!Decision::Allow.admits() && !Decision::Deny.admits());
}
