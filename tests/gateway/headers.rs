//! No identity header of a client reaches an upstream, in any spelling, by any way (A1 to A5).

use postern_tests::{Client, DEVICE, DEVICES, Protocol, Received, Site, TestGateway};

use crate::frames::{DATA, END_STREAM, Frames, HEADERS, Outcome};
use crate::wire::{exchange, statuses};

/// What a client may not say of itself.
const NAMES: [&str; 24] = [
    "Client-Cert",
    "Client-Cert-Chain",
    "Cf-Access-Client-Id",
    "Cf-Access-Client-Secret",
    "Cf-Access-Jwt-Assertion",
    "Cf-Access-Authenticated-User-Email",
    "Cf-Client-Cert-Der-Base64",
    "Cf-Client-Cert-Sha256",
    "Cf-Connecting-Ip",
    "X-Client-Cert",
    "X-Client-Dn",
    "X-SSL-Client-S-DN",
    "X-SSL-Client-Verify",
    "SSL-Client-Cert",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Client-Cert",
    "Forwarded",
    "X-Real-IP",
    "X-Request-Id",
    "X-Remote-User",
    "X-Amzn-Mtls-Clientcert-Leaf",
    "True-Client-IP",
];

/// Every name in its own spelling, small, large, with `_`, and with a mixture.
fn spellings() -> Vec<String> {
    let spell = |name: &&str| {
        let large = name.to_uppercase();
        let mixed = name.replacen('-', "_", 1);
        [
            (*name).to_owned(),
            name.to_lowercase(),
            large.clone(),
            large.replace('-', "_"),
            mixed,
        ]
    };
    NAMES.iter().flat_map(spell).collect()
}

