use std::time::Duration;

use super::*;
use crate::{
    HostName,
    testing::{File, application, application_text, errors, file, set},
};

/// The example of the design, with every part this crate knows.
const EXAMPLE: &str = r#"
[[application]]
name     = "telemetry"
hosts    = ["telemetry.example.com"]
paths    = ["/"]
upstream = "http://127.0.0.1:9000"

[[application.policy]]
name     = "factory-devices"
decision = "non_identity"
include  = [{ common_name_pattern = '^device-[a-z0-9-]+\.factory\.corp$' }]
exclude  = [{ common_name = "device-stolen.factory.corp" }]
edge     = "certificate+gateway"           # what Cloudflare is to enforce for a pattern; no default

[[application.policy]]
name     = "ci-deploy-prod"
decision = "service_auth"
include  = [{ service_token = "ci-deploy-prod" }]

[application.cloudflare]                   # belongs to the application above
app               = "telemetry.example.com"   # found by domain or id, never guessed
session_duration  = "24h"
skip_interstitial = true

[[token]]
name   = "ci-deploy-prod"                  # <team>-<purpose>-<env>
class  = "ci"                              # ci 90 d, service 180 d, high 30 d
owner  = "payments"
at     = "cloudflare"                      # minted by Access and good at both; or "gateway"

[cloudflare]
account_id = "…"                           # CLOUDFLARE_ACCOUNT_ID overrides; the API token never stands here
ca_name    = "Corporate Device CA"
hostnames  = "from applications"
"#;

fn messages(text: &str) -> Vec<String> {
    errors(text).iter().map(ToString::to_string).collect()
}

#[test]
fn the_example_of_the_design_loads() {
    let file = file(EXAMPLE);
    let set = applications(file.application, &file.group).unwrap();
    let application = set.iter().next().unwrap();
    assert_eq!(
        application.hosts(),
        [HostName::parse("telemetry.example.com").unwrap()]
    );
    assert_eq!(
        application.upstream().servers()[0].to_string(),
        "http://127.0.0.1:9000"
    );
    assert!(application.names_a_token() && !application.needs_certificate());
    let cloudflare = application.cloudflare().unwrap();
    assert_eq!(cloudflare.app.as_deref(), Some("telemetry.example.com"));
    assert_eq!(
        cloudflare.session_duration,
        Some(Duration::from_secs(86_400))
    );
    assert_eq!(cloudflare.skip_interstitial, Some(true));
    let [devices, ci] = application.policies() else {
        panic!("two policies")
    };
    assert_eq!(devices.edge(), Some(crate::Edge::CertificateAndGateway));
    assert_eq!(
        devices.exclude()[0].to_string(),
        "common_name = \"device-stolen.factory.corp\""
    );
    assert_eq!(
        ci.decision(),
        crate::Decision::NonIdentity,
        "`service_auth` is another word for it"
    );
    let tokens = tokens(file.token).unwrap();
    assert_eq!(
        (tokens[0].class, tokens[0].at),
        (TokenClass::Ci, TokenOrigin::Cloudflare)
    );
    assert_eq!(tokens[0].class.lifetime(), Duration::from_secs(90 * 86_400));
    let settings = super::cloudflare(&file.cloudflare.unwrap()).unwrap();
    assert_eq!(settings.hostnames, CloudflareHostnames::FromApplications);
    assert_eq!(settings.ca_name.as_deref(), Some("Corporate Device CA"));
}

#[test]
fn allow_does_not_load() {
    let text = application_text(&[("allow", "include = [{ certificate = {} }]")]);
    let error = &errors(&text)[0];
    assert_eq!(error.hint.as_deref(), Some("write `non_identity`"));
    assert!(
        error
            .message
            .contains("`allow` means a human login at Cloudflare"),
        "{error}"
    );
    assert_eq!(&text[error.span.clone().unwrap()], "\"allow\"");
}

#[test]
fn an_empty_list_never_means_everyone() {
    for rules in ["", "include = []", "require = [{ certificate = {} }]"] {
        let messages = messages(&application_text(&[("non_identity", rules)]));
        assert_eq!(messages.len(), 1);
        assert!(
            messages[0].contains("no `include`, and an empty list never means everyone"),
            "{messages:?}"
        );
    }
    assert!(messages(&application_text(&[]))[0].contains("no policy: nobody could ever get in"));
    let no_host = application_text(&[("non_identity", "include = [{ certificate = {} }]")])
        .replace("[\"a\"]", "[]");
    assert!(messages(&no_host)[0].contains("application `app`: it has no host"));
    let no_path = no_host.replace("hosts = []", "hosts = [\"a\"]\npaths = []");
    assert!(messages(&no_path)[0].contains("`paths` must not be empty"));
}

