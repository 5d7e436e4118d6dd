//! HTTP/2 frames that cost their sender nothing: the connection ends, or costs us nothing either (A39).

use std::io;

use postern_tests::{Client, DEVICE, DEVICES, Identity, Protocol, Site, TestGateway};

use crate::frames::{
    CONTINUATION, DATA, END_STREAM, Fields, Frames, HEADERS, Outcome, PING, RST_STREAM, SETTINGS,
    block,
};

const FRAMES: u32 = 20_000;
const GET: Fields<'static> = &[
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"devices.example.com"),
    (b":path", b"/flood"),
];
const POST: Fields<'static> = &[
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":authority", b"devices.example.com"),
    (b":path", b"/flood"),
];

/// A gateway that was asked once, its device, and one more connection to it.
struct Target {
    site: Site,
    gateway: TestGateway,
    device: Identity,
    memory: u64,
}

impl Target {
    async fn start() -> Self {
        let site = Site::new();
        let device = site.client(DEVICE);
        let gateway = TestGateway::run(&site);
        let mut target = Self {
            site,
            gateway,
            device,
            memory: 0,
        };
        target.is_served().await;
        target.memory = target.resident();
        target
    }

    async fn open(&self) -> Frames {
        let frames = Frames::open(&self.site, &self.gateway, DEVICES, &self.device).await;
        frames.unwrap()
    }

    /// Another connection is served as if nothing were, and the flood left nothing behind.
    async fn is_unharmed(&self) {
        self.is_served().await;
        let grown = self.resident().saturating_sub(self.memory);
        assert!(grown < 5 * 1024 * 1024, "{grown} octets more than before");
    }

    async fn is_served(&self) {
        let (site, gateway) = (&self.site, &self.gateway);
        let device = Some(&self.device);
        let client = Client::connect(site, gateway, DEVICES, device, Protocol::Http2).await;
        let answer = client.unwrap().get("/served").await.unwrap();
        assert_eq!(answer.status, 200);
    }

    /// Octets in memory.
    fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.gateway.pid().as_raw_nonzero());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() * 1024
    }
}

/// Sends until the gateway has enough; a write that fails is the end of the connection.
async fn flood(
    frames: &mut Frames,
    mut send: impl AsyncFnMut(&mut Frames, u32) -> io::Result<()>,
) -> Option<u32> {
    for number in 0..FRAMES {
        if send(frames, number).await.is_err() {
            return Some(number);
        }
    }
    None
}

fn is_over(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Closed | Outcome::GoAway(_) => true,
        Outcome::Status(_) | Outcome::Reset(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let target = Target::start().await;
    let mut frames = target.open().await;
    flood(&mut frames, async |frames, number| {
        let stream = 2 * number + 1;
        frames.headers_on(stream, GET, END_STREAM).await?;
        frames
            .send(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
            .await
    })
    .await;
    let outcome = frames.outcome().await;
    assert!(is_over(&outcome), "{outcome:?}");
    let events = target.gateway.events();
    let requests = events.iter().filter(|event| event["event"] == "request");
    let requests = requests.count();
    assert!(requests < 1_000, "{requests} requests were taken");
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_block_without_end_ends_the_connection() {
    let target = Target::start().await;
    let mut frames = target.open().await;
    frames
        .send(HEADERS, END_STREAM, 1, &block(GET))
        .await
        .unwrap();
    let piece = block(&[(b"x-more", &[b'x'; 1_000])]);
    let ended = flood(&mut frames, async |frames, _| {
        frames.send(CONTINUATION, 0, 1, &piece).await
    })
    .await;
    assert!(ended.is_some(), "20 MB of headers were read");
    let outcome = frames.outcome().await;
    assert!(is_over(&outcome), "{outcome:?}");
    target.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_and_settings_end_the_connection_or_leave_nothing_behind() {
    let target = Target::start().await;
    for (kind, payload) in [(PING, &[0; 8][..]), (SETTINGS, &[])] {
        let mut frames = target.open().await;
        let ended = flood(&mut frames, async |frames, _| {
            frames.send(kind, 0, 0, payload).await
        })
        .await;
        target.is_unharmed().await;
        if ended.is_none() && frames.headers(GET, END_STREAM).await.is_ok() {
            let outcome = frames.outcome().await;
            let is_fine = outcome == Outcome::Status(200) || is_over(&outcome);
            assert!(is_fine, "{kind}: {outcome:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_without_octets_ends_the_connection_or_leaves_nothing_behind() {
    let target = Target::start().await;
    let mut frames = target.open().await;
    frames.headers(POST, 0).await.unwrap();
    let ended = flood(&mut frames, async |frames, _| {
        frames.send(DATA, 0, 1, &[]).await
    })
    .await;
    target.is_unharmed().await;
    if ended.is_none() && frames.send(DATA, END_STREAM, 1, &[]).await.is_ok() {
        let outcome = frames.outcome().await;
        let is_fine = outcome == Outcome::Status(200) || is_over(&outcome);
        assert!(is_fine, "{outcome:?}");
    }
}
