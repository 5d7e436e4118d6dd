//! What an upstream is told of whom a request is from, in the forms that its application lists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_tests::{
    Client, DEVICE, DEVICES, Identity, MIXED, Nginx, Protocol, Received, Sha256, Site, TestGateway,
    skip_without,
};

/// Every name that says who a client is; the test decides which of them may arrive.
const CERTIFICATE_NAMES: [&str; 14] = [
    "Client-Cert",
    "Client-Cert-Chain",
    "X-Forwarded-Client-Cert",
    "X-SSL-Client-Verify",
    "X-SSL-Client-S-DN",
    "X-SSL-Client-I-DN",
    "X-SSL-Client-CN",
    "X-SSL-Client-Serial",
    "X-SSL-Client-Fingerprint",
    "X-SSL-Client-SHA256",
    "X-SSL-Client-V-Start",
    "X-SSL-Client-V-End",
    "X-SSL-Client-V-Remain",
    "X-SSL-Client-Cert",
];

/// A site whose `devices` and `mixed` applications list these forms.
fn site(forms: &str) -> Site {
    let site = Site::new();
    for host in [DEVICES, MIXED] {
        let hosts = format!("hosts = [\"{host}\"]");
        site.edit_config(&hosts, &format!("{hosts}\nidentity = [{forms}]"));
    }
    site
}

/// What the upstream received of a request that claims all of it for itself, twice each.
async fn told(
    site: &Site,
    gateway: &TestGateway,
    host: &str,
    device: Option<&Identity>,
    more: &[(&str, &str)],
) -> Received {
    let twice = CERTIFICATE_NAMES
        .iter()
        .flat_map(|name| [(*name, "evil"), (*name, "evil, too")]);
    let headers: Vec<_> = twice.chain(more.iter().copied()).collect();
    let mut client = Client::connect(site, gateway, host, device, Protocol::Http1)
        .await
        .unwrap();
    let path = format!("/{host}/{}", device.is_some());
    let answer = client.get_with(&path, &headers).await.unwrap();
    assert_eq!(answer.status, 200);
    let received = site.upstream.only(&path);
    assert!(!received.text().contains("evil"), "{}", received.text());
    received
}

fn names_told(received: &Received) -> Vec<&'static str> {
    let told = |name: &&str| !received.values(name).is_empty();
    CERTIFICATE_NAMES.into_iter().filter(told).collect()
}

fn only<'r>(received: &'r Received, name: &str) -> &'r str {
    let values = received.values(name);
    assert_eq!(values.len(), 1, "{name}: {values:?}");
    values[0]
}

fn decoded(byte_sequence: &str) -> Vec<u8> {
    let base64 = byte_sequence.strip_prefix(':').unwrap();
    STANDARD.decode(base64.strip_suffix(':').unwrap()).unwrap()
}