#[test]
fn two_policies_of_one_name_do_not_load() {
    let rules = "include = [{ certificate = {} }]";
    let text = application_text(&[("non_identity", rules), ("deny", rules)]).replace("p1", "p0");
    assert!(messages(&text)[0].contains("another policy of this application has the same name"));
}

#[test]
fn hosts_paths_and_upstreams_that_mean_something_else_are_refused() {
    let text = application_text(&[("non_identity", "include = [{ certificate = {} }]")]);
    for (line, message) in [
        (
            "hosts = [\"*.example.com\"]",
            "a host is one name without `*`",
        ),
        (
            "hosts = [\"a:8443\"]",
            "a host is written without a port: \"a\"",
        ),
        ("hosts = [\"u@a\"]", "user information"),
        (
            "hosts = [\"a\"]\npaths = [\"api\"]",
            "a path must begin with `/`",
        ),
        (
            "hosts = [\"a\"]\npaths = [\"/a/../b\"]",
            "a path must not hold `..`",
        ),
        (
            "hosts = [\"a\"]\npaths = [\"/%61\"]",
            "a path must not hold `%`",
        ),
    ] {
        let messages = messages(&text.replace("hosts = [\"a\"]", line));
        assert!(
            messages.len() == 1 && messages[0].contains(message),
            "{messages:?}"
        );
    }
    let other = messages(&text.replace("http://u", "ftp://u"));
    assert!(
        other[0].contains("`http://` or `https://`, not over `ftp://`"),
        "{other:?}"
    );
}

#[test]
fn all_errors_are_reported_each_with_its_place() {
    let text = application_text(&[
        (
            "allow",
            "include = [{ certificate = \"x\" }, { nonsense = {} }]",
        ),
        ("non_identity", "require = [{ ip = \"x\" }]"),
    ])
    .replace("http://u", "u")
    .replace("[\"a\"]", "[\"a b\"]");
    let errors = errors(&text);
    let lines: Vec<_> = errors
        .iter()
        .map(|error| error.line_and_column(&text).unwrap().0)
        .collect();
    assert_eq!(lines, [3, 4, 7, 8, 8, 10, 12], "{errors:#?}");
}

#[test]
fn unknown_keys_are_errors_with_their_place() {
    let text = application_text(&[(
        "non_identity",
        "include = [{ certificate = {} }]\nincldue = []",
    )]);
    let error = ConfigError::from(toml::from_str::<File>(&text).unwrap_err());
    assert!(error.message.contains("unknown field `incldue`"), "{error}");
    assert_eq!(error.line_and_column(&text), Some((9, 1)));
    for (section, key) in [
        ("[cloudflare]", "api_token"),
        ("[[token]]\nname = \"a\"", "secret"),
        ("[[application]]", "host"),
    ] {
        assert!(
            toml::from_str::<File>(&format!("{section}\n{key} = \"x\"")).is_err(),
            "{key}"
        );
    }
}

#[test]
fn an_audience_is_64_hex_digits_in_lower_case() {
    let text = |aud: &str| {
        let application = application_text(&[("non_identity", "include = [{ certificate = {} }]")]);
        format!("{application}\n[application.cloudflare]\naud = \"{aud}\"\n")
    };
    let tag = "0123456789abcdef".repeat(4);
    let file: File = toml::from_str(&text(&tag)).unwrap();
    let set = applications(file.application, &file.group).unwrap();
    let cloudflare = set.iter().next().unwrap().cloudflare().unwrap();
    assert_eq!(cloudflare.aud.as_ref(), Some(&tag));
    for wrong in [&tag[1..], &tag.to_uppercase(), "telemetry", ""] {
        let text = text(wrong);
        let errors = errors(&text);
        assert!(errors[0].message.contains("64 hex digits"), "{errors:?}");
        assert!(errors[0].line_and_column(&text).is_some());
    }
}

