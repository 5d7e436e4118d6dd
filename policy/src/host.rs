//! Host names: one reading for the SNI, `Host`, `:authority` and the configuration file.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host in its one spelling: lower case, without port and without the dot of the root.
///
/// Two texts name the same host exactly if their `HostName`s are equal; nothing else in Postern
/// compares hosts.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostName(String);

impl HostName {
    /// Reads a host as it stands in an SNI, a `Host` header or an `:authority`; a port is read and
    /// dropped.
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        Self::parse_with_port(text).map(|(host, _)| host)
    }

    /// Reads a host and the port behind it, if there is one.
    pub fn parse_with_port(text: &str) -> Result<(Self, Option<u16>), HostNameError> {
        if text.contains('@') {
            return Err(HostNameError::UserInfo);
        }
        let (host, port) = split_port(text)?;
        let host = match host.strip_prefix('[') {
            Some(literal) => ipv6(literal)?,
            None => name(host)?,
        };
        Ok((Self(host), port))
    }

    /// The host as text; an IPv6 literal in brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, if the host is an address literal.
    pub fn ip(&self) -> Option<IpAddr> {
        self.unbracketed().parse().ok()
    }

    /// The name without the brackets of an IPv6 literal, as sockets and certificates have it.
    pub fn unbracketed(&self) -> &str {
        self.0.trim_start_matches('[').trim_end_matches(']')
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        Self::parse(text)
    }
}

impl Serialize for HostName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), HostNameError> {
    // The colons within an IPv6 literal are not a port's.
    let after_literal = text.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = text[after_literal..].find(':') else {
        return Ok((text, None));
    };
    let (host, port) = text.split_at(after_literal + colon);
    // `u16::from_str` would also take `+443`.
    let digits = port
        .get(1..)
        .filter(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    match digits.and_then(|p| p.parse().ok()) {
        Some(port) => Ok((host, Some(port))),
        None => Err(HostNameError::Port {
            port: port.get(1..).unwrap_or_default().into(),
        }),
    }
}

fn ipv6(literal: &str) -> Result<String, HostNameError> {
    let inner = literal.strip_suffix(']');
    let address = inner.and_then(|address| address.parse::<Ipv6Addr>().ok());
    address
        .map(|address| format!("[{address}]"))
        .ok_or(HostNameError::Ipv6Literal)
}

fn name(host: &str) -> Result<String, HostNameError> {
    // The root's dot, once: `example.com..` has an empty label.
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() {
        return Err(HostNameError::Empty);
    }
    if host.contains('*') {
        return Err(HostNameError::Wildcard);
    }
    if let Some(character) = host.chars().find(|&c| !is_name_character(c)) {
        return Err(HostNameError::Character { character });
    }
    if host.len() > MAX_NAME || host.split('.').any(|label| label.len() > MAX_LABEL) {
        return Err(HostNameError::TooLong);
    }
    if host.split('.').any(str::is_empty) {
        return Err(HostNameError::EmptyLabel);
    }
    // No top-level domain is a number, so `127.1` or `0300.0.0.1` is an address that resolvers read
    // in more than one way.
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) && host.parse::<Ipv4Addr>().is_err() {
        return Err(HostNameError::Ipv4Literal);
    }
    Ok(host.to_ascii_lowercase())
}

fn is_name_character(c: char) -> bool {
    // The underscore is no host name's by RFC 1123, but container networks use it.
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Why a text is not a host.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum HostNameError {
    /// There is nothing in it.
    #[error("a host must not be empty")]
    Empty,
    /// A name and `@` stand before the host.
    #[error("a host must not carry user information (`user@host`)")]
    UserInfo,
    /// Something that is no port follows the `:`.
    #[error("`{}` is not a port", .port.escape_debug())]
    Port {
        /// What was written.
        port: String,
    },
    /// Wildcards are not hosts.
    #[error("a host is one name without `*`: write every host out")]
    Wildcard,
    /// A character that host names do not have.
    #[error("a host must not hold the character `{}`; write an international name in its `xn--` form", .character.escape_debug())]
    Character {
        /// The first such character.
        character: char,
    },
    /// Two dots in a row, or one at the start.
    #[error("a host must not have an empty label (two dots in a row, or one at the start)")]
    EmptyLabel,
    /// Longer than DNS allows.
    #[error("a host has at most {MAX_NAME} characters, and {MAX_LABEL} between two dots")]
    TooLong,
    /// Ends in a number and is not an IPv4 address.
    #[error("a host that ends in a number must be an IPv4 address of four plain decimal numbers")]
    Ipv4Literal,
    /// Brackets without an IPv6 address between them.
    #[error("what stands in brackets must be an IPv6 address without a zone")]
    Ipv6Literal,
}

#[cfg(test)]
mod tests;
