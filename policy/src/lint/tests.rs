use super::*;
use crate::{
    config::tokens,
    testing::{application_text, file, set},
};

const CERTIFICATE: &str = "include = [{ certificate = {} }]";

fn findings(policies: &[(&str, &str)]) -> Vec<Finding> {
    lint(&set(&application_text(policies)))
}

fn ids(policies: &[(&str, &str)]) -> Vec<&'static str> {
    findings(policies).iter().map(Finding::id).collect()
}

fn ids_of_rules(rules: &str) -> Vec<&'static str> {
    ids(&[("non_identity", rules)])
}

#[test]
fn an_ordinary_application_has_no_findings() {
    let fleet = "include = [{ common_name_pattern = '^device-[a-z0-9-]+\\.factory\\.corp$' }]\nedge = \"expand\"";
    let tokens = "include = [{ service_token = \"ci\" }]\nrequire = [{ ip = \"10.0.0.0/8\" }]";
    assert_eq!(
        ids(&[("non_identity", fleet), ("non_identity", tokens)]),
        [""; 0]
    );
}

#[test]
fn a_deny_policy_that_stops_nobody_is_found_wherever_it_stands() {
    for order in [
        [("deny", CERTIFICATE), ("non_identity", CERTIFICATE)],
        [("non_identity", CERTIFICATE), ("deny", CERTIFICATE)],
    ] {
        let findings = findings(&order);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].lint, Lint::DenyAfterAdmit);
        assert!(findings[0].remedy.contains("`exclude`"));
    }
}

#[test]
fn an_application_with_deny_policies_only_is_found() {
    assert_eq!(ids(&[("deny", CERTIFICATE)]), ["nobody-admitted"]);
}

#[test]
fn admitting_the_unproven_is_an_error() {
    for (rules, id) in [
        ("include = [{ everyone = {} }]", "everyone"),
        (
            "include = [{ certificate = {} }, { everyone = {} }]\nrequire = [{ ip = \"10.0.0.0/8\" }]",
            "everyone",
        ),
        ("include = [{ ip = \"0.0.0.0/0\" }]", "ip-any"),
        ("include = [{ ip = \"::/0\" }]", "ip-any"),
    ] {
        let findings = findings(&[("non_identity", rules)]);
        assert_eq!(
            (findings[0].id(), findings[0].severity),
            (id, Severity::Error),
            "{rules}"
        );
    }
    assert_eq!(
        ids_of_rules("include = [{ everyone = {} }]\nrequire = [{ certificate = {} }]"),
        [""; 0]
    );
}

#[test]
fn bypass_and_tokens_outside_service_auth_are_found() {
    assert_eq!(ids(&[("bypass", CERTIFICATE)]), ["bypass"]);
    assert_eq!(
        ids(&[("bypass", "include = [{ service_token = \"ci\" }]")]),
        ["bypass", "token-outside-service-auth"]
    );
}

#[test]
fn any_valid_token_is_found_unless_one_is_required() {
    let any = "include = [{ any_valid_service_token = {} }]";
    assert_eq!(ids_of_rules(any), ["any-valid-service-token"]);
    assert_eq!(
        ids_of_rules(&format!("{any}\nrequire = [{{ service_token = \"ci\" }}]")),
        [""; 0]
    );
}

#[test]
fn geo_is_found_and_is_an_error_where_it_shuts_everybody_out() {
    let geo = |rules: &str| findings(&[("non_identity", rules)]).remove(0);
    let included = geo("include = [{ certificate = {} }, { geo = \"DE\" }]");
    assert_eq!(
        (included.id(), included.severity),
        ("geo-never-matches", Severity::Warning)
    );
    for list in ["require", "exclude"] {
        let finding = geo(&format!("{CERTIFICATE}\n{list} = [{{ geo = \"DE\" }}]"));
        assert_eq!(
            (finding.id(), finding.severity),
            ("geo-never-matches", Severity::Error)
        );
    }
}

#[test]
fn a_policy_behind_a_wider_one_is_unreachable() {
    for (wide, narrow) in [
        (
            CERTIFICATE,
            "include = [{ common_name = \"a\" }, { common_name = \"b\" }]",
        ),
        (
            "include = [{ common_name = \"a\" }]",
            "include = [{ common_name = \"a\" }]\nrequire = [{ ip = \"10.0.0.0/8\" }]",
        ),
        (
            "include = [{ ip = \"10.0.0.0/8\" }]",
            "include = [{ ip = \"10.1.0.0/16\" }]",
        ),
    ] {
        assert_eq!(
            ids(&[("non_identity", wide), ("non_identity", narrow)]),
            ["unreachable-policy"],
            "{narrow}"
        );
    }
}

