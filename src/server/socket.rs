//! TCP and Unix sockets behind one type, and their addresses.
//!
//! A Unix client is bound to a path before it connects, in the directory of the server, and the file is
//! unlinked at once. So the client has a name that the server sees, and both ends of a connection can be
//! matched, as with TCP. The name lives on in the two sockets only; no file remains.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Async;
use futures_lite::{AsyncRead, AsyncWrite};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix};

use crate::host::SleepFuture;
use crate::sys;

/// The length of the accept queue, where the system allows it, so that many clients can connect at once.
const BACKLOG: i32 = 4096;

/// The delay before a Unix client tries again to connect to a full accept queue. The system has no
/// event for "there is room now".
const QUEUE_FULL_DELAY: Duration = Duration::from_millis(1);

/// The address of one end of a connection, or of a server.
///
/// A client that [`TidyServer::connect`](crate::TidyServer::connect) makes has an address of its own, with
/// TCP and with Unix sockets. So the ends of a connection can be matched: the
/// [`peer`](super::TidyStream::peer) of one end is the [`local`](super::TidyStream::local) address of the
/// other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A path. The path of a client no longer exists in the file system.
    Unix(PathBuf),
    /// A Unix socket without a path: a client that was not made by the server's handle.
    Unnamed,
}

impl From<unix::net::SocketAddr> for Endpoint {
    fn from(address: unix::net::SocketAddr) -> Self {
        address.as_pathname().map_or(Self::Unnamed, |path| Self::Unix(path.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
            Self::Unnamed => f.write_str("an unnamed socket"),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(Async<TcpListener>),
    Unix(Async<UnixListener>),
}

impl Listener {
    pub(super) fn tcp(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(Self::Tcp(Async::new(listener)?))
    }

    pub(super) fn unix(path: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(Self::Unix(Async::new(listener)?))
    }

    /// Returns the address of the listener, with the port that the system has chosen.
    pub(super) fn endpoint(&self) -> io::Result<Endpoint> {
        match self {
            Self::Tcp(listener) => listener.get_ref().local_addr().map(Endpoint::Tcp),
            Self::Unix(listener) => listener.get_ref().local_addr().map(Endpoint::from),
        }
    }

    /// Polls for the next connection, and returns it with the address of the client.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Endpoint)>> {
        loop {
            match self.accept() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.poll_readable(cx))?,
                done => return Poll::Ready(done),
            }
        }
    }

    fn accept(&self) -> io::Result<(Socket, Endpoint)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.get_ref().accept()?;
                Ok((Socket::tcp(Async::new(stream)?)?, Endpoint::Tcp(peer)))
            }
            Self::Unix(listener) => {
                let (stream, peer) = listener.get_ref().accept()?;
                Ok((Socket::Unix(Async::new(stream)?), peer.into()))
            }
        }
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(listener) => listener.poll_readable(cx),
            Self::Unix(listener) => listener.poll_readable(cx),
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(Async<TcpStream>),
    Unix(Async<UnixStream>),
}

impl Socket {
    /// Connects to a TCP server. Also returns the local address, which the system chooses.
    pub(super) async fn connect_tcp(server: SocketAddr) -> io::Result<(Self, Endpoint)> {
        let stream = Async::<TcpStream>::connect(server).await?;
        let local = stream.get_ref().local_addr()?;
        Ok((Self::tcp(stream)?, Endpoint::Tcp(local)))
    }

    /// Creates a Unix socket for a client, bound to the path `name`. The file is removed before this returns.
    pub(super) fn named_unix(name: &Path) -> io::Result<OwnedFd> {
        let socket = sys::stream_socket(AddressFamily::UNIX)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(name)?)?;
        fs::remove_file(name)?;
        Ok(socket)
    }

    /// Connects `socket` to the Unix socket at `server`. While the accept queue is full it tries again, after
    /// a `sleep`.
    pub(super) async fn connect_unix(
        socket: OwnedFd,
        server: &Path,
        sleep: impl Fn(Duration) -> SleepFuture,
    ) -> io::Result<Self> {
        let server = SocketAddrUnix::new(server)?;
        loop {
            match rustix::net::connect(&socket, &server) {
                Ok(()) => return Ok(Self::Unix(Async::new(UnixStream::from(socket))?)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => sleep(QUEUE_FULL_DELAY).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Wraps a TCP stream. Small packets are sent at once, because a test waits for each answer.
    fn tcp(stream: Async<TcpStream>) -> io::Result<Self> {
        // Some systems fail here if the peer has disconnected; the next read reports that better.
        let _ = stream.get_ref().set_nodelay(true);
        Ok(Self::Tcp(stream))
    }

    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(&mut &*stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(&mut &*stream).poll_read(cx, buf),
        }
    }

    pub(super) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(&mut &*stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(&mut &*stream).poll_write(cx, buf),
        }
    }

    /// Closes the direction from here to the peer. It is no error if the peer has disconnected.
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        let shut_down = match self {
            Self::Tcp(stream) => stream.get_ref().shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.get_ref().shutdown(Shutdown::Write),
        };
        shut_down
            .or_else(|error| if error.kind() == io::ErrorKind::NotConnected { Ok(()) } else { Err(error) })
    }

    /// Returns up to `limit` bytes that have arrived and were not read, and whether they were all.
    pub(super) fn drain(&self, limit: u64) -> (Vec<u8>, bool) {
        let mut unread = Vec::new();
        let read = match self {
            Self::Tcp(stream) => stream.get_ref().take(limit).read_to_end(&mut unread),
            Self::Unix(stream) => stream.get_ref().take(limit).read_to_end(&mut unread),
        };
        // The bytes before an error are in the buffer.
        let is_complete = read.is_ok_and(|count| (count as u64) < limit);
        (unread, is_complete)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_lite::future::{block_on, poll_once};

    use super::*;
    use crate::host::Host;
    use crate::testkit::Sim;

    #[test]
    fn a_client_of_a_full_accept_queue_tries_again_in_virtual_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: usize| directory.path().join(name.to_string());
        let server = path(0);
        let listener = Listener::unix(&server).unwrap();
        let Listener::Unix(socket) = &listener else { unreachable!("a Unix listener") };
        rustix::net::listen(socket, 0).unwrap();
        let sim = Sim::new();
        let client = |name| {
            let socket = Socket::named_unix(&path(name)).unwrap();
            Socket::connect_unix(socket, &server, |delay| sim.sleep_until(sim.now() + delay))
        };
        let accept = || block_on(poll_fn(|cx| listener.poll_accept(cx))).unwrap().1;
        // Linux admits one more client than the length of the queue.
        let _first = block_on(client(1)).unwrap();
        let mut second = Box::pin(client(2));
        for _ in 0..3 {
            assert!(block_on(poll_once(&mut second)).is_none(), "the queue is full");
            sim.advance(QUEUE_FULL_DELAY);
        }
        assert_eq!(accept(), Endpoint::Unix(path(1)));
        assert!(block_on(poll_once(&mut second)).is_some_and(|connected| connected.is_ok()));
        assert_eq!(accept(), Endpoint::Unix(path(2)));
        let files: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files, std::slice::from_ref(&server));
    }
}
