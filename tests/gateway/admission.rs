//! Who gets in by certificate, and what the upstream is told.

use postern_tests::{
    DEVICE, DEVICES, Nginx, PLAIN, Site, TestGateway, certificates, config, skip_without,
};
use serde_json::Value;

/// The status that curl saw, from `-w '\n%{http_code}'`, and the body.
fn answer(stdout: &str) -> (u16, &str) {
    let (body, status) = stdout.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body)
}

fn ask(site: &Site, gateway: &TestGateway, name: &str, http: &str) -> (u16, String) {
    let (crt, key) = (format!("clients/{name}.crt"), format!("clients/{name}.key"));
    let url = gateway.url(DEVICES, "/telemetry");
    let args = [
        http,
        "--cert",
        &crt,
        "--key",
        &key,
        "-w",
        "\n%{http_code}",
        &url,
    ];
    let output = gateway.curl(site, &args).expect_code(0);
    let (status, body) = answer(&output.stdout);
    (status, body.to_owned())
}

#[test]
fn three_devices_pass_and_names_that_only_look_like_theirs_get_403() {
    if skip_without("curl") {
        return;
    }
    let site = Site::new();
    let gateway = TestGateway::run(&site);
    for http in ["--http1.1", "--http2"] {
        for name in [
            "device-1.factory.corp",
            "device-22.factory.corp",
            "device-a-b.factory.corp",
        ] {
            if http == "--http1.1" {
                site.client(name);
            }
            assert_eq!(ask(&site, &gateway, name, http).0, 200, "{name} {http}");
        }
        for name in [
            "evil-device-1.factory.corp.attacker",
            "xdevice-1.factory.corp",
            "DEVICE-1.factory.corp",
        ] {
            if http == "--http1.1" {
                site.client(name);
            }
            let (status, body) = ask(&site, &gateway, name, http);
            assert_eq!(status, 403, "{name} {http}");
            let body: Value = serde_json::from_str(&body).unwrap();
            let keys: Vec<_> = body
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(keys, ["reason", "request_id"]);
            assert_eq!(body["reason"], "no_policy_matched");
            let event = gateway.event_of(body["request_id"].as_str().unwrap());
            assert_eq!(event["common_name"], name);
            assert_eq!(event["decision"], "deny");
        }
    }
    assert_eq!(site.upstream.count(), 6);
}

#[test]
fn an_excluded_device_is_refused_beside_the_pattern_that_would_admit_it() {
    let site = Site::new();
    let gateway = TestGateway::run(&site);
    site.client("device-stolen.factory.corp");
    let (status, body) = ask(&site, &gateway, "device-stolen.factory.corp", "--http1.1");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["reason"]), (403, &Value::from("excluded")));
    let event = gateway.event_of(body["request_id"].as_str().unwrap());
    assert_eq!(event["policy"], "devices-in");
    assert_eq!(site.upstream.count(), 0);
}

/// What nginx saw, by `name=value` lines.
fn seen<'a>(page: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix('=');
    page.lines()
        .find_map(value)
        .unwrap_or_else(|| panic!("{name} in {page}"))
}

#[test]
fn nginx_as_upstream_is_told_who_the_client_is() {
    if skip_without("nginx") || skip_without("curl") || skip_without("openssl") {
        return;
    }
    let site = Site::new();
    let nginx = Nginx::start(&site);
    site.write_config(&config(&nginx.authority(), ""));
    let gateway = TestGateway::run(&site);
    let device = site.client(DEVICE);
    assert_eq!(certificates(&device.certificate).len(), 2);
    let (crt, key) = (
        format!("clients/{DEVICE}.crt"),
        format!("clients/{DEVICE}.key"),
    );
    // RFC 9440: colon, base64 of the leaf's DER, colon.
    let der = site.shell(&format!("openssl x509 -in {crt} -outform DER | base64 -w0"));
    let certificate = format!(":{}:", der.expect_code(0).stdout);
    let authority = format!("{DEVICES}:{}", gateway.port());
    for http in ["--http1.1", "--http2"] {
        let mut args = vec![http, "--cert", &crt, "--key", &key, "-D", "headers"];
        for spoof in [
            "Client_Cert: :AA==:",
            "CF_ACCESS_CLIENT_ID: evil",
            "X-Forwarded-For: 1.2.3.4",
        ] {
            args.extend(["-H", spoof]);
        }
        let url = gateway.url(DEVICES, "/seen");
        args.push(&url);
        let page = gateway.curl(&site, &args).expect_code(0).stdout;
        assert_eq!(seen(&page, "x-forwarded-for"), "127.0.0.1");
        assert_eq!(seen(&page, "x-forwarded-proto"), "https");
        assert_eq!(seen(&page, "x-forwarded-host"), authority);
        assert_eq!(seen(&page, "host"), authority);
        assert_eq!(seen(&page, "cf-access-client-id"), "");
        assert_eq!(seen(&page, "client-cert"), certificate);
        let request_id = seen(&page, "x-request-id");
        let headers = std::fs::read_to_string(site.path("headers"))
            .unwrap()
            .to_lowercase();
        assert!(
            headers.contains(&format!("x-request-id: {request_id}")),
            "{headers}"
        );
        let event = gateway.event_of(request_id);
        assert_eq!(
            (&event["decision"], &event["method"]),
            (&"permit".into(), &"mtls".into())
        );
    }
    let page = gateway.url(DEVICES, "/static.txt");
    let page = gateway
        .curl(&site, &["--cert", &crt, "--key", &key, &page])
        .expect_code(0);
    assert_eq!(page.stdout, "served by nginx\n");
}

#[test]
fn where_a_certificate_is_only_asked_for_its_absence_is_401() {
    let site = Site::new();
    let gateway = TestGateway::run(&site);
    let url = gateway.url(PLAIN, "/");
    let output = gateway
        .curl(&site, &["-w", "\n%{http_code}", &url])
        .expect_code(0);
    let (status, body) = answer(&output.stdout);
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (status, &body["reason"]),
        (401, &Value::from("no_credentials"))
    );
    assert_eq!(body.as_object().unwrap().len(), 2);
    assert_eq!(site.upstream.count(), 0);
}
