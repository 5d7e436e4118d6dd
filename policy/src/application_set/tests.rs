use super::*;
use crate::testing::{errors, set};

const CERTIFICATE: &str = "include = [{ certificate = {} }]";
const TOKEN: &str = "include = [{ service_token = \"ci\" }]";

fn application(name: &str, hosts: &str, paths: &str, rules: &str) -> String {
    format!(
        "[[application]]\nname = \"{name}\"\nhosts = {hosts}\npaths = {paths}\nupstream = \"http://u\"\n\
         [[application.policy]]\nname = \"p\"\ndecision = \"non_identity\"\n{rules}\n"
    )
}

/// `/` for everybody with a certificate, `/api` and `/api/admin` for others, all on host `a`.
fn by_path() -> ApplicationSet {
    set(&[
        application("root", "[\"a\"]", "[\"/\"]", CERTIFICATE),
        application("api", "[\"a\"]", "[\"/api\"]", CERTIFICATE),
        application("admin", "[\"a\"]", "[\"/api/admin/\"]", CERTIFICATE),
    ]
    .concat())
}

fn routed<'a>(set: &'a ApplicationSet, host: &str, path: &str) -> Result<&'a str, RouteError> {
    let host = HostName::parse(host).unwrap();
    set.route(&host, path)
        .map(|application| application.name().as_str())
}

