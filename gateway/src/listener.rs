//! The listening socket, on an address or in the file system.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket as RawSocket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::settings::ListenAddress;

/// What accepts clients.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// None where systemd made it: then systemd removes it.
        _file: Option<SocketFile>,
    },
}

/// One accepted client.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket's file; gone with the listener.
pub(crate) struct SocketFile(PathBuf);

impl Listener {
    /// Takes the socket that systemd listens on for us, or listens. One that is passed stays open
    /// while the gateway restarts, so that no client is turned away meanwhile.
    pub(crate) fn open(address: &ListenAddress) -> io::Result<(Self, ListenAddress)> {
        let mut passed = ListenFd::from_env();
        match (passed.len(), address) {
            (0, _) => Self::bind(address),
            (1, ListenAddress::Tcp(wanted)) => {
                let listener = passed.take_tcp_listener(0)?.ok_or_else(nothing_passed)?;
                let real = listener.local_addr()?;
                if real != *wanted {
                    return Err(other_socket(real));
                }
                listener.set_nonblocking(true)?;
                let listener = TcpListener::from_std(listener)?;
                Ok((Self::Tcp(listener), address.clone()))
            }
            (1, ListenAddress::Unix(wanted)) => {
                let listener = passed.take_unix_listener(0)?.ok_or_else(nothing_passed)?;
                let real = listener.local_addr()?;
                if real.as_pathname() != Some(wanted) {
                    return Err(other_socket(format!("{real:?}")));
                }
                listener.set_nonblocking(true)?;
                let listener = UnixListener::from_std(listener)?;
                let _file = None;
                Ok((Self::Unix { listener, _file }, address.clone()))
            }
            (count, _) => Err(io::Error::other(format!(
                "systemd passed {count} sockets, and the gateway has one: check the .socket unit"
            ))),
        }
    }

    /// Listens; the address told has the real port where 0 was asked for.
    pub(crate) fn bind(address: &ListenAddress) -> io::Result<(Self, ListenAddress)> {
        match address {
            ListenAddress::Tcp(address) => {
                let domain = Domain::for_address(*address);
                let socket = RawSocket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
                socket.set_reuse_address(true)?;
                socket.set_nonblocking(true)?;
                socket.bind(&(*address).into())?;
                socket.listen(BACKLOG)?;
                let listener = TcpListener::from_std(socket.into())?;
                let address = ListenAddress::Tcp(listener.local_addr()?);
                Ok((Self::Tcp(listener), address))
            }
            ListenAddress::Unix(path) => {
                remove_stale(path)?;
                let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.set_nonblocking(true)?;
                socket.bind(&SockAddr::unix(path)?)?;
                let _file = Some(SocketFile(path.clone()));
                // Before anybody can connect: nobody could until `listen`.
                fs::set_permissions(path, fs::Permissions::from_mode(OWNER_AND_GROUP))?;
                socket.listen(BACKLOG)?;
                let listener = UnixListener::from_std(socket.into())?;
                Ok((Self::Unix { listener, _file }, address.clone()))
            }
        }
    }

    /// Waits for a client. Whoever can open a Unix socket is on this machine.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, IpAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, address) = listener.accept().await?;
                prepare(&socket);
                Ok((Socket::Tcp(socket), address.ip().to_canonical()))
            }
            Self::Unix { listener, .. } => {
                let (socket, _) = listener.accept().await?;
                Ok((Socket::Unix(socket), Ipv4Addr::LOCALHOST.into()))
            }
        }
    }
}

fn nothing_passed() -> io::Error {
    io::Error::other("systemd passed something that is no socket to listen on")
}

fn other_socket(real: impl fmt::Display) -> io::Error {
    io::Error::other(format!(
        "systemd passed the socket of {real}: `listen` and the .socket unit must name the same"
    ))
}

/// A socket that nobody answers on was left behind; one that somebody does stays.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket && BlockingUnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn prepare(socket: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE);
    let outcome = socket
        .set_nodelay(true)
        .and_then(|()| SockRef::from(socket).set_tcp_keepalive(&keepalive));
    if let Err(error) = outcome {
        tracing::debug!("a socket keeps its default options: {error}");
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!("cannot remove {}: {error}", self.0.display());
        }
    }
}

const BACKLOG: i32 = 1024;
const KEEPALIVE: Duration = Duration::from_secs(30);
/// `cloudflared` usually runs as a user of its own, in a group with this one.
const OWNER_AND_GROUP: u32 = 0o660;
