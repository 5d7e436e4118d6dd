//! One request of the client is at most one request at the upstream (A6), however it is framed.

use postern_tests::{DEVICE, DEVICES, Identity, Site, TestGateway};

use crate::wire::{exchange, statuses};

/// What must never be seen as a request of its own.
const INNER: &str = "GET /smuggled HTTP/1.1\r\nHost: devices.example.com\r\n\r\n";

/// Framing headers that contradict themselves or the grammar.
const LENGTHS: [(&str, &str); 8] = [
    ("two lengths", "Content-Length: 5\r\nContent-Length: 6"),
    ("two lengths in one", "Content-Length: 5, 6"),
    ("a signed length", "Content-Length: +5"),
    ("a negative length", "Content-Length: -1"),
    ("a length in hex", "Content-Length: 0x5"),
    ("an empty length", "Content-Length:"),
    (
        "a length beyond 64 bits",
        "Content-Length: 99999999999999999999",
    ),
    ("space before the colon", "Content-Length : 5"),
];
const CODINGS: [(&str, &str); 9] = [
    (
        "space before the coding's colon",
        "Transfer-Encoding : chunked",
    ),
    ("a folded header", "X-One: 1\r\n Transfer-Encoding: chunked"),
    ("an unknown coding", "Transfer-Encoding: xchunked"),
    (
        "chunked is not last",
        "Transfer-Encoding: chunked, identity",
    ),
    ("a coding with a control", "Transfer-Encoding: \u{b}chunked"),
    ("a coding with a suffix", "Transfer-Encoding: chunked\u{b}"),
    (
        "a bare CR in a value",
        "X-One: a\rTransfer-Encoding: chunked",
    ),
    ("a header without a colon", "Transfer-Encoding chunked"),
    ("a NUL in a value", "X-One: a\0b"),
];
/// And bodies that are no chunks.
const CHUNKS: [(&str, &str); 3] = [
    ("no number for a chunk", "zz\r\nhello\r\n0\r\n\r\n"),
    ("a chunk size beyond 64 bits", "11111111111111111\r\nhello"),
    ("a chunk longer than it says", "2\r\nhello\r\n0\r\n\r\n"),
];

/// What is wrong, the headers, and the body behind them.
fn refused_framings() -> Vec<(&'static str, &'static str, String)> {
    let chunked = format!("0\r\n\r\n{INNER}");
    let lengths = LENGTHS.map(|(what, headers)| (what, headers, format!("hello{INNER}")));
    let codings = CODINGS.map(|(what, headers)| (what, headers, chunked.clone()));
    let chunks = CHUNKS.map(|(what, body)| (what, "Transfer-Encoding: chunked", body.to_owned()));
    let name = ("a space in a name", "X One: 1", INNER.to_owned());
    lengths
        .into_iter()
        .chain(codings)
        .chain(chunks)
        .chain([name])
        .collect()
}

async fn send(site: &Site, gateway: &TestGateway, device: &Identity, text: &str) -> (String, bool) {
    let octets: Vec<u8> = text.bytes().collect();
    exchange(site, gateway, DEVICES, Some(device), &octets).await
}

fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {DEVICES}\r\n{headers}\r\n\r\n{body}")
}

#[tokio::test(flavor = "multi_thread")]
async fn framing_that_can_be_read_in_two_ways_is_400_and_the_connection_is_closed() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for (number, (what, headers, body)) in refused_framings().into_iter().enumerate() {
        let path = format!("/bad/{number}");
        let text = post(&path, headers, &body);
        let (answer, closed) = send(&site, &gateway, &device, &text).await;
        assert!(closed, "{what}: still open after {answer}");
        assert!(
            statuses(&answer).iter().all(|status| *status == 400),
            "{what}: {answer}"
        );
        let received = site.upstream.received();
        // A head whose body turns out to be none may have been passed on already: never a whole.
        let whole = received.iter().filter(|one| one.sha256.is_some()).count();
        assert_eq!(whole, 0, "{what}: {received:#?}");
        assert!(
            !received.iter().any(|one| one.line.contains("smuggled")),
            "{what}"
        );
    }
    gateway.event(|event| event["reason"] == "malformed_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_length_and_chunks_are_never_two_requests() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let after = format!("0\r\n\r\n{INNER}");
    for (number, headers) in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\ntransfer-encoding: Chunked",
        "Transfer-Encoding: gzip, chunked\r\nContent-Length: 4",
    ]
    .iter()
    .enumerate()
    {
        let path = format!("/both/{number}");
        let (answer, closed) = send(&site, &gateway, &device, &post(&path, headers, &after)).await;
        // RFC 9112 section 6.1: whatever it answered, it closes the connection.
        assert!(closed, "{headers}: {answer}");
        let received = site.upstream.received();
        assert!(
            !received.iter().any(|one| one.line.contains("smuggled")),
            "{headers}"
        );
        for received in site
            .upstream
            .received()
            .iter()
            .filter(|one| one.line.contains(&path))
        {
            let framings = received.values("content-length").len()
                + received.values("transfer-encoding").len();
            assert!(framings <= 1, "{headers}: {} {answer}", received.text());
            assert_eq!(received.body_octets, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_framing_that_is_legal_is_one_request() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let head = |line: &str, headers: &str| {
        format!("{line} HTTP/1.1\r\nHost: {DEVICES}\r\nConnection: close\r\n{headers}\r\n\r\n")
    };
    let with_body = head("GET /get", &format!("Content-Length: {}", INNER.len())) + INNER;
    let same = head("POST /same", "Content-Length: 5\r\nContent-Length: 5") + "hello";
    let extension = head("POST /ext", "Transfer-Encoding: chunked");
    let extension = extension + "5;a=b;c=\"d\"\r\nhello\r\n0\r\n\r\n";
    let bare = head("POST /lf", "Content-Length: 5").replace("\r\n", "\n") + "hello";
    let more = head("POST /more", "Content-Length: 5") + "hello" + INNER;
    for (path, text, octets) in [
        ("/get", with_body, u64::try_from(INNER.len()).unwrap()),
        ("/same", same, 5),
        ("/ext", extension, 5),
        ("/lf", bare, 5),
        ("/more", more, 5),
    ] {
        let (answer, closed) = send(&site, &gateway, &device, &text).await;
        assert_eq!(
            (statuses(&answer), closed),
            (vec![200], true),
            "{path}: {answer}"
        );
        assert_eq!(site.upstream.only(path).body_octets, octets, "{path}");
    }
    assert_eq!(site.upstream.count(), 5);
}
