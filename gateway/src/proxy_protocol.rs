//! The PROXY protocol, versions 1 and 2: whose connection a load balancer passes on.
//!
//! Read from balancers that are listed, and from nobody else: whoever writes such a header says who
//! they are. Exactly its octets are taken from the socket; those behind it are the client's.

use std::io;
use std::net::IpAddr;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Why a balancer's connection has no header that could be believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyHeaderError {
    /// Nothing came, or not all of it: a probe, or a balancer that changed its mind.
    #[error("the connection ended in its PROXY header: {0}")]
    Gone(#[from] io::Error),
    #[error(
        "{0} is listed in `proxy_protocol` and its connection begins without a PROXY header; \
         switch it on there, or take the address off the list"
    )]
    Missing(IpAddr),
    #[error("the PROXY header has more than {0} octets")]
    TooLong(usize),
    #[error("the PROXY header is invalid: {0}")]
    Invalid(#[from] proxy_header::Error),
    #[error("the PROXY header is not about a TCP connection")]
    NotTcp,
}

/// Reads the header that `balancer` begins its connection with: the client's address, or none where
/// the connection is the balancer's own (LOCAL, UNKNOWN).
pub(crate) async fn read(
    socket: &mut TcpStream,
    balancer: IpAddr,
) -> Result<Option<IpAddr>, ProxyHeaderError> {
    let mut start = [0; SIGNATURE.len()];
    socket.read_exact(&mut start).await?;
    let mut header = start.to_vec();
    if start == SIGNATURE {
        rest_of_version_2(socket, &mut header).await?;
    } else if start.starts_with(VERSION_1) {
        rest_of_version_1(socket, &mut header).await?;
    } else {
        return Err(ProxyHeaderError::Missing(balancer));
    }
    parse(&header)
}

/// Four octets, the last two of which count the rest.
async fn rest_of_version_2(
    socket: &mut TcpStream,
    header: &mut Vec<u8>,
) -> Result<(), ProxyHeaderError> {
    let mut fixed = [0; 4];
    socket.read_exact(&mut fixed).await?;
    header.extend(fixed);
    let [_, _, length @ ..] = fixed;
    let end = header.len() + usize::from(u16::from_be_bytes(length));
    if end > VERSION_2_MAX {
        return Err(ProxyHeaderError::TooLong(VERSION_2_MAX));
    }
    let mut rest = vec![0; end - header.len()];
    socket.read_exact(&mut rest).await?;
    header.append(&mut rest);
    Ok(())
}

/// A line. It is looked at before it is taken, so that nothing behind its end is.
async fn rest_of_version_1(
    socket: &mut TcpStream,
    header: &mut Vec<u8>,
) -> Result<(), ProxyHeaderError> {
    while header.len() < VERSION_1_MAX {
        let mut ahead = vec![0; VERSION_1_MAX - header.len()];
        let seen = socket.peek(&mut ahead).await?;
        if seen == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        ahead.truncate(seen);
        let end = ahead.iter().position(|octet| *octet == b'\n');
        ahead.truncate(end.map_or(seen, |end| end + 1));
        socket.read_exact(&mut ahead).await?;
        header.append(&mut ahead);
        if end.is_some() {
            return Ok(());
        }
    }
    Err(ProxyHeaderError::TooLong(VERSION_1_MAX))
}

/// Of a whole header.
fn parse(octets: &[u8]) -> Result<Option<IpAddr>, ProxyHeaderError> {
    let config = ParseConfig {
        include_tlvs: false,
        ..ParseConfig::default()
    };
    let (header, length) = ProxyHeader::parse(octets, config)?;
    if length != octets.len() {
        return Err(proxy_header::Error::Invalid.into());
    }
    match header.proxied_address() {
        None => Ok(None),
        Some(proxied) if proxied.protocol == Protocol::Stream => {
            Ok(Some(proxied.source.ip().to_canonical()))
        }
        Some(_) => Err(ProxyHeaderError::NotTcp),
    }
}

/// No header of either version is shorter.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const VERSION_1: &[u8] = b"PROXY ";
/// With the line's end: the protocol's section 2.1.
const VERSION_1_MAX: usize = 107;
/// Addresses need 52 octets; what else a balancer tells (TLVs) is skipped.
const VERSION_2_MAX: usize = 2048;

#[cfg(test)]
mod tests;
