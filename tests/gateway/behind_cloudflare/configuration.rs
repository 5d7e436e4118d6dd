//! Whatever would believe too much does not load, and says where and why.

use postern_tests::{DEVICES, Site};

use super::{Behind, LOOPBACK, TUNNEL, audience};

/// What `gateway check` says of a configuration that is refused.
fn refused(site: &Site) -> String {
    let output = site.postern.run(&["gateway", "check"]);
    assert_ne!(output.code, Some(0), "{}", output.stdout);
    output.stderr
}

#[test]
fn check_tells_what_is_in_front() {
    let behind = Behind::new(LOOPBACK, "client_certificate = \"client-cert\"");
    let output = behind.site.postern.run(&["gateway", "check", "-o", "json"]);
    let report = output.expect_code(0).json();
    let front = &report["behind_cloudflare"];
    assert_eq!(front["issuer"], "https://example.cloudflareaccess.com");
    assert_eq!(front["identity"], "refuse");
    assert_eq!(front["client_certificate"], "client-cert");
}

#[test]
fn what_is_not_said_is_not_guessed() {
    for (from, to, expected) in [
        (
            "identity = \"refuse\"",
            "",
            "does not say what a person's login means",
        ),
        (LOOPBACK, "[]", "nobody could connect"),
        (LOOPBACK, r#"["0.0.0.0/0"]"#, "is everybody"),
        (LOOPBACK, r#"["cloudflare"]"#, "not an address or network"),
        (LOOPBACK, r#""tunel""#, "tunel"),
        (LOOPBACK, TUNNEL, "without TLS"),
        (LOOPBACK, r#"{ origin_pull_ca = "gone.crt" }"#, "gone.crt"),
        (LOOPBACK, r#"{ origin_pull = "x" }"#, "origin_pull"),
        ("\"jwks.json\"", "\"gone.json\"", "gone.json"),
        (
            "\"jwks.json\"",
            "\"http://192.0.2.1/\"",
            "neither https nor on loopback",
        ),
        (
            "\"example.cloudflareaccess.com\"",
            "\"https://x\"",
            "`team_domain` is no host name",
        ),
        (
            "\"127.0.0.1:0\"",
            "\"unix:gateway.sock\"",
            "only a tunnel connects to a Unix socket",
        ),
    ] {
        let behind = Behind::new(LOOPBACK, "");
        behind.site.edit_config(from, to);
        let message = refused(&behind.site);
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(message.contains("postern.toml:"), "{message}");
    }
}

#[test]
fn a_tunnel_ends_on_this_machine() {
    let behind = Behind::new(TUNNEL, "");
    behind.site.edit_config("\"127.0.0.1:0\"", "\"0.0.0.0:0\"");
    assert!(refused(&behind.site).contains("not an address of loopback"));
}

#[test]
fn an_application_without_its_own_audience_does_not_load() {
    let behind = Behind::new(LOOPBACK, "");
    let tag = format!("aud = \"{}\"", audience(DEVICES));
    behind.site.edit_config(&tag, "");
    let message = refused(&behind.site);
    assert!(message.contains("application `devices`"), "{message}");
    assert!(message.contains("audience tag"), "{message}");
}
