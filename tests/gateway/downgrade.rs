//! HTTP/2 says nothing to the upstream that HTTP/1.1 would read in another way (A7).

use postern_tests::{DEVICE, DEVICES, Site, TestGateway};

use crate::frames::{DATA, END_STREAM, Frames, Outcome};

/// What must never be seen as a request of its own.
const INNER: &str = "GET /smuggled HTTP/1.1\r\nHost: devices.example.com\r\n\r\n";

type Field<'a> = (&'a [u8], &'a [u8]);

/// The usual four, then these; or a head that replaces them.
fn with<'a>(more: &[Field<'a>]) -> Vec<Field<'a>> {
    let usual: [Field<'a>; 4] = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", b"/h2"),
        (b":authority", DEVICES.as_bytes()),
    ];
    usual.into_iter().chain(more.iter().copied()).collect()
}

fn replaced<'a>(name: &'a [u8], value: &'a [u8]) -> Vec<Field<'a>> {
    let swap = |field: Field<'a>| {
        if field.0 == name {
            (name, value)
        } else {
            field
        }
    };
    with(&[]).into_iter().map(swap).collect()
}

/// Requests that no HTTP/2 client may send.
fn malformed() -> Vec<Vec<Field<'static>>> {
    let without = |name: &[u8]| {
        with(&[])
            .into_iter()
            .filter(|field| field.0 != name)
            .collect()
    };
    let mut late = with(&[]);
    late.insert(1, (b"x-one", b"regular before pseudo"));
    vec![
        late,
        without(b":path"),
        without(b":method"),
        with(&[(b"x-one", b"a\r\nx-two: b")]),
        with(&[(b"x-one", b"a\nx-two: b")]),
        with(&[(b"x-one", b"a\0b")]),
        with(&[(b"x-one\r\nx-two", b"a")]),
        with(&[(b"x-one: evil", b"a")]),
        with(&[(b"x one", b"a")]),
        with(&[(b"X-One", b"a")]),
        with(&[(b"", b"a")]),
        with(&[(b"transfer-encoding", b"chunked")]),
        with(&[(b"connection", b"close")]),
        with(&[(b"upgrade", b"h2c")]),
        with(&[(b"keep-alive", b"5")]),
        with(&[(b"proxy-connection", b"close")]),
        with(&[(b"content-length", b"5, 6")]),
        with(&[(b"content-length", b"+5")]),
        with(&[(b":path", b"/second")]),
        with(&[(b":unknown", b"x")]),
        with(&[(b":status", b"200")]),
        with(&[(b"te", b"gzip")]),
        replaced(b":method", b"GET / HTTP/1.1\r\nx: y"),
        replaced(b":method", b"G ET"),
        replaced(b":method", b""),
        replaced(b":path", b"/ HTTP/1.1\r\nx: y"),
        replaced(b":path", b"/a b"),
        replaced(b":path", b""),
        replaced(b":path", b"smuggled"),
        replaced(b":authority", b"devices.example.com\r\nx: y"),
        replaced(b":authority", b"evil@devices.example.com"),
        replaced(b":authority", b""),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_http2_becomes_a_second_line_of_http1() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for head in &malformed() {
        let mut frames = Frames::open(&site, &gateway, DEVICES, &device)
            .await
            .unwrap();
        frames.headers(head, END_STREAM).await.unwrap();
        let outcome = frames.outcome().await;
        let shown: Vec<_> = head
            .iter()
            .map(|(name, value)| (name.escape_ascii(), value.escape_ascii()))
            .collect();
        let seen = site.upstream.received();
        match outcome {
            Outcome::Status(400..=499)
            | Outcome::Reset(_)
            | Outcome::GoAway(_)
            | Outcome::Closed => {}
            Outcome::Status(_) => panic!("{outcome:?} for {shown:?}; the upstream saw {seen:#?}"),
        }
        assert!(seen.is_empty(), "{shown:?}: {seen:#?}");
    }
    // The same frames without the fault are a request.
    let mut frames = Frames::open(&site, &gateway, DEVICES, &device)
        .await
        .unwrap();
    frames
        .headers(&with(&[(b"x-one", b"a")]), END_STREAM)
        .await
        .unwrap();
    assert_eq!(frames.outcome().await, Outcome::Status(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_the_http2_body_does_not_have_never_becomes_another_request() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    for (length, body) in [("5", "hi"), ("2", INNER), ("0", INNER)] {
        let mut frames = Frames::open(&site, &gateway, DEVICES, &device)
            .await
            .unwrap();
        let mut head = with(&[(b"content-length", length.as_bytes())]);
        head[0] = (b":method", b"POST");
        frames.headers(&head, 0).await.unwrap();
        frames.send(DATA, END_STREAM, 1, body.as_bytes()).await.ok();
        let outcome = frames.outcome().await;
        assert!(
            !matches!(outcome, Outcome::Status(200)),
            "{length}: {outcome:?}"
        );
    }
    let received = site.upstream.received();
    assert!(
        received.iter().all(|one| one.line == "POST /h2 HTTP/1.1"),
        "{received:#?}"
    );
    assert!(
        received.iter().all(|one| one.sha256.is_none()),
        "{received:#?}"
    );
}
