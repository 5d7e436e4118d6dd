//! Where permitted requests go.

use std::fmt;

use thiserror::Error;

use crate::{HostName, HostNameError};

const DEFAULT_PORT: u16 = 80;

/// An upstream server: `http://host` or `http://host:port`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Upstream {
    host: HostName,
    port: u16,
}

impl Upstream {
    /// Reads `http://host[:port]`; this version speaks to nothing else.
    pub fn parse(text: &str) -> Result<Self, UpstreamError> {
        let Some((scheme, authority)) = text.split_once("://") else {
            return Err(UpstreamError::NoScheme { text: text.into() });
        };
        if scheme != "http" {
            return Err(UpstreamError::Scheme {
                scheme: scheme.into(),
            });
        }
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(UpstreamError::NotOnlyHost { text: text.into() });
        }
        let (host, port) = HostName::parse_with_port(authority)?;
        if port == Some(0) {
            return Err(UpstreamError::PortZero);
        }
        Ok(Self {
            host,
            port: port.unwrap_or(DEFAULT_PORT),
        })
    }

    /// The upstream's host.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// The upstream's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What to connect to: the host without the brackets of an IPv6 literal, and the port.
    pub fn address(&self) -> (&str, u16) {
        (self.host.unbracketed(), self.port)
    }

    /// `host:port`, for `Host` and URIs.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

/// Why a text is not an upstream.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum UpstreamError {
    /// It does not begin with a scheme.
    #[error("`{text}` is not a URL: write `http://host:port`")]
    NoScheme {
        /// What was written.
        text: String,
    },
    /// Another scheme than `http`.
    #[error(
        "upstreams are reached over plain `http://` in this version, `{scheme}://` is not supported yet"
    )]
    Scheme {
        /// What was written.
        scheme: String,
    },
    /// It holds more than host and port.
    #[error(
        "`{text}` holds more than a host and a port: write `http://host:port`; the client's path is kept as it is"
    )]
    NotOnlyHost {
        /// What was written.
        text: String,
    },
    /// Nothing listens on port 0.
    #[error("port 0 is not a port to connect to")]
    PortZero,
    /// The host is none.
    #[error(transparent)]
    Host(#[from] HostNameError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_an_upstream() {
        let upstream = Upstream::parse("http://127.0.0.1:9000").unwrap();
        assert_eq!(upstream.address(), ("127.0.0.1", 9000));
        assert_eq!(
            Upstream::parse("http://backend_1").unwrap().authority(),
            "backend_1:80"
        );
        let v6 = Upstream::parse("http://[::1]:9000").unwrap();
        assert_eq!(
            (v6.address(), v6.authority().as_str()),
            (("::1", 9000), "[::1]:9000")
        );
        assert_eq!(v6.to_string(), "http://[::1]:9000");
    }

    #[test]
    fn other_schemes_say_what_is_supported() {
        let message = Upstream::parse("https://backend").unwrap_err().to_string();
        assert_eq!(
            message,
            "upstreams are reached over plain `http://` in this version, `https://` is not supported yet"
        );
        assert!(matches!(
            Upstream::parse("127.0.0.1:9000"),
            Err(UpstreamError::NoScheme { .. })
        ));
        assert!(matches!(
            Upstream::parse("unix:///run/x"),
            Err(UpstreamError::Scheme { .. })
        ));
    }

    #[test]
    fn path_query_userinfo_and_port_zero_are_refused() {
        for text in [
            "http://b/",
            "http://b/x",
            "http://b?x",
            "http://b#x",
            "http://b\\x",
        ] {
            assert!(
                matches!(
                    Upstream::parse(text),
                    Err(UpstreamError::NotOnlyHost { .. })
                ),
                "{text}"
            );
        }
        for text in [
            "http://u@b",
            "http://u:p@b",
            "http://",
            "http://:80",
            "http://b:99999",
            "http://*",
        ] {
            assert!(
                matches!(Upstream::parse(text), Err(UpstreamError::Host(_))),
                "{text}"
            );
        }
        assert_eq!(Upstream::parse("http://b:0"), Err(UpstreamError::PortZero));
    }
}
