//! Where the gateway listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use postern_policy::config::ConfigError;
use toml::Spanned;

use super::error;

/// An address and port, or a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address with a port.
    Tcp(SocketAddr),
    /// A socket in the file system, which `cloudflared` connects to.
    Unix(PathBuf),
}

impl ListenAddress {
    /// The address and port, where it has one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Checks `listen`; a relative path counts from `base`.
pub(super) fn listen(
    value: &Spanned<String>,
    base: &Path,
) -> Result<ListenAddress, Vec<ConfigError>> {
    let text = value.get_ref();
    if let Some(path) = text.strip_prefix(UNIX).filter(|path| !path.is_empty()) {
        return Ok(ListenAddress::Unix(base.join(path)));
    }
    text.parse().map(ListenAddress::Tcp).map_err(|_| {
        let message = format!("`listen` is {text:?}, which is not an address with a port");
        let hint = "write an IP address and a port: listen = \"0.0.0.0:8443\"; for cloudflared \
                    also \"unix:/path\"";
        error(value, message, hint)
    })
}

/// Checks an address for plain HTTP: whoever reaches it needs no certificate, and answers can be
/// altered on the way, so it is this machine's alone.
pub(super) fn loopback(
    setting: &str,
    value: Option<&Spanned<String>>,
    hint: &str,
) -> Result<Option<SocketAddr>, Vec<ConfigError>> {
    let Some(value) = value else { return Ok(None) };
    let address: Option<SocketAddr> = value.get_ref().parse().ok();
    match address.filter(|address| address.ip().is_loopback()) {
        Some(address) => Ok(Some(address)),
        None => {
            let text = value.get_ref();
            let message =
                format!("`{setting}` is {text:?}, which is not a loopback address with a port");
            Err(error(value, message, hint))
        }
    }
}

const UNIX: &str = "unix:";