#[test]
fn a_policy_behind_one_that_asks_more_is_reachable() {
    for wide in [
        "include = [{ certificate = {} }]\nrequire = [{ ip = \"10.0.0.0/8\" }]",
        "include = [{ certificate = {} }]\nexclude = [{ common_name = \"a\" }]",
        "include = [{ service_token = \"ci\" }]",
    ] {
        assert_eq!(
            ids(&[
                ("non_identity", wide),
                ("non_identity", "include = [{ common_name = \"a\" }]")
            ]),
            [""; 0]
        );
    }
    let narrow_first = [
        ("non_identity", "include = [{ common_name = \"a\" }]"),
        ("non_identity", CERTIFICATE),
    ];
    assert_eq!(ids(&narrow_first), [""; 0]);
}

#[test]
fn a_policy_whose_rules_contradict_each_other_is_found() {
    for rules in [
        "include = [{ certificate = {} }]\nrequire = [{ common_name = \"a\" }, { common_name = \"b\" }]",
        "include = [{ certificate = {} }]\nrequire = [{ ip = \"10.0.0.0/8\" }, { ip = \"192.0.2.0/24\" }]",
        "include = [{ common_name = \"a\" }]\nexclude = [{ certificate = {} }]",
        "include = [{ common_name = \"a\" }]\nexclude = [{ everyone = {} }]",
        "include = [{ certificate = {} }]\nrequire = [{ common_name = \"a\" }]\nexclude = [{ common_name = \"a\" }]",
        "include = [{ common_name = \"a\" }]\nrequire = [{ common_name = \"b\" }]",
    ] {
        assert_eq!(ids_of_rules(rules), ["never-matches"], "{rules}");
    }
    let possible = "include = [{ common_name = \"a\" }, { common_name = \"b\" }]\nrequire = [{ common_name = \"b\" }]";
    assert_eq!(ids_of_rules(possible), [""; 0]);
}

#[test]
fn an_unescaped_dot_is_found_and_the_remedy_is_the_right_pattern() {
    let rules =
        "include = [{ common_name_pattern = 'device-[0-9]+.factory\\.corp' }]\nedge = \"expand\"";
    let finding = findings(&[("non_identity", rules)]).remove(0);
    assert_eq!(finding.id(), "pattern-unescaped-dot");
    assert_eq!(finding.remedy, r"write `device-[0-9]+\.factory\.corp`");
}

#[test]
fn a_pattern_for_every_ordinary_name_is_found() {
    let wide = |pattern: &str| {
        ids_of_rules(&format!(
            "include = [{{ common_name_pattern = '{pattern}' }}]\nedge = \"expand\""
        ))
    };
    for pattern in [
        "[a-z0-9.-]+",
        r"[\w.-]*",
        "[^x]*.?[^/]*",
        "(?i)[a-z0-9.-]{1,64}",
    ] {
        assert_eq!(wide(pattern), ["pattern-too-wide"], "{pattern}");
    }
    assert_eq!(wide("[a-z0-9-]+"), [""; 0]);
}

#[test]
fn a_pattern_without_edge_matters_where_the_application_is_pushed() {
    let policy = (
        "non_identity",
        "include = [{ common_name_pattern = 'device-[0-9]+' }]",
    );
    let text = application_text(&[policy]);
    let severity = |text: &str| {
        let finding = lint(&set(text)).remove(0);
        assert_eq!(finding.id(), "pattern-without-edge");
        finding.severity
    };
    assert_eq!(severity(&text), Severity::Info);
    assert_eq!(
        severity(&format!("{text}[application.cloudflare]\n")),
        Severity::Warning
    );
    assert_eq!(
        ids_of_rules(&format!("{CERTIFICATE}\nedge = \"expand\"")),
        ["edge-without-need"]
    );
}

#[test]
fn tokens_are_compared_with_those_declared() {
    let set = set(&application_text(&[(
        "non_identity",
        "include = [{ service_token = \"named\" }]",
    )]));
    let declared =
        "[[token]]\nname = \"declared\"\nclass = \"ci\"\nowner = \"x\"\nat = \"gateway\"\n";
    let tokens = tokens(file(declared).token).unwrap();
    let findings = lint_tokens(&set, &tokens);
    let ids: Vec<_> = findings.iter().map(Finding::id).collect();
    assert_eq!(ids, ["token-not-declared", "token-unused"]);
    assert_eq!(
        (
            findings[0].application.is_some(),
            findings[1].application.is_some()
        ),
        (true, false)
    );
}

#[test]
fn a_finding_says_where_what_and_what_to_do() {
    let finding = findings(&[("bypass", CERTIFICATE)]).remove(0);
    assert_eq!(
        finding.to_string(),
        "warning[bypass] app / p0: Cloudflare neither enforces nor logs what a `bypass` policy admits; write `non_identity`"
    );
}
