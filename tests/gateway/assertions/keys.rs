//! Where the keys are, and how they are replaced.

use std::os::unix::fs::PermissionsExt as _;

use postern_tests::{DEVICE, DEVICES, Site, TestGateway, free_port, skip_without};
use rustix::process::Signal;
use serde_json::json;

use super::{Asserting, PATH, assertion, make_key, read, received};

fn without_tools() -> bool {
    skip_without("curl") || skip_without("openssl")
}

fn reload(site: &Site) -> String {
    site.postern
        .run(&["gateway", "reload"])
        .expect_code(0)
        .stderr
}

#[test]
fn keys_are_read_by_anybody_at_one_path_and_nothing_else_is_there() {
    if without_tools() {
        return;
    }
    let asserting = Asserting::with_key(None);
    let _gateway = TestGateway::run(&asserting.site);
    let got = asserting.curl(&[], PATH).stdout;
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
    for line in [
        "content-type: application/json",
        "cache-control: public, max-age=300",
    ] {
        assert!(got.contains(line), "{got}");
    }
    for private in ["\"d\"", "\"p\"", "\"q\"", "PRIVATE"] {
        assert!(!got.contains(private), "{got}");
    }
    let head = asserting.curl(&["--head"], PATH).stdout;
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && !head.contains("kid"),
        "{head}"
    );
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = asserting.curl(&["--request", method], PATH).stdout;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
        assert!(answer.contains("allow: GET, HEAD"), "{answer}");
    }
    for path in [
        "/",
        "/cdn-cgi/access/certs/",
        "/cdn-cgi/access/certs/x",
        "/CDN-CGI/access/certs",
    ] {
        let answer = asserting.curl(&[], path).stdout;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    assert_eq!(asserting.site.upstream.count(), 0);
}

#[test]
fn the_certificate_beside_a_key_is_of_that_key() {
    if without_tools() {
        return;
    }
    let asserting = Asserting::with_key(None);
    let _gateway = TestGateway::run(&asserting.site);
    let answer = asserting.curl(&["--no-include"], PATH).stdout;
    let document: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(document["public_cert"], document["public_certs"][0]);
    assert_eq!(document["public_cert"]["kid"], document["keys"][0]["kid"]);
    let pem = document["public_cert"]["cert"].as_str().unwrap();
    std::fs::write(asserting.site.path("public.crt"), pem).unwrap();
    let of_certificate = asserting
        .site
        .shell("openssl x509 -in public.crt -noout -pubkey");
    let of_key = asserting.site.shell("openssl pkey -in one.key -pubout");
    assert_eq!(of_certificate.stdout, of_key.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_path_of_an_application_is_the_applications() {
    if without_tools() {
        return;
    }
    let asserting = Asserting::with_key(None);
    let gateway = TestGateway::run(&asserting.site);
    let device = asserting.site.client(DEVICE);
    let url = gateway.url(DEVICES, PATH);
    assert_ne!(gateway.curl(&asserting.site, &[&url]).code, Some(0));
    let received = received(&asserting.site, &gateway, DEVICES, Some(&device), PATH, &[]).await;
    assert!(!assertion(&received).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_key_file_signs_no_more_and_is_published_as_long_as_it_is_listed() {
    if without_tools() {
        return;
    }
    let asserting = Asserting::with_key(None);
    let site = &asserting.site;
    make_key(site, "two.key");
    let gateway = TestGateway::run(site);
    let device = site.client(DEVICE);
    let kid_at = async |path: &str| {
        let received = received(site, &gateway, DEVICES, Some(&device), path, &[]).await;
        read(&assertion(&received)).0["kid"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = asserting.kids();
    assert_eq!(vec![kid_at("/1").await], first);
    site.edit_config("keys = [\"one.key\"]", "keys = [\"one.key\", \"two.key\"]");
    reload(site);
    let ahead = asserting.kids();
    assert_eq!(
        (ahead.len(), &ahead[0], kid_at("/2").await),
        (2, &first[0], first[0].clone())
    );
    site.edit_config("[\"one.key\", \"two.key\"]", "[\"two.key\", \"one.key\"]");
    reload(site);
    let behind = asserting.kids();
    assert_eq!(behind, [ahead[1].clone(), first[0].clone()]);
    assert_eq!(kid_at("/3").await, ahead[1]);
    site.edit_config("[\"two.key\", \"one.key\"]", "[\"two.key\"]");
    reload(site);
    assert_eq!(asserting.kids(), [ahead[1].clone()]);
}

#[test]
fn a_key_that_the_gateway_makes_is_its_own_and_outlives_it() {
    if without_tools() {
        return;
    }
    let asserting = Asserting::new(None, "");
    let gateway = TestGateway::run(&asserting.site);
    let kids = asserting.kids();
    assert_eq!(kids.len(), 1);
    let folder = asserting.site.path("gateway-state/assertion-keys");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(files.len(), 1);
    assert_eq!(mode(&files[0].as_ref().unwrap().path()), 0o600);
    reload(&asserting.site);
    assert_eq!(asserting.kids(), kids);
    // Another `state` takes a restart: until then the keys stay where they are.
    asserting.site.edit_config("gateway-state", "elsewhere");
    gateway.signal(Signal::HUP);
    gateway.event(|event| event["needs_restart"] == json!(["state"]));
    assert_eq!(asserting.kids(), kids);
    assert!(!asserting.site.path("elsewhere").exists());
    asserting.site.edit_config("elsewhere", "gateway-state");
    gateway.stop();
    let _again = TestGateway::run(&asserting.site);
    assert_eq!(asserting.kids(), kids);
}

#[test]
fn another_place_for_the_keys_takes_a_restart() {
    if without_tools() {
        return;
    }
    let asserting = Asserting::with_key(None);
    let _gateway = TestGateway::run(&asserting.site);
    let listen = format!("jwks_listen = \"127.0.0.1:{}\"", asserting.jwks_port);
    let other = format!("jwks_listen = \"127.0.0.1:{}\"", free_port());
    asserting.site.edit_config(&listen, &other);
    let told = reload(&asserting.site);
    assert!(told.contains("assertions.jwks_listen"), "{told}");
    assert_eq!(asserting.kids().len(), 1);
}