#[test]
fn decisions_and_strategies_are_words_of_a_list() {
    for (decision, rules) in [
        ("permit", "include = [{ certificate = {} }]"),
        ("Deny", "include = [{ certificate = {} }]"),
        (
            "non_identity",
            "include = [{ certificate = {} }]\nedge = \"any\"",
        ),
    ] {
        let text = application_text(&[(decision, rules)]);
        let error = ConfigError::from(toml::from_str::<File>(&text).unwrap_err());
        assert!(
            error.message.contains("unknown variant") && error.span.is_some(),
            "{error}"
        );
    }
    for edge in ["expand", "certificate+gateway", "dedicated-ca", "waf"] {
        let rules = format!("include = [{{ common_name_pattern = 'a+' }}]\nedge = \"{edge}\"");
        let application = application(&[("non_identity", &rules)]);
        assert_eq!(application.policies()[0].edge().unwrap().as_str(), edge);
    }
}

#[test]
fn a_policy_may_name_a_token_that_is_not_declared() {
    let set = set(&application_text(&[(
        "non_identity",
        "include = [{ service_token = \"elsewhere\" }]",
    )]));
    assert_eq!(set.iter().count(), 1);
}

#[test]
fn tokens_have_unique_names_and_an_owner() {
    let token = |name: &str, owner: &str| {
        format!(
            "[[token]]\nname = \"{name}\"\nclass = \"high\"\nowner = \"{owner}\"\nat = \"gateway\"\n"
        )
    };
    let twice = tokens(file(&(token("a", "x") + &token("a", "y"))).token).unwrap_err();
    assert_eq!(
        twice[0].message,
        "token `a`: another token has the same name"
    );
    let bad = tokens(file(&(token(" a", "x") + &token("b", ""))).token).unwrap_err();
    assert_eq!(bad.len(), 2);
    assert!(toml::from_str::<File>(&token("a", "x").replace("high", "forever")).is_err());
    assert!(toml::from_str::<File>(&token("a", "x").replace("owner", "#")).is_err());
}

#[test]
fn cloudflare_hostnames_are_a_word_or_a_list() {
    let settings = |hostnames: &str| {
        let file = file(&format!("[cloudflare]\nhostnames = {hostnames}"));
        cloudflare(&file.cloudflare.unwrap())
    };
    let listed = CloudflareHostnames::Listed(vec![HostName::parse("a.example").unwrap()]);
    assert_eq!(settings("[\"A.example\"]").unwrap().hostnames, listed);
    for bad in ["[]", "\"from application\"", "[\"*.example\"]"] {
        assert_eq!(settings(bad).unwrap_err().len(), 1, "{bad}");
    }
    let empty = cloudflare(&file("[cloudflare]").cloudflare.unwrap()).unwrap();
    assert_eq!(empty.hostnames, CloudflareHostnames::FromApplications);
}

#[test]
fn the_cloudflare_part_of_an_application_is_checked() {
    let text = application_text(&[("non_identity", "include = [{ certificate = {} }]")]);
    let with = |line: &str| messages(&format!("{text}[application.cloudflare]\n{line}\n"));
    assert!(with("session_duration = \"one day\"")[0].contains("is not a duration"));
    assert!(with("app = \"\"")[0].contains("the app name must not be empty"));
    assert_eq!(with("managed_by = \" terraform\"").len(), 1);
}

/// An application with these lines, and its tag at Cloudflare where there is one.
fn with_identity(lines: &str, tag: &str) -> String {
    let text = application_text(&[("non_identity", "include = [{ certificate = {} }]")]);
    let text = text.replace("upstream", &format!("{lines}\nupstream"));
    match tag {
        "" => text,
        tag => format!("{text}[application.cloudflare]\naud = \"{tag}\"\n"),
    }
}

#[test]
fn an_upstream_is_told_what_its_application_lists() {
    let tag = "ab".repeat(32);
    let told = |lines: &str, tag: &str| {
        let set = set(&with_identity(lines, tag));
        let identity = set.iter().next().unwrap().identity().clone();
        let audience = identity
            .audience()
            .map(|audience| audience.values().to_vec());
        let forms: Vec<_> = identity.forms().iter().map(|form| form.as_str()).collect();
        (forms, audience.unwrap_or_default())
    };
    assert_eq!(told("", &tag), (vec!["client-cert"], vec![]));
    assert_eq!(told("identity = []", ""), (vec![], vec![]));
    let jwt = "identity = [\"xfcc\", \"x-ssl-client\", \"jwt\"]";
    let forms = vec!["xfcc", "x-ssl-client", "jwt"];
    assert_eq!(told(jwt, &tag), (forms.clone(), vec![tag.clone()]));
    let written = format!("{jwt}\naudience = [\"a\", \"b\"]");
    let audience = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(told(&written, &tag), (forms, audience));
}

