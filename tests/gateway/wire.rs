//! HTTP/1.1 by hand: octets that no library would send.

use std::time::Duration;

use postern_tests::{Identity, Site, TestGateway, dial};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// Nothing more comes for this long: the answer is complete, or there is none.
const SILENCE: Duration = Duration::from_millis(1500);

/// Sends the octets on a connection of their own; everything that comes back, and whether the
/// gateway closed the connection.
pub(crate) async fn exchange(
    site: &Site,
    gateway: &TestGateway,
    sni: &str,
    identity: Option<&Identity>,
    octets: &[u8],
) -> (String, bool) {
    let mut stream = dial(site, gateway, sni, identity, b"http/1.1")
        .await
        .unwrap();
    // It may be closed while this is still being sent.
    stream.write_all(octets).await.ok();
    stream.flush().await.ok();
    let mut answer = Vec::new();
    let mut block = [0; 4096];
    loop {
        match timeout(SILENCE, stream.read(&mut block)).await {
            Ok(Ok(0) | Err(_)) => return (text(&answer), true),
            Ok(Ok(count)) => answer.extend(&block[..count]),
            Err(_silence) => return (text(&answer), false),
        }
    }
}

/// The status codes of all answers in `text`.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    let after = text.split("HTTP/1.1 ").skip(1);
    after.map(|rest| rest[..3].parse().unwrap()).collect()
}

fn text(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}