/// The first certificate of a PEM file, percent-encoded.
fn escaped_leaf(site: &Site, device: &Identity) -> String {
    let path = device.certificate.display().to_string();
    let pem = site.postern.tool("openssl", &["x509", "-in", &path]).stdout;
    let mut escaped = pem;
    for (octet, code) in [
        ("+", "%2B"),
        ("/", "%2F"),
        ("=", "%3D"),
        (" ", "%20"),
        ("\n", "%0A"),
    ] {
        escaped = escaped.replace(octet, code);
    }
    escaped
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_listed_does_not_arrive_and_what_is_arrives_once() {
    for (forms, names) in [
        ("", &[][..]),
        ("\"client-cert\"", &["Client-Cert"]),
        (
            "\"client-cert-chain\", \"client-cert\"",
            &["Client-Cert", "Client-Cert-Chain"],
        ),
        ("\"xfcc\"", &["X-Forwarded-Client-Cert"]),
        ("\"x-ssl-client\"", &CERTIFICATE_NAMES[3..]),
    ] {
        let site = site(forms);
        let device = site.client(DEVICE);
        let gateway = TestGateway::run(&site);
        let received = told(&site, &gateway, DEVICES, Some(&device), &[]).await;
        assert_eq!(names_told(&received), names, "{forms}");
        for name in names {
            only(&received, name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc_9440_and_envoys_field_carry_the_certificate_that_was_verified() {
    if skip_without("openssl") {
        return;
    }
    let site = site("\"client-cert\", \"client-cert-chain\", \"xfcc\"");
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let received = told(&site, &gateway, DEVICES, Some(&device), &[]).await;
    let chain = device.chain();
    assert_eq!(decoded(only(&received, "Client-Cert")), chain[0].as_ref());
    let issuers = only(&received, "Client-Cert-Chain").split(", ");
    let issuers: Vec<_> = issuers.map(decoded).collect();
    // The intermediate, and not the trust anchor.
    assert_eq!(issuers, [chain[1].as_ref()]);

    let mut digest = Sha256::new();
    digest.update(&chain[0]);
    let expected = format!(
        "Hash={};Cert=\"{}\";Subject=\"CN={DEVICE}\"",
        digest.finish(),
        escaped_leaf(&site, &device)
    );
    let xfcc = only(&received, "X-Forwarded-Client-Cert");
    assert!(xfcc.starts_with(&expected), "{xfcc}\n{expected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_nothing_is_told_but_that_there_is_none() {
    let site = site("\"client-cert\", \"client-cert-chain\", \"xfcc\", \"x-ssl-client\"");
    let (id, secret) = site.token("ci-deploy-prod");
    let gateway = TestGateway::run(&site);
    let token = [
        ("cf-access-client-id", id.as_str()),
        ("cf-access-client-secret", secret.as_str()),
    ];
    let received = told(&site, &gateway, MIXED, None, &token).await;
    assert_eq!(names_told(&received), ["X-SSL-Client-Verify"]);
    assert_eq!(only(&received, "X-SSL-Client-Verify"), "NONE");
}

/// nginx in front of the same upstream, verifying the same client.
const NGINX: &str = r"
daemon off;
master_process off;
pid nginx.pid;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:{port} ssl;
        ssl_certificate ../gateway.example.com.crt;
        ssl_certificate_key ../gateway.example.com.key;
        ssl_client_certificate ../root/root.crt;
        ssl_verify_client on;
        ssl_verify_depth 3;
        location / {
            proxy_pass http://{upstream};
            proxy_set_header X-SSL-Client-Verify $ssl_client_verify;
            proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn;
            proxy_set_header X-SSL-Client-I-DN $ssl_client_i_dn;
            proxy_set_header X-SSL-Client-Serial $ssl_client_serial;
            proxy_set_header X-SSL-Client-Fingerprint $ssl_client_fingerprint;
            proxy_set_header X-SSL-Client-V-Start $ssl_client_v_start;
            proxy_set_header X-SSL-Client-V-End $ssl_client_v_end;
            proxy_set_header X-SSL-Client-V-Remain $ssl_client_v_remain;
            proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;
        }
    }
}
";

#[test]
fn x_ssl_client_says_what_nginx_says_of_the_same_client() {
    if skip_without("nginx") || skip_without("curl") {
        return;
    }
    let site = site("\"x-ssl-client\"");
    site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let config = NGINX.replace("{upstream}", &site.upstream.authority());
    let nginx = Nginx::with(&site, &config);
    let (crt, key) = (
        format!("clients/{DEVICE}.crt"),
        format!("clients/{DEVICE}.key"),
    );
    let resolve = format!("{DEVICES}:{}:127.0.0.1", nginx.port());
    let theirs = format!("https://{DEVICES}:{}/theirs", nginx.port());
    for url in [theirs, gateway.url(DEVICES, "/ours")] {
        let args = [
            "--resolve",
            &resolve,
            "--cert",
            &crt,
            "--key",
            &key,
            "--fail",
            &url,
        ];
        drop(gateway.curl(&site, &args).expect_code(0));
    }
    let (theirs, ours) = (site.upstream.only("/theirs"), site.upstream.only("/ours"));
    let from_nginx = names_told(&theirs);
    assert_eq!(from_nginx.len(), 9, "{from_nginx:?}");
    for name in from_nginx {
        assert_eq!(only(&ours, name), only(&theirs, name), "{name}");
    }
    assert_eq!(only(&ours, "X-SSL-Client-CN"), DEVICE);
}