#[test]
fn the_longest_prefix_wins_at_segment_boundaries() {
    let set = by_path();
    for (path, application) in [
        ("/", "root"),
        ("/apix", "root"),
        ("/ap", "root"),
        ("/x/api", "root"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api?x=/admin", "api"),
        ("/api/administrator", "api"),
        ("/api/admin", "admin"),
        ("/api/admin/x", "admin"),
        ("/api/admin?x=//../", "admin"),
    ] {
        assert_eq!(routed(&set, "a", path), Ok(application), "{path}");
    }
}

#[test]
fn file_order_does_not_matter_for_routes() {
    let set = set(&[
        application("admin", "[\"a\"]", "[\"/api/admin\", \"/x\"]", CERTIFICATE),
        application("root", "[\"a\"]", "[\"/\"]", CERTIFICATE),
    ]
    .concat());
    assert_eq!(routed(&set, "a", "/api/admin"), Ok("admin"));
    assert_eq!(routed(&set, "a", "/x/y"), Ok("admin"));
    assert_eq!(routed(&set, "a", "/api"), Ok("root"));
    let names: Vec<_> = set
        .iter()
        .map(|application| application.name().as_str())
        .collect();
    assert_eq!(names, ["admin", "root"]);
}

#[test]
fn paths_read_in_more_than_one_way_are_refused_where_paths_decide() {
    let set = by_path();
    for path in [
        "//api/admin",
        "/api//admin",
        "/./api",
        "/x/../api",
        "/x/..",
        "/%2e%2e/api",
        "/api%2fadmin",
        "/api%5Cadmin",
        "/api%00",
        "/api;x/admin",
        "/api\\admin",
        "/api\u{1}",
        "/%61pi",
        "/api/%61dmin",
        "*",
        "",
        "api",
    ] {
        assert_eq!(
            routed(&set, "a", path),
            Err(RouteError::AmbiguousPath),
            "{path}"
        );
    }
}

#[test]
fn another_case_of_a_prefix_is_refused_rather_than_given_to_a_shorter_one() {
    let set = by_path();
    for path in ["/API", "/Api/x", "/api/ADMIN", "/API/admin", "/api/Admin/x"] {
        assert_eq!(
            routed(&set, "a", path),
            Err(RouteError::AmbiguousPath),
            "{path}"
        );
    }
    assert_eq!(routed(&set, "a", "/APIX"), Ok("root"));
    assert_eq!(routed(&set, "a", "/api/X"), Ok("api"));
}

#[test]
fn a_host_with_one_application_takes_every_path() {
    let set = set(&application("root", "[\"a\"]", "[\"/\"]", CERTIFICATE));
    for path in ["/", "//x", "/../x", "/%2e%2e", "/a;b", "*", "/%zz"] {
        assert_eq!(routed(&set, "a", path), Ok("root"), "{path}");
    }
}

#[test]
fn a_path_nobody_answers_for_is_not_given_to_anyone() {
    let set = set(&application("api", "[\"a\"]", "[\"/api\"]", CERTIFICATE));
    assert_eq!(routed(&set, "a", "/"), Err(RouteError::NoApplication));
    assert_eq!(routed(&set, "a", "/apix"), Err(RouteError::NoApplication));
    assert_eq!(routed(&set, "a", "/../api"), Err(RouteError::AmbiguousPath));
}

#[test]
fn an_unknown_host_is_never_given_a_default() {
    let set = by_path();
    for host in ["b", "a.a", "xa", "127.0.0.1"] {
        assert_eq!(routed(&set, host, "/"), Err(RouteError::UnknownHost));
        assert_eq!(set.client_auth(&HostName::parse(host).unwrap()), None);
    }
    assert_eq!(routed(&set, "A.:8443", "/"), Ok("root"));
    assert!(set.serves(&HostName::parse("a").unwrap()));
}

#[test]
fn a_certificate_is_required_only_where_nobody_gets_in_without_one() {
    let (host_a, host_b) = (HostName::parse("a").unwrap(), HostName::parse("b").unwrap());
    let mixed = set(&[
        application("one", "[\"a\", \"b\"]", "[\"/\"]", CERTIFICATE),
        application("two", "[\"b\"]", "[\"/t\"]", TOKEN),
    ]
    .concat());
    assert_eq!(mixed.client_auth(&host_a), Some(ClientAuth::Required));
    assert_eq!(
        mixed.client_auth(&host_b),
        Some(ClientAuth::Requested),
        "the other application takes tokens"
    );
    for (rules, expected) in [
        (
            "include = [{ certificate = {} }, { service_token = \"ci\" }]",
            ClientAuth::Requested,
        ),
        (
            "include = [{ service_token = \"ci\" }]\nrequire = [{ common_name = \"x\" }]",
            ClientAuth::Required,
        ),
        ("include = [{ everyone = {} }]", ClientAuth::Requested),
        (
            "include = [{ issuer = \"x\" }, { san_uri = \"x\" }]",
            ClientAuth::Required,
        ),
    ] {
        let set = set(&application("one", "[\"a\"]", "[\"/\"]", rules));
        assert_eq!(set.client_auth(&host_a), Some(expected), "{rules}");
    }
}

#[test]
fn deny_policies_do_not_ask_for_certificates() {
    let policy = |decision: &str, rules: &str| {
        format!(
            "[[application.policy]]\nname = \"{decision}\"\ndecision = \"{decision}\"\n{rules}\n"
        )
    };
    let start = "[[application]]\nname = \"x\"\nhosts = [\"a\"]\nupstream = \"http://u\"\n";
    let host = HostName::parse("a").unwrap();
    let set_of = |policies: String| set(&format!("{start}{policies}"));
    let deny_by_address = policy("deny", "include = [{ ip = \"10.0.0.0/8\" }]");
    let set = set_of(policy("non_identity", CERTIFICATE) + &deny_by_address);
    assert_eq!(set.client_auth(&host), Some(ClientAuth::Required));
    assert_eq!(
        set_of(deny_by_address).client_auth(&host),
        Some(ClientAuth::Requested)
    );
}

#[test]
fn two_applications_with_one_host_and_path_do_not_load() {
    let text = [
        application("one", "[\"a\", \"b\"]", "[\"/api\"]", CERTIFICATE),
        application("two", "[\"B.\"]", "[\"/api/\"]", CERTIFICATE),
    ]
    .concat();
    let errors = errors(&text);
    assert_eq!(errors.len(), 1);
    assert_eq!(
        errors[0].message,
        "applications `one` and `two` both answer for `b/api`"
    );
    assert_eq!(&text[errors[0].span.clone().unwrap()], "\"two\"");
}

#[test]
fn two_applications_with_one_name_do_not_load() {
    let text = [
        application("one", "[\"a\"]", "[\"/\"]", CERTIFICATE),
        application("one", "[\"b\"]", "[\"/\"]", CERTIFICATE),
    ]
    .concat();
    assert_eq!(errors(&text)[0].message, "two applications are named `one`");
}

#[test]
fn one_host_in_two_spellings_is_no_conflict() {
    let set = set(&application(
        "one",
        "[\"a\", \"A.\"]",
        "[\"/x\", \"/x/\"]",
        CERTIFICATE,
    ));
    assert_eq!(routed(&set, "a", "/x"), Ok("one"));
}

/// An application that says how its handshake is.
fn saying(client_auth: &str, application: String) -> String {
    let line = format!("hosts = [\"a\"]\nclient_auth = \"{client_auth}\"");
    application.replace("hosts = [\"a\"]", &line)
}

#[test]
fn what_an_application_says_of_its_handshake_counts_more_than_its_policies() {
    let host = HostName::parse("a").unwrap();
    for (said, rules, expected) in [
        ("required", TOKEN, ClientAuth::Required),
        ("requested", CERTIFICATE, ClientAuth::Requested),
        ("none", TOKEN, ClientAuth::NotAsked),
    ] {
        let text = saying(said, application("one", "[\"a\"]", "[\"/\"]", rules));
        assert_eq!(set(&text).client_auth(&host), Some(expected), "{said}");
    }
}

#[test]
fn applications_of_one_host_agree_about_its_handshake() {
    let one = || application("one", "[\"a\"]", "[\"/\"]", TOKEN);
    let two = || application("two", "[\"a\"]", "[\"/two\"]", TOKEN);
    let both = [saying("none", one()), saying("none", two())].concat();
    let host = HostName::parse("a").unwrap();
    assert_eq!(set(&both).client_auth(&host), Some(ClientAuth::NotAsked));
    for second in [two(), saying("requested", two())] {
        let text = [saying("none", one()), second].concat();
        let [error] = &errors(&text)[..] else {
            panic!("{:?}", errors(&text))
        };
        let message = "applications `one` and `two` share the host `a` and its handshake: write the same `client_auth` in both";
        assert_eq!(error.message, message);
        assert_eq!(error.line_and_column(&text), Some((12, 8)));
    }
}

#[test]
fn nobody_is_asked_for_a_certificate_only_where_no_policy_needs_one() {
    let start = saying("none", application("one", "[\"a\"]", "[\"/\"]", TOKEN));
    let second = |rules: &str| {
        format!(
            "{start}[[application.policy]]\nname = \"devices\"\ndecision = \"non_identity\"\n{rules}\n"
        )
    };
    let text = second(CERTIFICATE);
    let [error] = &errors(&text)[..] else {
        panic!("{:?}", errors(&text))
    };
    let message = "policy `devices` of `one` admits only with a certificate, and `client_auth` is \"none\": nobody is asked for one";
    assert!(error.message.ends_with(message), "{error}");
    assert_eq!(error.line_and_column(&text), Some((4, 15)));
    set(&second(
        "include = [{ certificate = {} }, { ip = \"10.0.0.0/8\" }]",
    ));
}
