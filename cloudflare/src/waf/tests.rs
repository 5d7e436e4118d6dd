use postern_policy::config::ApplicationConfig;
use postern_policy::{Application, ApplicationSet};
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct File {
    application: Vec<ApplicationConfig>,
}

fn application(policies: &str) -> Application {
    let text = format!(
        "[[application]]\nname = \"a\"\nhosts = [\"a.example.com\", \"b.example.com\"]\n\
         upstream = \"http://127.0.0.1:1\"\n{policies}"
    );
    let file: File = toml::from_str(&text).unwrap();
    let set: ApplicationSet = postern_policy::config::applications(file.application, &[]).unwrap();
    let only = set.iter().next().unwrap();
    Application::clone(only)
}

fn policy(include: &str) -> String {
    format!(
        "[[application.policy]]\nname = \"p\"\ndecision = \"non_identity\"\ninclude = [{include}]\n"
    )
}

fn of(include: &str) -> Result<String, WafError> {
    expression(&application(&policy(include)))
}

#[test]
fn a_pattern_is_anchored_to_one_attribute_of_the_subject() {
    assert_eq!(
        of("{ common_name_pattern = '^device-[0-9]+$' }").unwrap(),
        concat!(
            r#"http.host in {"a.example.com" "b.example.com"} and not (cf.tls_client_auth.cert_verified and "#,
            r#"(((cf.tls_client_auth.cert_subject_dn_rfc2253 matches "(^|[^\\\\],)CN=(?:device-[0-9]+)(,|$)"))))"#
        )
    );
}

/// What the expression's regular expression says of subjects in RFC 2253's form.
#[test]
fn a_common_name_inside_another_attribute_does_not_match() {
    let body = body(&CommonNamePattern::parse("device-[0-9]+").unwrap()).unwrap();
    let regex = regex::Regex::new(&format!(r"(^|[^\\],)CN=(?:{body})(,|$)")).unwrap();
    for (subject, matches) in [
        ("CN=device-1", true),
        ("CN=device-1,O=Example", true),
        ("O=Example,CN=device-1", true),
        (r"O=Evil\,CN=device-1", false),
        (r"O=Evil\,CN=device-1,CN=other", false),
        ("CN=device-1.evil", false),
        ("CN=evil-device-1", false),
        ("OU=CN=device-1", false),
        ("CN=device-1+O=x", false),
    ] {
        assert_eq!(regex.is_match(subject), matches, "{subject}");
    }
}

#[test]
fn a_literal_is_escaped_for_the_pattern_and_for_the_form_of_the_subject() {
    let expression = of("{ organization = 'Example (Pty) Ltd.' }").unwrap();
    assert!(
        expression.contains(r"O=(?:Example \\(Pty\\) Ltd\\.)"),
        "{expression}"
    );
    let expression = of("{ issuer = \"Corp, Inc\" }").unwrap();
    assert!(
        expression.contains(r"CN=(?:Corp\\\\\\, Inc)"),
        "{expression}"
    );
}

#[test]
fn an_anchor_inside_a_pattern_is_refused() {
    for pattern in ["^a|^b$", r"a\b", "(^a)", r"a\z"] {
        let error = of(&format!("{{ common_name_pattern = '{pattern}' }}")).unwrap_err();
        assert!(
            matches!(error, WafError::InnerAnchor { .. }),
            "{pattern}: {error}"
        );
    }
    assert!(of("{ common_name_pattern = 'device-[x$]+' }").is_ok());
    assert!(of(r"{ common_name_pattern = 'costs-5\$' }").is_ok());
}

#[test]
fn what_a_waf_rule_cannot_see_is_named() {
    let error = of("{ common_name = \"x\" }, { san_dns = \"x.example.com\" }").unwrap_err();
    assert!(error.to_string().contains("san_dns"), "{error}");
    let token = policy("{ certificate = {} }")
        + &policy("{ service_token = \"a-b-c\" }").replace("\"p\"", "\"q\"");
    let error = expression(&application(&token)).unwrap_err();
    assert_eq!(
        error,
        WafError::BlocksOthers {
            policy: String::from("q")
        }
    );
}

#[test]
fn every_admitting_policy_of_the_application_is_let_through() {
    let two = policy("{ common_name = \"x\" }")
        + &policy("{ common_name_pattern = 'y-[0-9]+' }").replace("\"p\"", "\"q\"")
        + "exclude = [{ common_name = \"y-1\" }]\n";
    let expression = expression(&application(&two)).unwrap();
    assert!(expression.contains(") or ("), "{expression}");
    assert!(
        expression.contains("and not cf.tls_client_auth.cert_subject_dn_rfc2253 matches"),
        "{expression}"
    );
}

#[test]
fn a_pattern_that_can_run_into_the_next_attribute_is_refused() {
    for pattern in ["dev-.*-prod", "a[^b]", r"a\D", r"a\W", "a[,b]"] {
        let error = of(&format!("{{ common_name_pattern = '{pattern}' }}")).unwrap_err();
        assert!(
            matches!(error, WafError::CrossesAttributes { .. }),
            "{pattern}: {error}"
        );
    }
    assert!(of(r"{ common_name_pattern = 'a\.b\d[.x]' }").is_ok());
}

#[test]
fn an_application_of_some_paths_is_refused_as_the_rule_is_the_whole_hosts() {
    let file = policy("{ common_name = \"x\" }");
    let text = format!("paths = [\"/api\"]\n{file}");
    assert_eq!(expression(&application(&text)), Err(WafError::Paths));
}
