//! HTTP/2 by hand: frames that no library would send.

use std::io;

use postern_tests::{Identity, PATIENCE, Site, TestGateway, dial};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const CONTINUATION: u8 = 9;
const GOAWAY: u8 = 7;
pub(crate) const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// What became of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Status(u16),
    Reset(u32),
    GoAway(u32),
    Closed,
}

/// A connection after its preface.
pub(crate) struct Frames(TlsStream<TcpStream>);

pub(crate) type Fields<'a> = &'a [(&'a [u8], &'a [u8])];

impl Frames {
    pub(crate) async fn open(
        site: &Site,
        gateway: &TestGateway,
        sni: &str,
        identity: &Identity,
    ) -> io::Result<Self> {
        let stream = dial(site, gateway, sni, Some(identity), b"h2").await?;
        let mut frames = Self(stream);
        frames
            .0
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await?;
        frames.send(SETTINGS, 0, 0, &[]).await?;
        Ok(frames)
    }

    pub(crate) async fn send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await?;
        self.0.flush().await
    }

    /// A header block of literals, on stream 1.
    pub(crate) async fn headers(&mut self, fields: Fields<'_>, flags: u8) -> io::Result<()> {
        self.headers_on(1, fields, flags).await
    }

    /// The same on any stream.
    pub(crate) async fn headers_on(
        &mut self,
        stream: u32,
        fields: Fields<'_>,
        flags: u8,
    ) -> io::Result<()> {
        let block = block(fields);
        let flags = flags | END_HEADERS;
        self.send(HEADERS, flags, stream, &block).await
    }

    /// Reads until stream 1 is answered or the connection is over.
    pub(crate) async fn outcome(&mut self) -> Outcome {
        loop {
            let Ok((kind, flags, stream, payload)) = self.frame().await else {
                return Outcome::Closed;
            };
            match (kind, stream) {
                (SETTINGS, _) if flags & ACK == 0 => {
                    self.send(SETTINGS, ACK, 0, &[]).await.ok();
                }
                (HEADERS, 1) => return Outcome::Status(status(&payload)),
                (RST_STREAM, 1) => return Outcome::Reset(number(&payload)),
                (GOAWAY, _) if number(&payload[4..]) != 0 => {
                    return Outcome::GoAway(number(&payload[4..]));
                }
                _ => {}
            }
        }
    }

    async fn frame(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        let reading = async {
            self.0.read_exact(&mut head).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            self.0.read_exact(&mut payload).await?;
            Ok(payload)
        };
        let read: io::Result<Vec<u8>> = timeout(PATIENCE, reading).await?;
        let payload = read?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Ok((head[3], head[4], stream, payload))
    }
}

/// Literals, one behind the other.
pub(crate) fn block(fields: Fields<'_>) -> Vec<u8> {
    let literals = fields.iter().map(|(name, value)| literal(name, value));
    literals.collect::<Vec<_>>().concat()
}

fn number(octets: &[u8]) -> u32 {
    octets
        .iter()
        .take(4)
        .fold(0, |sum, octet| (sum << 8) | u32::from(*octet))
}

/// RFC 7541 section 6.2.2: a literal without indexing, with a new name, not compressed.
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        length(&mut field, text.len());
        field.extend(text);
    }
    field
}

fn length(out: &mut Vec<u8>, length: usize) {
    if length < 127 {
        out.extend(u8::try_from(length));
        return;
    }
    out.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        out.extend(u8::try_from(rest % 128 + 128));
        rest /= 128;
    }
    out.extend(u8::try_from(rest));
}

/// The status comes first in every answer's header block.
fn status(block: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    let first = block[0];
    if (0x88..=0x8e).contains(&first) {
        return INDEXED[usize::from(first - 0x88)];
    }
    // A literal with the name from the static table (index 8), then a value of three digits.
    let huffman = block[1] & 0x80 != 0;
    let value = &block[2..2 + usize::from(block[1] & 0x7f)];
    let digits = if huffman {
        unpacked(value)
    } else {
        value.to_vec()
    };
    String::from_utf8(digits).unwrap().parse().unwrap()
}

/// Digits of RFC 7541's code: five bits for 0 to 2, six for 3 to 9.
fn unpacked(packed: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = packed
        .iter()
        .flat_map(|octet| (0..8).rev().map(move |bit| (octet >> bit) & 1))
        .collect();
    let code = |bits: &[u8]| bits.iter().fold(0, |sum, bit| (sum << 1) | bit);
    let mut rest = bits.as_slice();
    let mut digits = Vec::new();
    while digits.len() < 3 {
        let short = code(&rest[..5]);
        let (digit, taken) = if short <= 2 {
            (short, 5)
        } else {
            (code(&rest[..6]) - 0x19 + 3, 6)
        };
        digits.push(b'0' + digit);
        rest = &rest[taken..];
    }
    digits
}
