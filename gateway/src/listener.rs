//! The listening socket, on an address or in the file system.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket as RawSocket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::settings::ListenAddress;

/// What accepts clients.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        _file: SocketFile,
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
                let _file = SocketFile(path.clone());
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
