//! Sockets, TCP and Unix, as one.
//!
//! A Unix client is bound before it connects, in the directory of the server, and the file is unlinked at once. So it has a
//! name, which the server sees, and both ends of a connection can be told to belong together, as with TCP. What is left of
//! the name is in the two sockets; on disk there is nothing.

use std::fs;
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::{AsyncRead, AsyncWrite};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix};

use super::endpoint::Endpoint;
use crate::sys;

/// How many may wait to be accepted, where the system allows it; a crowd of clients does not have to come again.
const BACKLOG: i32 = 4096;

/// How long a client of a Unix socket waits for room in a full backlog before it tries again: nothing tells it.
const FULL: Duration = Duration::from_millis(1);

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

    /// Where it is; the port is the one that the system has given.
    pub(super) fn endpoint(&self) -> io::Result<Endpoint> {
        match self {
            Self::Tcp(listener) => listener.get_ref().local_addr().map(Endpoint::Tcp),
            Self::Unix(listener) => listener.get_ref().local_addr().map(Endpoint::from),
        }
    }

    /// The next that wants to be connected, and who it is.
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
    /// Connects to a TCP server; with the address that the system has given to this end.
    pub(super) async fn connect_tcp(server: SocketAddr) -> io::Result<(Self, Endpoint)> {
        let stream = Async::<TcpStream>::connect(server).await?;
        let local = stream.get_ref().local_addr()?;
        Ok((Self::tcp(stream)?, Endpoint::Tcp(local)))
    }

    /// A Unix socket for a client, called `name`. There is no such file when this returns.
    pub(super) fn named_unix(name: &Path) -> io::Result<OwnedFd> {
        let socket = sys::stream_socket(AddressFamily::UNIX)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(name)?)?;
        fs::remove_file(name)?;
        Ok(socket)
    }

    /// Connects it to the Unix socket at `server`.
    pub(super) async fn connect_unix(socket: OwnedFd, server: &Path) -> io::Result<Self> {
        let server = SocketAddrUnix::new(server)?;
        loop {
            match rustix::net::connect(&socket, &server) {
                Ok(()) => return Ok(Self::Unix(Async::new(UnixStream::from(socket))?)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => drop(Timer::after(FULL).await),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What is written goes out at once: a test waits for its answer, not for a full packet.
    fn tcp(stream: Async<TcpStream>) -> io::Result<Self> {
        // A peer that has hung up already makes this fail on some systems; to read tells that better.
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

    /// Says that nothing more will be written. That the peer has gone already is no error.
    pub(super) fn finish(&self) -> io::Result<()> {
        let finished = match self {
            Self::Tcp(stream) => stream.get_ref().shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.get_ref().shutdown(Shutdown::Write),
        };
        finished
            .or_else(|error| if error.kind() == io::ErrorKind::NotConnected { Ok(()) } else { Err(error) })
    }

    /// What has come and was not read, up to `most` bytes; and whether that was all.
    pub(super) fn drain(&self, most: u64) -> (Vec<u8>, bool) {
        let mut rest = Vec::new();
        let read = match self {
            Self::Tcp(stream) => stream.get_ref().take(most).read_to_end(&mut rest),
            Self::Unix(stream) => stream.get_ref().take(most).read_to_end(&mut rest),
        };
        // An error may come after some bytes: they count.
        let is_all = read.is_ok_and(|count| (count as u64) < most);
        (rest, is_all)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_lite::future::{block_on, poll_once, zip};

    use super::*;

    #[test]
    fn clients_of_a_full_backlog_come_in_when_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: usize| directory.path().join(name.to_string());
        let server = path(0);
        let listener = Listener::unix(&server).unwrap();
        let Listener::Unix(socket) = &listener else { unreachable!("it is one") };
        rustix::net::listen(socket, 0).unwrap();
        block_on(async {
            // Linux lets one more in than it says.
            let client = |name| Socket::connect_unix(Socket::named_unix(&path(name)).unwrap(), &server);
            let first = client(1).await.unwrap();
            let mut second = Box::pin(client(2));
            assert!(poll_once(&mut second).await.is_none(), "there is no room");
            let accept = async {
                let first = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
                (first, poll_fn(|cx| listener.poll_accept(cx)).await.unwrap())
            };
            let (second, (one, two)) = zip(second, accept).await;
            assert_eq!([one.1, two.1], [Endpoint::Unix(path(1)), Endpoint::Unix(path(2))]);
            drop((first, second.unwrap()));
        });
        let files: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files, [server]);
    }
}
