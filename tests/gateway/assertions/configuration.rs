//! `[gateway.assertions]` as an operator may get it wrong.

use postern_tests::{Site, skip_without};
use serde_json::json;

use super::{Asserting, text};

/// The configuration with this instead of that is refused for this reason.
fn assert_refused(site: &Site, changes: &[(&str, &str)], problem: &str) {
    let before = text(site, "postern.toml");
    for (from, to) in changes {
        site.edit_config(from, to);
    }
    let refused = site.postern.run(&["gateway", "check"]).expect_code(6);
    let complaint = refused.stderr;
    assert!(complaint.contains(problem), "{changes:?}: {complaint}");
    site.write_config(&before);
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[test]
fn an_issuer_or_a_place_that_could_not_be_meant_is_refused() {
    if skip_without("openssl") {
        return;
    }
    let asserting = Asserting::with_key(None);
    let site = &asserting.site;
    let listen = quoted(&format!("127.0.0.1:{}", asserting.jwks_port));
    let issuer = quoted(&asserting.issuer);
    for (from, to, problem) in [
        (
            &issuer,
            "https://a.example.com/",
            "more or less than scheme and host",
        ),
        (
            &issuer,
            "https://a.example.com/x",
            "more or less than scheme and host",
        ),
        (
            &issuer,
            "https://A.example.com:443",
            "more or less than scheme and host",
        ),
        (&issuer, "http://a.example.com", "without TLS"),
        (&issuer, "a.example.com", "no URL"),
        (&listen, "0.0.0.0:9443", "not a loopback address"),
        (&listen, "localhost", "not a loopback address with a port"),
    ] {
        assert_refused(site, &[(from, &quoted(to))], problem);
    }
    let table = [
        ("[gateway.assertions]", "[gateway.limits]"),
        (&*format!("issuer = {issuer}"), ""),
        (&format!("jwks_listen = {listen}"), ""),
        ("keys = [\"one.key\"]", ""),
    ];
    assert_refused(site, &table, "nothing says who signs them");
    drop(site.postern.run(&["gateway", "check"]).expect_code(0));
}

#[test]
fn checking_says_who_signs_and_what_each_upstream_is_told() {
    let asserting = Asserting::new(None, "");
    let check = ["gateway", "check", "-o", "json"];
    let report = asserting.site.postern.run(&check).expect_code(0).json();
    assert_eq!(report["assertions"]["issuer"], asserting.issuer);
    let told = |name: &str| {
        let all = report["applications"].as_array().unwrap();
        let one = all.iter().find(|one| one["name"] == name).unwrap();
        one["identity"].clone()
    };
    assert_eq!(told("devices"), json!(["jwt", "jwt-cookie"]));
    assert_eq!(told("logs"), json!(["client-cert"]));
    // It only looks: no key was made.
    assert!(!asserting.site.path("gateway-state").exists());
}

#[test]
fn a_key_that_is_none_or_that_others_can_read_is_refused() {
    if skip_without("openssl") {
        return;
    }
    let asserting = Asserting::with_key(None);
    let site = &asserting.site;
    let make = "cp one.key open.key && chmod 644 open.key && umask 077 && openssl genpkey -quiet \
                -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.key";
    drop(site.shell(make).expect_code(0));
    let keys = "keys = [\"one.key\"]";
    for (to, problem) in [
        ("keys = []", "nothing could be signed"),
        ("keys = [\"open.key\"]", "can be read by others"),
        ("keys = [\"ec.key\"]", "no RSA key"),
        ("keys = [\"missing.key\"]", "missing.key"),
        ("rotate_every = \"1h\"", "less than a day"),
        (
            "keys = [\"one.key\"]\nrotate_every = \"2d\"",
            "leave one of the two out",
        ),
    ] {
        assert_refused(site, &[(keys, to)], problem);
    }
    drop(site.postern.run(&["gateway", "check"]).expect_code(0));
}
