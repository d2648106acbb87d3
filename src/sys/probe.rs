//! One attempt to reach a server, and the search for the owner of the socket that answers.
//!
//! An attempt is short: at most [`CONNECT`] for a connection and [`RESPONSE`] for a response in HTTP.
//! Everything it opens is closed when it ends or is dropped.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use async_io::Async;
use futures_lite::future::or;
use futures_timer::Delay;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::AddressFamily;

use crate::host::{ProbeError, ProbeFuture, ProbeOwner, ProbeTarget, StatusRange};
use crate::http::{self, HttpError, Request};

use super::platform::{calls, port_owner, socket_owner};
use super::socket::{PortOwner, Reached};

/// The timeout for a connection. On one machine it takes that long only if the server does not accept.
const CONNECT: Duration = Duration::from_secs(1);

/// The timeout for the head of a response in HTTP, including the connection.
const RESPONSE: Duration = Duration::from_secs(5);

/// The limits for reading the body of a response. A connection that is closed with unread data is reset, and
/// many servers log an error for that; but a body may never end.
const BODY: usize = 1024 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_millis(500);

/// Tries once to reach `target`.
pub(super) fn attempt(target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
    let target = target.clone();
    Box::pin(async move {
        match target {
            ProbeTarget::Port(port) => match port_owner(port, owner) {
                PortOwner::Listening { owner, .. } => Ok(owner),
                PortOwner::Free if owner.is_some() => Err(refused().into()),
                // Without an owner, a port that is forwarded without a listening socket counts as well.
                PortOwner::Free | PortOwner::Unknown => {
                    let (_open, address) = connect(port).await?;
                    Ok(socket_owner(&Reached::Tcp(address), owner))
                }
            },
            ProbeTarget::Unix(path) => {
                let stream = within(CONNECT, Async::<UnixStream>::connect(&path)).await?;
                Ok(socket_owner(&Reached::Unix { path: &path, stream: stream.get_ref() }, owner))
            }
            ProbeTarget::Http { port, path, status } => {
                within(RESPONSE, get(port, &path, status, owner)).await
            }
        }
    })
}

async fn get(
    port: u16,
    path: &str,
    wanted: StatusRange,
    owner: Option<u32>,
) -> Result<ProbeOwner, ProbeError> {
    let address = match port_owner(port, owner) {
        PortOwner::Listening { owner: stranger @ ProbeOwner::Stranger(_), .. } if owner.is_some() => {
            return Ok(stranger);
        }
        PortOwner::Listening { address, .. } => Some(address),
        PortOwner::Free if owner.is_some() => return Err(refused().into()),
        PortOwner::Free | PortOwner::Unknown => None,
    };
    let is_elsewhere = |address: &SocketAddr| {
        ![Ipv4Addr::LOCALHOST.into(), IpAddr::from(Ipv6Addr::LOCALHOST)].contains(&address.ip())
    };
    let (stream, address) = match address.filter(is_elsewhere) {
        Some(address) => (connect_to(address).await?, address),
        None => connect(port).await?,
    };
    let stream = Async::new_nonblocking(stream)?;
    let host = format!("localhost:{port}");
    let request = Request { method: "GET", host: &host, path, body: None };
    let body_timeout = async {
        Delay::new(BODY_TIMEOUT).await;
    };
    match http::status(&stream, &request, BODY, body_timeout).await {
        Ok(status) if wanted.contains(status) => Ok(socket_owner(&Reached::Tcp(address), owner)),
        Ok(status) => Err(ProbeError::Status(status)),
        Err(HttpError::Io(error)) => Err(error.into()),
        Err(HttpError::NotHttp | HttpError::TooLarge) => Err(ProbeError::NotHttp),
    }
}

fn refused() -> io::Error {
    io::Error::from_raw_os_error(libc::ECONNREFUSED)
}

/// Connects to 127.0.0.1, and if that fails to ::1. If both fail, returns the first error.
async fn connect(port: u16) -> io::Result<(TcpStream, SocketAddr)> {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    match connect_to(v4).await {
        Ok(stream) => Ok((stream, v4)),
        Err(error) => connect_to(v6).await.map(|stream| (stream, v6)).map_err(|_| error),
    }
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = match connect_now(address)? {
        Ok(stream) => stream,
        Err(in_progress) => within(CONNECT, finish(in_progress)).await?,
    };
    if is_itself(&stream) {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

/// Connects without waiting; the inner error is a connection in progress. On one machine the answer is there
/// at once, so the event loop and its thread are seldom needed.
fn connect_now(address: SocketAddr) -> io::Result<Result<TcpStream, TcpStream>> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let stream = TcpStream::from(calls::stream_socket(family)?);
    match rustix::net::connect(&stream, &address) {
        Ok(()) => return Ok(Ok(stream)),
        Err(Errno::INPROGRESS) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut fds = [PollFd::new(&stream, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut fds, Some(&now))? == 0 {
        return Ok(Err(stream));
    }
    stream.take_error()?.map_or(Ok(Ok(stream)), Err)
}

async fn finish(in_progress: TcpStream) -> io::Result<TcpStream> {
    let stream = Async::new_nonblocking(in_progress)?;
    stream.writable().await?;
    let stream = stream.into_inner()?;
    stream.take_error()?.map_or(Ok(stream), Err)
}

/// Returns whether the connection is one to itself, because no socket listens there: now and then the port
/// that the system chooses for our end is the one that was asked for. Such a connection is reset; an orderly
/// end would keep the port from the server for a minute.
pub(crate) fn is_itself(stream: &TcpStream) -> bool {
    let (Ok(ours), Ok(theirs)) = (stream.local_addr(), stream.peer_addr()) else { return false };
    let is_itself = ours == theirs;
    if is_itself {
        let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
    }
    is_itself
}

/// Creates a non-blocking socket that no child inherits.
pub(crate) fn stream_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    Ok(calls::stream_socket(family)?)
}

async fn within<T, E: From<io::Error>>(
    limit: Duration,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let timeout = async {
        Delay::new(limit).await;
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}")).into())
    };
    or(future, timeout).await
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::net::{SocketType, bind, connect, socket};

    use super::*;

    #[test]
    fn sv_17_an_attempt_that_hangs_ends_with_a_timeout() {
        let never = std::future::pending::<io::Result<()>>();
        let error =
            futures_lite::future::block_on(within(Duration::from_millis(1), never)).expect_err("late");
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::TimedOut, "no answer within 1ms")
        );
    }

    #[test]
    fn f_82_a_connection_to_itself_does_not_count_and_leaves_the_port_free() {
        let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&fd, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("bind");
        let stream = TcpStream::from(fd);
        let address = stream.local_addr().expect("it is bound");
        connect(&stream, &address).expect("a connection to itself");
        assert!(is_itself(&stream));
        drop(stream);
        // `TcpListener` would also accept a port in TIME_WAIT.
        let fd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&fd, &address).expect("the port is free");

        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let stream = TcpStream::connect(server.local_addr().expect("it is bound")).expect("it listens");
        assert!(!is_itself(&stream));
    }
}