/// The upstream saw our word and nobody else's.
fn assert_only_ours(received: &Received, gateway: &TestGateway) {
    let text = received.text();
    assert!(!text.contains("evil"), "{text}");
    assert!(received.trailers.is_empty(), "{text}");
    for (name, _) in &received.headers {
        assert!(!name.contains('_'), "{text}");
    }
    for name in [
        "client-cert",
        "x-request-id",
        "x-forwarded-for",
        "x-forwarded-proto",
        "host",
    ] {
        assert_eq!(received.values(name).len(), 1, "{name} in {text}");
    }
    assert_eq!(received.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(received.values("x-forwarded-proto"), ["https"]);
    let certificate = received.values("client-cert")[0];
    assert!(
        certificate.starts_with(":MII") && certificate.ends_with(':'),
        "{certificate}"
    );
    let event = gateway.event_of(received.values("x-request-id")[0]);
    assert_eq!(event["common_name"], DEVICE);
}

#[tokio::test(flavor = "multi_thread")]
async fn spoofed_identity_headers_in_every_spelling_never_reach_the_upstream() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let spellings = spellings();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut client = Client::connect(&site, &gateway, DEVICES, Some(&device), protocol)
            .await
            .unwrap();
        // Each twice, first and last different; 100 headers at most in one request.
        for (number, part) in spellings.chunks(30).enumerate() {
            let twice = part
                .iter()
                .flat_map(|name| [(name.as_str(), "evil"), (name.as_str(), "evil, too")]);
            let headers: Vec<_> = twice.chain([("X-Kept", "kept")]).collect();
            let path = format!("/{protocol:?}/{number}");
            let answer = client.get_with(&path, &headers).await.unwrap();
            assert_eq!(answer.status, 200);
            let received = site.upstream.only(&path);
            assert_only_ours(&received, &gateway);
            assert_eq!(received.values("x-kept"), ["kept"]);
            assert_eq!(answer.request_id(), received.values("x-request-id")[0]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spelling_on_the_wire_that_libraries_would_tidy_up_is_removed_too() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for (number, name) in spellings().into_iter().step_by(7).enumerate() {
        let request = format!(
            "GET /raw/{number} HTTP/1.1\r\nhOsT: {DEVICES}\r\n{name}:evil\r\n{name}:  evil\t\r\n\
             X-Kept: 1\r\nConnection: close\r\n\r\n"
        );
        let (answer, closed) =
            exchange(&site, &gateway, DEVICES, Some(&device), request.as_bytes()).await;
        assert_eq!(
            (statuses(&answer), closed),
            (vec![200], true),
            "{name}: {answer}"
        );
        assert_only_ours(&site.upstream.only(&format!("/raw/{number}")), &gateway);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_headers_in_trailers_end_at_the_gateway() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let request = format!(
        "POST /chunked HTTP/1.1\r\nHost: {DEVICES}\r\nTransfer-Encoding: chunked\r\n\
         Trailer: Client-Cert, CF_ACCESS_CLIENT_ID\r\nConnection: close\r\n\r\n\
         4\r\nbody\r\n0\r\nClient-Cert: evil\r\nCF_ACCESS_CLIENT_ID: evil\r\nX-Sum: evil\r\n\r\n"
    );
    let (answer, _) = exchange(&site, &gateway, DEVICES, Some(&device), request.as_bytes()).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    let received = site.upstream.only("/chunked");
    assert_eq!(received.body_octets, 4);
    assert!(received.values("trailer").is_empty());
    assert_only_ours(&received, &gateway);

    let mut frames = Frames::open(&site, &gateway, DEVICES, &device)
        .await
        .unwrap();
    let head: [(&[u8], &[u8]); 5] = [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":path", b"/trailers"),
        (b":authority", DEVICES.as_bytes()),
        (b"trailer", b"client-cert"),
    ];
    frames.headers(&head, 0).await.unwrap();
    frames.send(DATA, 0, 1, b"body").await.unwrap();
    frames
        .headers(
            &[(b"client-cert", b"evil"), (b"x-sum", b"evil")],
            END_STREAM,
        )
        .await
        .unwrap();
    assert_eq!(frames.outcome().await, Outcome::Status(200));
    assert_ne!(DATA, HEADERS);
    let received = site.upstream.only("/trailers");
    assert_eq!(received.body_octets, 4);
    assert_only_ours(&received, &gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn nominating_our_headers_in_connection_does_not_remove_them() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let request = format!(
        "GET /nominated HTTP/1.1\r\nHost: {DEVICES}\r\nX-Private: evil\r\n\
         Connection: close, Client-Cert, X-Request-Id, x-forwarded-for, X-Forwarded-Proto\r\n\
         Connection: X-Private, Host, X-Forwarded-Host\r\nTE: trailers\r\nKeep-Alive: 5\r\n\
         Proxy-Authorization: evil\r\nProxy-Connection: keep-alive\r\n\r\n"
    );
    let (answer, _) = exchange(&site, &gateway, DEVICES, Some(&device), request.as_bytes()).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    let received = site.upstream.only("/nominated");
    assert_only_ours(&received, &gateway);
    assert_eq!(received.values("x-forwarded-host"), [DEVICES]);
    for name in [
        "connection",
        "te",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
    ] {
        assert!(received.values(name).is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_cannot_speak_with_our_voice_to_the_client() {
    use http_body_util::BodyExt as _;
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut client = Client::connect(&site, &gateway, DEVICES, Some(&device), protocol)
            .await
            .unwrap();
        let headers = [("te", "trailers")];
        let request = client.request("GET", "/spoof", &headers, postern_tests::full(""));
        let response = client.send(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        for fields in [&parts.headers, &trailers] {
            assert!(!format!("{fields:?}").contains("forged"), "{fields:?}");
            assert!(!fields.contains_key("client-cert"));
        }
        assert_eq!(parts.headers["x-kept"], "yes");
        assert_eq!(parts.headers.get_all("x-request-id").iter().count(), 1);
        assert_eq!(&collected.to_bytes()[..], b"ok");
    }
}