#[test]
fn an_identity_that_means_nothing_is_refused() {
    for (lines, problem) in [
        ("identity = [\"jwt\"]", "whom the assertion is for"),
        ("identity = [\"jwt\"]\naudience = []", "`audience` is empty"),
        ("audience = [\"a\"]", "lists neither"),
        ("identity = [\"xfcc\", \"xfcc\"]", "twice"),
        ("identity = [\"client-cert-chain\"]", "RFC 9440"),
    ] {
        let found = messages(&with_identity(lines, ""));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(problem), "{found:?}");
    }
    let typo = with_identity("identity = [\"jtw\"]", "");
    assert!(toml::from_str::<File>(&typo).is_err());
}

#[test]
fn keys_about_tls_need_an_upstream_that_speaks_it() {
    let text = application_text(&[("non_identity", "include = [{ certificate = {} }]")]);
    let with = |upstream: &str, keys: &str| {
        let text = text.replace(
            "upstream = \"http://u\"",
            &format!("upstream = \"{upstream}\"\n{keys}"),
        );
        let file = file(&text);
        let errors = applications(file.application, &file.group).err();
        errors.map(|errors| {
            let [error] = &errors[..] else {
                panic!("{errors:?}")
            };
            (error.line_and_column(&text).unwrap(), error.message.clone())
        })
    };
    let pair = "upstream_certificate = \"c\"\nupstream_key = \"k\"";
    for keys in ["upstream_trust = \"ca\"", "upstream_name = \"b\"", pair] {
        assert_eq!(with("https://u", keys), None, "{keys}");
        let ((line, _), message) = with("http://u", keys).unwrap();
        assert_eq!(line, 5);
        assert!(
            message.contains("is about TLS, and http://u:80 does not speak it"),
            "{message}"
        );
    }
    for alone in ["upstream_certificate = \"c\"", "upstream_key = \"k\""] {
        let ((line, _), message) = with("https://u", alone).unwrap();
        assert_eq!(line, 5);
        assert!(message.contains("has no `upstream_"), "{message}");
    }
    let ((line, column), message) = with("https://u", "upstream_name = \"b:1\"").unwrap();
    assert_eq!((line, column), (5, 17), "{message}");
}

#[test]
fn the_protocol_of_an_upstream_is_a_word_of_a_list() {
    use crate::UpstreamProtocol::{Auto, H2, Http1};
    let text = application_text(&[("non_identity", "include = [{ certificate = {} }]")]);
    let with = |line: &str| text.replace("hosts =", &format!("{line}\nhosts ="));
    for (line, protocol) in [
        ("", Auto),
        ("upstream_protocol = \"auto\"", Auto),
        ("upstream_protocol = \"http1\"", Http1),
        ("upstream_protocol = \"h2\"", H2),
    ] {
        let set = set(&with(line));
        let application = set.iter().next().unwrap();
        assert_eq!(application.upstream().protocol(), protocol);
    }
    let wrong = with("upstream_protocol = \"h3\"");
    let error = ConfigError::from(toml::from_str::<File>(&wrong).unwrap_err());
    assert!(error.message.contains("unknown variant `h3`"), "{error}");
    assert_eq!(error.line_and_column(&wrong), Some((3, 21)));
}

#[test]
fn several_upstreams_are_a_list_of_one_kind() {
    let text = application_text(&[("non_identity", "include = [{ certificate = {} }]")]);
    let with = |list: &str| text.replace("\"http://u\"", list);
    let set = set(&with("[\"http://u\", \"http://v:81\"]"));
    let application = set.iter().next().unwrap();
    let servers = application.upstream().servers().iter();
    let servers: Vec<_> = servers.map(ToString::to_string).collect();
    assert_eq!(servers, ["http://u:80", "http://v:81"]);
    for (list, column, message) in [
        ("[]", 12, "must not be an empty list"),
        ("[\"http://u\", \"https://v\"]", 12, "all speak TLS or none"),
        ("[\"http://u\", \"http://u:80\"]", 12, "is named twice"),
        ("[\"http://u\", \"v\"]", 25, "`v` is not a URL"),
    ] {
        let text = with(list);
        let errors = errors(&text);
        assert!(errors[0].message.contains(message), "{errors:?}");
        assert_eq!(
            errors[0].line_and_column(&text),
            Some((4, column)),
            "{list}"
        );
    }
}
