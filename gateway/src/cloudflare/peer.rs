//! Whether the other end of a connection is Cloudflare.

use std::fmt;
use std::net::IpAddr;

use rustls_pki_types::CertificateDer;

use crate::networks::Networks;

/// How Cloudflare is told from everybody else: `peer` in the configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CloudflarePeer {
    /// It connects from one of these networks.
    Addresses(Networks),
    /// It shows a certificate that leads to one of these: authenticated origin pulls.
    OriginPull(Vec<CertificateDer<'static>>),
    /// It is `cloudflared` on this machine.
    Tunnel,
}

impl CloudflarePeer {
    /// Whether it may connect from here; asked before the first octet is read.
    pub(crate) fn admits(&self, address: IpAddr) -> bool {
        match self {
            // Its certificate is asked for in the handshake.
            Self::OriginPull(_) => true,
            Self::Addresses(_) | Self::Tunnel => self.is_known_by(address),
        }
    }

    /// Whether the address alone tells it.
    pub(crate) fn is_known_by(&self, address: IpAddr) -> bool {
        match self {
            Self::Addresses(networks) => networks.contains(address),
            Self::OriginPull(_) => false,
            Self::Tunnel => address.is_loopback(),
        }
    }
}

impl fmt::Display for CloudflarePeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses(networks) => write!(f, "addresses of {} networks", networks.len()),
            Self::OriginPull(_) => f.write_str("origin-pull certificate"),
            Self::Tunnel => f.write_str("tunnel"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_a_network_and_a_tunnel_is_on_this_machine() {
        let networks = vec!["173.245.48.0/20".parse().unwrap()];
        let addresses = CloudflarePeer::Addresses(networks.into());
        let admits = |peer: &CloudflarePeer, address: &str| peer.admits(address.parse().unwrap());
        assert!(admits(&addresses, "173.245.48.9"));
        assert!(!admits(&addresses, "173.245.64.0") && !admits(&addresses, "127.0.0.1"));
        assert!(admits(&CloudflarePeer::Tunnel, "127.0.0.1"));
        assert!(admits(&CloudflarePeer::Tunnel, "::1"));
        assert!(!admits(&CloudflarePeer::Tunnel, "173.245.48.9"));
    }
}
