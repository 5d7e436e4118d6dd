use super::*;
use crate::testing::{
    from_address, identity, nothing, token, with_both, with_certificate, with_token,
};

fn common_name(name: &str) -> Rule {
    Rule::CommonName(CommonName::parse(name).unwrap())
}

fn pattern(text: &str) -> Rule {
    Rule::CommonNamePattern(CommonNamePattern::parse(text).unwrap())
}

/// One rule of each kind that looks at the certificate, all of which match `identity("device-1")`.
fn certificate_rules() -> Vec<Rule> {
    vec![
        Rule::Certificate,
        common_name("device-1"),
        pattern("device-[0-9]"),
        Rule::Issuer(IssuerMatch::CommonName("Device CA".into())),
        Rule::Issuer(IssuerMatch::Fingerprint(Fingerprint::from([2; 32]))),
        Rule::Organization("Factory Corp".into()),
        Rule::SubjectCountry("DE".into()),
        Rule::SanDns("Device-1.FACTORY.corp".into()),
        Rule::SanUri("spiffe://factory.corp/device-1".into()),
    ]
}

#[test]
fn of_a_certificate_whose_name_alone_is_known_only_the_name_matches() {
    let name = CommonName::parse("device-1").unwrap();
    let known = Credentials {
        certificate: Some(CertificateFacts::NameOnly(&name)),
        ..nothing()
    };
    for rule in certificate_rules() {
        let is_about_the_name = matches!(
            rule,
            Rule::Certificate | Rule::CommonName(_) | Rule::CommonNamePattern(_)
        );
        assert_eq!(rule.matches(&known), is_about_the_name, "{rule}");
        // What is not known never admits.
        assert!(rule.excludes(&known), "{rule}");
    }
    assert!(!common_name("device-2").excludes(&known));
}

#[test]
fn a_certificate_rule_matches_its_certificate_and_never_a_client_without_one() {
    let device = identity("device-1");
    let token = token("t");
    for rule in certificate_rules() {
        assert!(rule.matches(&with_certificate(&device)), "{rule}");
        assert!(!rule.matches(&nothing()), "{rule}");
        assert!(!rule.matches(&with_token(&token)), "{rule}");
        assert!(rule.needs_certificate() && rule.method() == Method::Mtls);
    }
}

#[test]
fn a_certificate_rule_refuses_another_certificate() {
    let mut other = identity("device-x");
    other.issuer_common_name = Some("Device CA 2".into());
    other.issuer_fingerprint = Some(Fingerprint::from([1; 32]));
    other.organizations = vec!["factory corp".into(), "Factory Corp ".into()];
    other.countries = vec!["DEU".into()];
    other.san_dns = vec![
        "xdevice-1.factory.corp".into(),
        "device-1.factory.corp.attacker".into(),
    ];
    other.san_uri = vec!["spiffe://factory.corp/Device-1".into()];
    for rule in certificate_rules()
        .into_iter()
        .filter(|rule| *rule != Rule::Certificate)
    {
        assert!(!rule.matches(&with_certificate(&other)), "{rule}");
    }
}

#[test]
fn common_names_are_compared_octet_by_octet() {
    let rule = common_name("device-1");
    for name in [
        "Device-1",
        "DEVICE-1",
        "device-1 ",
        " device-1",
        "device-12",
        "device-",
        "dеvice-1",
    ] {
        assert!(!rule.matches(&with_certificate(&identity(name))), "{name}");
    }
    assert!(rule.matches(&with_certificate(&identity("device-1"))));
}

#[test]
fn a_certificate_without_a_usable_name_matches_no_name_rule() {
    for unusable in ["", "device-1\0", "device-1\n", "device\u{200b}-1"] {
        let nameless = identity(unusable);
        assert_eq!(nameless.common_name, None);
        for rule in [
            common_name("device-1"),
            pattern("(?:device-1)?"),
            pattern("[^x]*|x*"),
        ] {
            assert!(
                !rule.matches(&with_certificate(&nameless)),
                "{rule} {unusable:?}"
            );
        }
        assert!(Rule::Certificate.matches(&with_certificate(&nameless)));
    }
}

