//! What is tested: one URL, and the address behind it.

use std::net::{SocketAddr, ToSocketAddrs as _};

use http::Uri;
use rustls_pki_types::ServerName;

/// An `https://` URL with the address that it leads to.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// As in a URL: `host` or `host:port`.
    pub(crate) authority: String,
    /// The path that a good client may have.
    pub(crate) path: String,
    /// For SNI and for the server's certificate.
    pub(crate) name: ServerName<'static>,
    /// Where to connect.
    pub(crate) address: SocketAddr,
    port: u16,
}

impl Target {
    /// Reads the URL; `connect_to` stands in for what the name resolves to.
    pub(crate) fn parse(url: &str, connect_to: Option<SocketAddr>) -> Result<Self, String> {
        let shape = || format!("{url:?} is not https://HOST:PORT[/PATH]");
        let uri: Uri = url.parse().map_err(|_| shape())?;
        let host = uri.host().ok_or_else(shape)?;
        let user_info = uri.authority().is_some_and(|it| it.as_str().contains('@'));
        if uri.scheme_str() != Some("https") || user_info {
            return Err(shape());
        }
        let port = uri.port_u16().unwrap_or(HTTPS);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| shape())?;
        let address = match connect_to {
            Some(address) => address,
            None => resolve(bare, port)?,
        };
        let authority = match port {
            HTTPS => host.to_owned(),
            port => format!("{host}:{port}"),
        };
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        Ok(Self {
            authority,
            path: path.to_owned(),
            name,
            address,
            port,
        })
    }

    /// What a person types to say that this target, and no other, is meant.
    pub(crate) fn typed(&self) -> String {
        format!("{}:{}", self.name.to_str(), self.port)
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// The authority of another host on the same port.
    pub(crate) fn authority_of(&self, host: &str) -> String {
        match self.port {
            HTTPS => host.to_owned(),
            port => format!("{host}:{port}"),
        }
    }
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    let found = (host, port).to_socket_addrs();
    found
        .map_err(|error| format!("cannot resolve {host}: {error}"))?
        .next()
        .ok_or_else(|| format!("{host} resolves to no address"))
}

const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_urls_of_a_host_are_targets() {
        for bad in [
            "http://localhost:1/",
            "localhost:443",
            "https://a@localhost/",
            "https://",
        ] {
            assert!(Target::parse(bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_of_this_machine_is_loopback_whatever_its_name() {
        let here = Some(SocketAddr::from(([127, 0, 0, 1], 8443)));
        let target = Target::parse("https://gw.example.com:9443/in?x=1", here).unwrap();
        assert!(target.is_loopback());
        assert_eq!(target.typed(), "gw.example.com:9443");
        assert_eq!(target.authority, "gw.example.com:9443");
        assert_eq!(target.path, "/in?x=1");
        let there = Some(SocketAddr::from(([192, 0, 2, 1], 443)));
        let target = Target::parse("https://gw.example.com", there).unwrap();
        assert!(!target.is_loopback());
        assert_eq!(
            (target.typed(), target.path),
            ("gw.example.com:443".into(), "/".into())
        );
    }
}
