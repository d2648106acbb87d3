//! Connections by TCP, to a host that may have several addresses.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use async_io::{Async, Timer};
use rustix::net::sockopt;

use super::connect::Connector;
use super::setback::ConnectError;
use super::socket::Socket;
use crate::sys::is_itself;

/// So long one address has before the next is tried beside it, as RFC 8305 advises.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to a host by TCP.
///
/// All addresses of the host are tried, IPv6 and IPv4 by turns. Each has a head start of 250 ms before the next; the first
/// that answers is taken. Small packets are sent at once (`TCP_NODELAY`).
///
/// A name is looked up anew for each attempt, on a thread that may outlive an attempt that was ended: the system's look-up
/// cannot be interrupted.
#[derive(Clone, Debug)]
pub struct TcpConnector {
    host: String,
    port: u16,
    keep_alive: Option<Duration>,
}

impl TcpConnector {
    /// `host` is a name or an address.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, keep_alive: None }
    }

    /// Has the system ask a peer that has said nothing for so long whether it is alive, and then every so often. After
    /// some questions without an answer (nine, on Linux) the connection breaks. In whole seconds, at least one. Default:
    /// off.
    #[must_use]
    pub fn keep_alive(mut self, every: Duration) -> Self {
        self.keep_alive = Some(every.max(Duration::from_secs(1)));
        self
    }

    fn tune(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if let Some(every) = self.keep_alive {
            sockopt::set_socket_keepalive(stream, true)?;
            sockopt::set_tcp_keepidle(stream, every)?;
            sockopt::set_tcp_keepintvl(stream, every)?;
        }
        Ok(())
    }
}

impl Connector for TcpConnector {
    type Stream = Socket<TcpStream>;

    async fn connect(&self) -> Result<Self::Stream, ConnectError> {
        let addresses = by_turns(look_up(&self.host, self.port).await?);
        let stream = first(addresses.into_iter().map(connect)).await?;
        self.tune(stream.get_ref())?;
        Ok(stream.into())
    }

    /// `tcp:`, the host and the port.
    fn target(&self) -> String {
        if self.host.contains(':') {
            format!("tcp:[{}]:{}", self.host, self.port)
        } else {
            format!("tcp:{}:{}", self.host, self.port)
        }
    }
}

/// The addresses of a host, in the system's order. Only a name is looked up.
async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (tell, told) = async_channel::bounded(1);
    let name = host.to_owned();
    thread::Builder::new().name("childminder-dns".to_owned()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        // Nobody may be waiting any more.
        let _ = tell.try_send(found);
    })?;
    let addresses =
        told.recv().await.map_err(|_| io::Error::other("the look-up has ended without an answer"))??;
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")));
    }
    Ok(addresses)
}

/// One family, the other, and so on; the system's first address stays the first.
fn by_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

async fn connect(address: SocketAddr) -> io::Result<Async<TcpStream>> {
    let at = |error: io::Error| io::Error::new(error.kind(), At { address, error });
    let stream = Async::<TcpStream>::connect(address).await.map_err(at)?;
    if is_itself(stream.get_ref()) {
        return Err(at(io::ErrorKind::ConnectionRefused.into()));
    }
    Ok(stream)
}

/// The first of `attempts` that succeeds. Each begins when the one before has failed, or has not been done for a while.
/// If all fail it is the first error that counts.
async fn first<A>(attempts: impl Iterator<Item = A>) -> io::Result<Async<TcpStream>>
where
    A: Future<Output = io::Result<Async<TcpStream>>>,
{
    let mut waiting = attempts.map(Box::pin);
    let mut race = Race { running: Vec::new(), error: None };
    let mut head_start = Timer::never();
    poll_fn(move |cx| {
        loop {
            let before = race.running.len();
            if let Poll::Ready(stream) = race.poll(cx) {
                return Poll::Ready(Ok(stream));
            }
            let failed = race.running.len() < before || race.running.is_empty();
            if !failed && Pin::new(&mut head_start).poll(cx).is_pending() {
                return Poll::Pending;
            }
            match waiting.next() {
                Some(attempt) => {
                    race.running.push(attempt);
                    head_start.set_after(HEAD_START);
                }
                None if race.running.is_empty() => {
                    let none = || io::Error::new(io::ErrorKind::NotFound, "no address");
                    return Poll::Ready(Err(race.error.take().unwrap_or_else(none)));
                }
                None => {
                    head_start = Timer::never();
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}

/// Attempts side by side.
struct Race<A> {
    running: Vec<Pin<Box<A>>>,
    /// The first.
    error: Option<io::Error>,
}

impl<A: Future<Output = io::Result<Async<TcpStream>>>> Race<A> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Async<TcpStream>> {
        let mut winner = None;
        let error = &mut self.error;
        self.running.retain_mut(|attempt| {
            if winner.is_some() {
                return true;
            }
            match attempt.as_mut().poll(cx) {
                Poll::Pending => return true,
                Poll::Ready(Ok(stream)) => winner = Some(stream),
                Poll::Ready(Err(other)) => drop(error.get_or_insert(other)),
            }
            false
        });
        winner.map_or(Poll::Pending, Poll::Ready)
    }
}

/// Which address it was that did not work.
#[derive(Debug)]
struct At {
    address: SocketAddr,
    error: io::Error,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.error)
    }
}

impl std::error::Error for At {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