#[test]
fn a_name_among_the_alternative_names_is_not_the_common_name() {
    let mut elsewhere = identity("");
    elsewhere.san_dns = vec!["device-1".into()];
    assert!(!common_name("device-1").matches(&with_certificate(&elsewhere)));
    let mut only_common_name = identity("device-1");
    only_common_name.san_dns.clear();
    assert!(!Rule::SanDns("device-1".into()).matches(&with_certificate(&only_common_name)));
}

#[test]
fn a_token_rule_matches_its_token_only() {
    let (ci, other) = (token("ci"), token("CI"));
    let rule = Rule::ServiceToken(ci.clone());
    assert!(rule.matches(&with_token(&ci)));
    assert!(!rule.matches(&with_token(&other)));
    assert!(!rule.matches(&nothing()));
    assert!(
        !rule.matches(&with_certificate(&identity("ci"))),
        "a certificate with the token's name is no token"
    );
    assert!(rule.matches(&with_both(&identity("x"), &ci)));
    assert!(Rule::AnyValidServiceToken.matches(&with_token(&other)));
    assert!(!Rule::AnyValidServiceToken.matches(&with_certificate(&identity("x"))));
    assert_eq!(rule.method(), Method::ServiceToken);
}

#[test]
fn a_network_matches_its_addresses_also_in_ipv6_dress() {
    let rule = Rule::Ip("10.0.0.0/8".parse().unwrap());
    for address in ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"] {
        assert!(rule.matches(&from_address(address)), "{address}");
    }
    for address in [
        "11.0.0.0",
        "9.255.255.255",
        "::ffff:11.1.2.3",
        "::10.1.2.3",
        "2001:db8::1",
    ] {
        assert!(!rule.matches(&from_address(address)), "{address}");
    }
    assert!(Rule::Ip("2001:db8::/32".parse().unwrap()).matches(&from_address("2001:db8::1")));
    assert_eq!(rule.method(), Method::None);
}

#[test]
fn a_country_of_the_address_is_not_known_and_so_never_admits() {
    let rule = Rule::Geo("DE".into());
    assert!(!rule.matches(&with_certificate(&identity("x"))));
    assert!(
        rule.excludes(&nothing()),
        "what cannot be answered excludes"
    );
    assert!(!Rule::Certificate.excludes(&nothing()));
}

#[test]
fn everyone_matches_everyone() {
    assert!(Rule::Everyone.matches(&nothing()));
    assert_eq!(Rule::Everyone.method(), Method::None);
}

#[test]
fn a_rule_prints_as_it_stands_in_the_file() {
    for (rule, text) in [
        (Rule::Certificate, "certificate = {}"),
        (Rule::Everyone, "everyone = {}"),
        (Rule::AnyValidServiceToken, "any_valid_service_token = {}"),
        (common_name("device-1"), r#"common_name = "device-1""#),
        (common_name("a\"b"), r#"common_name = "a\"b""#),
        (
            pattern(r"^device-[a-z]+\.corp$"),
            r"common_name_pattern = '^device-[a-z]+\.corp$'",
        ),
        (pattern("it's"), r#"common_name_pattern = "it's""#),
        (Rule::ServiceToken(token("ci")), r#"service_token = "ci""#),
        (
            Rule::Ip("10.0.0.0/8".parse().unwrap()),
            r#"ip = "10.0.0.0/8""#,
        ),
        (Rule::Geo("DE".into()), r#"geo = "DE""#),
        (
            Rule::Issuer(IssuerMatch::CommonName("CA".into())),
            r#"issuer = "CA""#,
        ),
        (Rule::Organization("O".into()), r#"organization = "O""#),
        (
            Rule::SubjectCountry("DE".into()),
            r#"subject_country = "DE""#,
        ),
        (Rule::SanDns("a.b".into()), r#"san_dns = "a.b""#),
        (Rule::SanUri("urn:x".into()), r#"san_uri = "urn:x""#),
    ] {
        assert_eq!(rule.to_string(), text);
    }
    let fingerprint = IssuerMatch::Fingerprint(Fingerprint::from([0xab; 32]));
    assert_eq!(
        Rule::Issuer(fingerprint).to_string(),
        format!("issuer = \"sha256:{}\"", "ab".repeat(32))
    );
}
