use super::*;
use crate::testing::{application_text, set};

fn report(rules: &str) -> EdgeFinding {
    edge_report(&set(&application_text(&[("non_identity", rules)]))).remove(0)
}

#[test]
fn exact_names_tokens_and_networks_are_enforced_at_the_edge() {
    let finding = report(
        "include = [{ common_name = \"a\" }, { service_token = \"t\" }]\nexclude = [{ ip = \"10.0.0.0/8\" }, { geo = \"DE\" }]",
    );
    assert_eq!(finding.enforcement, Enforcement::Exact);
    assert_eq!(finding.at_edge.len(), 4);
    assert!(finding.gateway_only.is_empty() && finding.remedy().is_none());
    assert_eq!(
        finding.to_string(),
        "app / p0: enforced at the edge as written"
    );
}

#[test]
fn a_pattern_needs_a_strategy() {
    let finding = report("include = [{ common_name_pattern = '^device-[0-9]+$' }]");
    assert_eq!(finding.enforcement, Enforcement::NeedsStrategy);
    assert_eq!(
        finding.gateway_only,
        ["common_name_pattern = '^device-[0-9]+$'"]
    );
    assert!(finding.remedy().unwrap().starts_with("needs `edge = …`"));
}

#[test]
fn every_rule_of_ours_is_only_at_the_gateway_wherever_it_stands() {
    for rule in [
        "issuer = \"x\"",
        "organization = \"x\"",
        "subject_country = \"DE\"",
        "san_dns = \"x\"",
        "san_uri = \"x\"",
    ] {
        for list in ["require", "exclude"] {
            let finding = report(&format!(
                "include = [{{ certificate = {{}} }}]\n{list} = [{{ {rule} }}]"
            ));
            assert_eq!(finding.enforcement, Enforcement::NeedsStrategy, "{rule}");
            assert_eq!(finding.gateway_only, [rule]);
            assert_eq!(finding.at_edge, ["certificate = {}"]);
        }
    }
}

#[test]
fn a_strategy_says_what_it_amounts_to() {
    for edge in [
        Edge::Expand,
        Edge::CertificateAndGateway,
        Edge::DedicatedCa,
        Edge::Waf,
    ] {
        let finding = report(&format!(
            "include = [{{ common_name_pattern = 'a+' }}]\nedge = \"{edge}\""
        ));
        assert_eq!(finding.enforcement, Enforcement::ByStrategy(edge));
        assert!(finding.remedy().is_none());
        assert!(finding.to_string().contains(edge.meaning()), "{finding}");
    }
}

#[test]
fn the_waf_cannot_see_alternative_names() {
    let finding =
        report("include = [{ common_name_pattern = 'a+' }, { san_dns = \"x\" }]\nedge = \"waf\"");
    assert_eq!(finding.enforcement, Enforcement::StrategyUnfit(Edge::Waf));
    assert!(finding.remedy().unwrap().contains("choose another"));
}
