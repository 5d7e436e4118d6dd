//! Where permitted requests go.

use std::{fmt, path::PathBuf, time::Duration};

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use crate::{HostName, HostNameError};

/// How an upstream is connected to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Scheme {
    /// Over TCP.
    Http,
    /// Over TLS, the server's certificate checked.
    Https,
}

/// An upstream server: `http://host[:port]` or `https://host[:port]`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Upstream {
    scheme: Scheme,
    host: HostName,
    port: u16,
}

/// Which HTTP an upstream is spoken to in.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamProtocol {
    /// Over TLS what both sides prefer (ALPN), else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, without TLS by prior knowledge (RFC 9113 section 3.3).
    H2,
}

/// Where the requests of one application go, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpstreamGroup {
    servers: Vec<Upstream>,
    protocol: UpstreamProtocol,
    tls: UpstreamTlsFiles,
    health: Option<UpstreamHealth>,
}

/// How it is found out that a server is well before a request is sent to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpstreamHealth {
    /// What is asked for; an answer of 2xx is health.
    pub path: String,
    /// How often.
    pub every: Duration,
}

/// What TLS with an upstream needs beyond its URL; the gateway reads the files.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UpstreamTlsFiles {
    /// The CA certificates that the upstream's must lead to, PEM; without them the system's.
    pub trust: Option<Spanned<PathBuf>>,
    /// The name that its certificate must have, and that is asked for (SNI), in place of the URL's.
    pub name: Option<Spanned<HostName>>,
    /// The certificate shown to it, PEM, and the key.
    pub identity: Option<(Spanned<PathBuf>, Spanned<PathBuf>)>,
}

impl UpstreamGroup {
    /// Servers that are as good as each other, and how TLS with them works where their URLs say so.
    pub fn new(servers: Vec<Upstream>, tls: UpstreamTlsFiles) -> Result<Self, UpstreamGroupError> {
        let first = servers.first().ok_or(UpstreamGroupError::Empty)?;
        if let Some(other) = servers.iter().find(|other| other.scheme != first.scheme) {
            return Err(UpstreamGroupError::Schemes {
                first: first.clone(),
                other: other.clone(),
            });
        }
        let twice = servers
            .iter()
            .enumerate()
            .find(|(place, server)| servers.iter().take(*place).any(|one| one == *server));
        if let Some((_, server)) = twice {
            return Err(UpstreamGroupError::Twice {
                server: server.clone(),
            });
        }
        Ok(Self {
            servers,
            protocol: UpstreamProtocol::Auto,
            tls,
            health: None,
        })
    }

    /// Speaks this HTTP.
    pub fn with_protocol(self, protocol: UpstreamProtocol) -> Self {
        Self { protocol, ..self }
    }

    /// Asks its servers whether they are well.
    pub fn with_health(self, health: Option<UpstreamHealth>) -> Self {
        Self { health, ..self }
    }

    /// How its servers are asked whether they are well, if they are.
    pub fn health(&self) -> Option<&UpstreamHealth> {
        self.health.as_ref()
    }

    /// Which HTTP is spoken.
    pub fn protocol(&self) -> UpstreamProtocol {
        self.protocol
    }

    /// The servers, at least one.
    pub fn servers(&self) -> &[Upstream] {
        &self.servers
    }

    /// What TLS needs; nothing where it is not spoken.
    pub fn tls(&self) -> Option<&UpstreamTlsFiles> {
        match self.servers.first()?.scheme {
            Scheme::Http => None,
            Scheme::Https => Some(&self.tls),
        }
    }
}

impl Scheme {
    /// As it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Upstream {
    /// Reads `http://host[:port]` or `https://host[:port]`.
    pub fn parse(text: &str) -> Result<Self, UpstreamError> {
        let Some((scheme, authority)) = text.split_once("://") else {
            return Err(UpstreamError::NoScheme { text: text.into() });
        };
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => {
                return Err(UpstreamError::Scheme {
                    scheme: scheme.into(),
                });
            }
        };
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(UpstreamError::NotOnlyHost { text: text.into() });
        }
        let (host, port) = HostName::parse_with_port(authority)?;
        if port == Some(0) {
            return Err(UpstreamError::PortZero);
        }
        Ok(Self {
            scheme,
            host,
            port: port.unwrap_or(scheme.default_port()),
        })
    }

    /// Whether TLS is spoken.
    pub fn scheme(&self) -> Scheme {
        self.scheme
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
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}

/// Why servers are not the upstreams of one application.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum UpstreamGroupError {
    /// There is none.
    #[error("`upstream` must not be an empty list")]
    Empty,
    /// Some speak TLS, some do not.
    #[error(
        "the upstreams of one application all speak TLS or none of them does: {first}, {other}"
    )]
    Schemes {
        /// The first one.
        first: Upstream,
        /// One that differs.
        other: Upstream,
    },
    /// One is named twice.
    #[error("{server} is named twice")]
    Twice {
        /// That one.
        server: Upstream,
    },
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
    /// Neither `http` nor `https`.
    #[error("upstreams are reached over `http://` or `https://`, not over `{scheme}://`")]
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
    fn https_has_a_port_of_its_own() {
        let upstream = Upstream::parse("https://backend.example").unwrap();
        assert_eq!(upstream.scheme(), Scheme::Https);
        assert_eq!(upstream.to_string(), "https://backend.example:443");
    }

    #[test]
    fn other_schemes_say_what_is_supported() {
        let message = Upstream::parse("h2c://backend").unwrap_err().to_string();
        assert_eq!(
            message,
            "upstreams are reached over `http://` or `https://`, not over `h2c://`"
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
