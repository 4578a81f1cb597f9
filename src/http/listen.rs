//! Where the daemon listens: an address and port, or a socket in the file system.
//!
//! Not what is served there: a listener only knows which face it shows.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use super::peer::Peer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A place to listen or to call: `127.0.0.1:8787` or `unix:/run/reengaged/api.sock`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("unix: names no path".to_owned()),
            Some(path) => Ok(Address::Unix(PathBuf::from(path))),
            None => text.parse().map(Address::Tcp).map_err(|_| format!("{text:?} is no address; 127.0.0.1:8787 or unix:/path")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What a listener shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Face {
    /// Everything; `local` where only programs on this machine can reach it.
    Everything {
        /// Only programs on this machine can reach it.
        local: bool,
    },
    /// `/hooks/*` and `/healthz` alone.
    Webhooks,
}

impl Face {
    /// Whether only programs on this machine can reach it.
    pub(super) fn local(self) -> bool {
        matches!(self, Face::Everything { local: true })
    }
}

/// A bound listener. A socket file is removed when the listener is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: Address,
    face: Face,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens for everything at `address`.
    ///
    /// # Errors
    /// One line: where, and why not.
    pub async fn everything(address: &Address) -> Result<Listener, String> {
        let local = match address {
            Address::Tcp(address) => address.ip().is_loopback(),
            Address::Unix(_) => true,
        };
        Listener::bind(address, Face::Everything { local }).await
    }

    /// Listens for provider webhooks at `address`.
    ///
    /// # Errors
    /// One line: where, and why not.
    pub async fn webhooks(address: &Address) -> Result<Listener, String> {
        Listener::bind(address, Face::Webhooks).await
    }

    async fn bind(address: &Address, face: Face) -> Result<Listener, String> {
        let bound = match address {
            Address::Tcp(at) => bind_tcp(*at).await,
            Address::Unix(path) => bind_unix(path).await.map(|socket| (Socket::Unix(socket), address.clone())),
        };
        let (socket, address) = bound.map_err(|error| format!("listening at {address}: {error}"))?;
        Ok(Listener { socket, address, face })
    }

    /// Where it listens; with the port that the system chose where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn face(&self) -> Face {
        self.face
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Answers are short: waiting to fill a packet would only delay them. A socket that refuses works all the same.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            Socket::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let (Socket::Unix(_), Address::Unix(path)) = (&self.socket, &self.address) {
            // Whoever starts next removes a stale file too.
            let _ = std::fs::remove_file(path);
        }
    }
}

async fn bind_tcp(at: SocketAddr) -> io::Result<(Socket, Address)> {
    let listener = TcpListener::bind(at).await?;
    let address = Address::Tcp(listener.local_addr()?);
    Ok((Socket::Tcp(listener), address))
}

/// Binds a socket file, mode 0660. A file that nobody listens on any more is replaced; one that is no socket never is.
async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let other = |text: &str| io::Error::other(text.to_owned());
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(other("there is a file of that name which is no socket; choose another"));
        }
        Ok(_) => match UnixStream::connect(path).await {
            Ok(_) => return Err(other("another process listens there; stop it, or choose another path")),
            Err(_) => std::fs::remove_file(path)?,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// A connection of either kind.
#[derive(Debug)]
pub(super) enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a socket file.
    Unix(UnixStream),
}

impl Stream {
    /// Who is at the other end.
    pub(super) fn peer(&self) -> Peer {
        match self {
            // A connection that ended already has no name; nobody is believed less.
            Stream::Tcp(stream) => stream.peer_addr().map_or(Peer::Unknown, |address| Peer::Tcp(address.ip().to_canonical())),
            Stream::Unix(_) => Peer::Unix,
        }
    }
}

macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $call,
            Stream::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
