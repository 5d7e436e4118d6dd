//! Just enough of HTTP/1.1 to write down what another program sent.

use std::io::{self, BufRead, Read, Write};

use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::hash::Context;

/// A request's head.
pub(crate) struct Head {
    pub(crate) line: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    fn value(&self, name: &str) -> Option<&str> {
        let field = self
            .fields
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.as_str())
    }
}

/// SHA-256 by the crypto library that is here anyway.
pub struct Sha256(Box<dyn Context>);

impl Sha256 {
    /// Of nothing so far.
    ///
    /// # Panics
    /// Never: the suite is of TLS 1.3.
    pub fn new() -> Self {
        let suite = TLS13_AES_128_GCM_SHA256
            .tls13()
            .expect("a suite of TLS 1.3");
        Self(suite.common.hash_provider.start())
    }

    /// Takes more octets in.
    pub fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    /// The digest in hex.
    pub fn finish(self) -> String {
        self.0
            .finish()
            .as_ref()
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect()
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

/// The octets that `write_pattern` writes, from `offset` on; they do not repeat every block.
pub fn pattern(offset: u64, length: usize) -> Vec<u8> {
    (offset..)
        .take(length)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0])
        .collect()
}

/// Writes `length` octets of the pattern.
pub(crate) fn write_pattern(out: &mut impl Write, length: u64) -> io::Result<()> {
    const BLOCK: u64 = 64 * 1024;
    let mut at = 0;
    while at < length {
        let take = BLOCK.min(length - at);
        out.write_all(&pattern(at, usize::try_from(take).unwrap_or(0)))?;
        at += take;
    }
    Ok(())
}

/// The next head; none where the connection ended between requests.
pub(crate) fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
    let Some(line) = read_line(reader)? else {
        return Ok(None);
    };
    Ok(Some(Head {
        line,
        fields: read_fields(reader)?,
    }))
}

fn read_fields(reader: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = read_line(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// One line, each octet one character, without its end.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let line: String = line.into_iter().map(char::from).collect();
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

type Trailers = Vec<(String, String)>;

/// The body to its end: how long it was, and its trailers.
pub(crate) fn read_body(
    reader: &mut impl BufRead,
    head: &Head,
    digest: &mut Sha256,
) -> io::Result<(u64, Trailers)> {
    if head.value("transfer-encoding").is_some() {
        return read_chunks(reader, digest);
    }
    let length = head
        .value("content-length")
        .and_then(|value| value.parse().ok())
        .unwrap_or(0);
    take(reader, length, digest)?;
    Ok((length, Vec::new()))
}

fn read_chunks(reader: &mut impl BufRead, digest: &mut Sha256) -> io::Result<(u64, Trailers)> {
    let mut total = 0;
    loop {
        let line = read_line(reader)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let length = u64::from_str_radix(&line, 16).map_err(io::Error::other)?;
        if length == 0 {
            return Ok((total, read_fields(reader)?));
        }
        take(reader, length, digest)?;
        total += length;
        read_line(reader)?;
    }
}

fn take(reader: &mut impl Read, length: u64, digest: &mut Sha256) -> io::Result<()> {
    let mut rest = length;
    let mut block = vec![0; 64 * 1024];
    while rest > 0 {
        let want = usize::try_from(rest)
            .unwrap_or(block.len())
            .min(block.len());
        let got = reader.read(&mut block[..want])?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        digest.update(&block[..got]);
        rest -= u64::try_from(got).unwrap_or(0);
    }
    Ok(())
}
