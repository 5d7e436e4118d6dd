use super::*;
use crate::testing::{File, application, application_text, errors};

/// The one error of a policy with this `include`.
fn include_error(include: &str) -> ConfigError {
    let mut errors = errors(&application_text(&[(
        "non_identity",
        &format!("include = [{include}]"),
    )]));
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

fn include(rule: &str) -> Rule {
    let application = application(&[("non_identity", &format!("include = [{rule}]"))]);
    application.policies()[0].include()[0].clone()
}

#[test]
fn every_rule_is_read_and_prints_as_it_was_written() {
    for rule in [
        "certificate = {}",
        "everyone = {}",
        "any_valid_service_token = {}",
        "common_name = \"device-1\"",
        "common_name_pattern = '^device-[a-z]+$'",
        "service_token = \"ci\"",
        "ip = \"10.0.0.0/8\"",
        "ip = \"2001:db8::/32\"",
        "geo = \"DE\"",
        "subject_country = \"DE\"",
        "issuer = \"Device CA\"",
        "organization = \"Factory Corp\"",
        "san_dns = \"device-1.factory.corp\"",
        "san_uri = \"spiffe://factory.corp/device-1\"",
    ] {
        assert_eq!(include(&format!("{{ {rule} }}")).to_string(), rule);
    }
    let fingerprint = IssuerMatch::Fingerprint(Fingerprint::from([0xab; 32]));
    let written = format!("{{ issuer = \"sha256:{}\" }}", "AB".repeat(32));
    assert_eq!(include(&written), Rule::Issuer(fingerprint));
}

#[test]
fn rules_nested_as_at_cloudflare_mean_the_same() {
    for (nested, plain) in [
        (
            "{ common_name = { common_name = \"x\" } }",
            "{ common_name = \"x\" }",
        ),
        (
            "{ ip = { ip = \"10.0.0.0/8\" } }",
            "{ ip = \"10.0.0.0/8\" }",
        ),
        ("{ geo = { country_code = \"DE\" } }", "{ geo = \"DE\" }"),
    ] {
        assert_eq!(include(nested), include(plain));
    }
    let error = include_error("{ service_token = { token_id = \"f174e90a\" } }");
    assert_eq!(
        error.hint.as_deref(),
        Some("write `{ service_token = \"name\" }`")
    );
}

#[test]
fn a_bare_address_is_a_network_of_one() {
    assert_eq!(
        include("{ ip = \"192.0.2.7\" }").to_string(),
        "ip = \"192.0.2.7/32\""
    );
    assert_eq!(
        include("{ ip = \"2001:db8::1\" }").to_string(),
        "ip = \"2001:db8::1/128\""
    );
}

#[test]
fn networks_that_say_something_else_than_they_mean_are_refused() {
    assert_eq!(
        include_error("{ ip = \"10.1.2.3/8\" }").hint.as_deref(),
        Some("write \"10.0.0.0/8\" or \"10.1.2.3\"")
    );
    assert!(
        include_error("{ ip = \"::ffff:10.0.0.0/104\" }")
            .message
            .contains("never matches")
    );
    for text in [
        "10.0.0",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "localhost",
        "",
        "010.0.0.1",
        "10.0.0.0/8 ",
    ] {
        let message = include_error(&format!("{{ ip = \"{text}\" }}")).message;
        assert!(
            message.contains("neither an address nor a network"),
            "{message}"
        );
    }
}

#[test]
fn a_common_name_written_like_a_pattern_is_refused() {
    for text in [
        "device-*", "^device", "device$", r"a\\b", "a[0-9]", "a]", "(a)", "a)", "a+", "a?", "a|b",
        "a{2}",
    ] {
        let error = include_error(&format!("{{ common_name = \"{text}\" }}"));
        assert_eq!(
            error.hint.as_deref(),
            Some("exact name; did you mean `common_name_pattern`?"),
            "{text}"
        );
    }
    let dotted = Rule::CommonName(CommonName::parse("device-1.factory.corp").unwrap());
    assert_eq!(
        include("{ common_name = \"device-1.factory.corp\" }"),
        dotted
    );
}

#[test]
fn bad_patterns_show_why_and_where() {
    let text = application_text(&[(
        "non_identity",
        "include = [{ common_name_pattern = 'device-[' }]",
    )]);
    let error = &errors(&text)[0];
    assert!(
        error
            .message
            .starts_with("policy `p0` of application `app`: not a regular expression"),
        "{error}"
    );
    assert!(
        error.message.contains("unclosed character class"),
        "{error}"
    );
    assert_eq!(
        &text[error.span.clone().unwrap()],
        "{ common_name_pattern = 'device-[' }"
    );
    assert_eq!(error.line_and_column(&text), Some((8, 12)));
    assert!(
        include_error("{ common_name_pattern = '.*' }")
            .message
            .contains("certificate = {}")
    );
    assert!(
        include_error("{ common_name_pattern = 'a)|(?:.*' }")
            .message
            .contains("unopened group")
    );
    let known = CommonNamePattern::parse("a+b").unwrap();
    assert_eq!(
        include("{ common_name_pattern = 'a+b' }"),
        Rule::CommonNamePattern(known)
    );
}

#[test]
fn a_rule_has_exactly_one_key() {
    let error = include_error("{ certificate = {}, common_name = \"x\" }");
    assert!(
        error
            .message
            .ends_with("this one has `certificate` and `common_name`"),
        "{error}"
    );
    assert!(
        include_error("{}")
            .message
            .ends_with("a rule must not be empty")
    );
}

#[test]
fn rules_nobody_knows_are_refused_with_advice() {
    let error = include_error("{ commonname = \"x\" }");
    assert!(
        error
            .to_string()
            .contains("there is no rule `commonname` (the rules are: certificate, common_name,"),
        "{error}"
    );
    assert!(
        include_error("{ email = \"a@b\" }")
            .hint
            .unwrap()
            .contains("human")
    );
    assert!(
        include_error("{ cn = \"x\" }")
            .hint
            .unwrap()
            .contains("common_name_pattern")
    );
}

#[test]
fn rules_with_the_wrong_kind_of_value_are_refused() {
    assert_eq!(
        include_error("{ certificate = \"x\" }").hint.as_deref(),
        Some("write `{ certificate = {} }`")
    );
    assert_eq!(
        include_error("{ everyone = { x = \"y\" } }")
            .hint
            .as_deref(),
        Some("write `{ everyone = {} }`")
    );
    assert_eq!(
        include_error("{ common_name = {} }").hint.as_deref(),
        Some("write `{ common_name = \"…\" }`")
    );
    for country in ["de", "DEU", "", "D1", "Ä"] {
        let error = include_error(&format!("{{ subject_country = \"{country}\" }}"));
        assert!(error.message.contains("two capital letters"), "{error}");
    }
    for rule in ["issuer", "organization", "san_dns", "san_uri"] {
        assert!(
            include_error(&format!("{{ {rule} = \"\" }}"))
                .message
                .contains("must not be empty")
        );
        assert!(
            include_error(&format!("{{ {rule} = \"a\\u0000b\" }}"))
                .message
                .contains(r"\u{0}")
        );
    }
    assert!(
        include_error("{ issuer = \"sha256:ab\" }")
            .message
            .contains("64 hexadecimal digits")
    );
    let bare = include_error(&format!("{{ issuer = \"{}\" }}", "ab".repeat(32)));
    assert_eq!(
        bare.hint.as_deref(),
        Some("write `sha256:` before a fingerprint")
    );
    for text in [
        "include = [\"certificate\"]",
        "include = [{ certificate = true }]",
    ] {
        let error =
            toml::from_str::<File>(&application_text(&[("non_identity", text)])).unwrap_err();
        let error = ConfigError::from(error);
        assert!(
            error.span.is_some() && error.message.contains("expected"),
            "{error}"
        );
    }
}
