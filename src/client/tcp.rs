//! TCP connections to a host, which may have several addresses.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use async_io::Async;
use rustix::net::sockopt;

use super::connector::{Connector, Socket};
use super::error::ConnectError;
use crate::host::{Host, SleepFuture};
use crate::sync::Oneshot;
use crate::sys::is_itself;

/// The time before the next address is tried beside an attempt that is in progress, as RFC 8305 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to a host by TCP.
///
/// The addresses of the host are tried in turn, alternating between IPv6 and IPv4 ("happy eyeballs"): an
/// attempt starts when the previous one has failed, or after 250 ms. The first connection is used. Small
/// packets are sent at once (`TCP_NODELAY`).
///
/// A host name is resolved anew for each attempt, on a thread of its own. The thread may outlive a cancelled
/// attempt, because the resolver of the system cannot be interrupted.
///
/// ```
/// use std::time::Duration;
///
/// use childminder::client::TcpConnector;
/// use childminder::{ClientService, System};
///
/// let connector = TcpConnector::new("localhost", 6379).keep_alive(Duration::from_secs(10));
/// let service = ClientService::background(System::new(), connector)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TcpConnector {
    host: String,
    port: u16,
    keep_alive: Option<Duration>,
}

impl TcpConnector {
    /// Creates a connector to `host`, which is a name or an address.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, keep_alive: None }
    }

    /// Detects a peer that has disappeared without closing the connection, by TCP keep-alive. Default: off.
    ///
    /// When nothing was received for `interval`, the system probes the peer, and again after each further
    /// `interval`. After nine probes without an answer the connection fails, so the loss is detected after
    /// ten intervals. `interval` is rounded down to whole seconds, and limited to 1 s … 32,767 s, which the
    /// system accepts.
    ///
    /// On Linux the connection also fails if data that was sent is not acknowledged for ten intervals
    /// (`TCP_USER_TIMEOUT`), because the system does not probe while it retransmits, which alone takes a
    /// quarter of an hour. This includes a peer that is alive, but does not read for that long while data
    /// waits to be sent.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = Some(Duration::from_secs(interval.as_secs().clamp(1, 32_767)));
        self
    }
}

impl Connector for TcpConnector {
    type Stream = Socket<TcpStream>;

    async fn connect(&self, host: &dyn Host) -> Result<Self::Stream, ConnectError> {
        let addresses = interleave_families(resolve(&self.host, self.port).await?);
        let stream = race(addresses.into_iter().map(connect_to), host).await?;
        stream.get_ref().set_nodelay(true)?;
        if let Some(interval) = self.keep_alive {
            set_keep_alive(stream.get_ref(), interval)?;
        }
        Ok(Socket::from_async(stream))
    }

    /// Returns `tcp:`, the host and the port.
    fn target(&self) -> String {
        if self.host.contains(':') {
            format!("tcp:[{}]:{}", self.host, self.port)
        } else {
            format!("tcp:{}:{}", self.host, self.port)
        }
    }
}

/// The number of probes without an answer after which the connection fails.
const KEEP_ALIVE_PROBES: u32 = 9;

fn set_keep_alive(stream: &TcpStream, interval: Duration) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, interval)?;
    sockopt::set_tcp_keepintvl(stream, interval)?;
    sockopt::set_tcp_keepcnt(stream, KEEP_ALIVE_PROBES)?;
    #[cfg(target_os = "linux")]
    {
        let timeout = interval * (KEEP_ALIVE_PROBES + 1);
        let millis = u32::try_from(timeout.as_millis()).expect("the interval is limited");
        sockopt::set_tcp_user_timeout(stream, millis)?;
    }
    Ok(())
}

/// Returns the addresses of a host, in the order of the system. Only names are looked up.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let result = Arc::new(Oneshot::new());
    let filled = result.clone();
    let name = host.to_owned();
    thread::Builder::new().name("childminder-dns".to_owned()).spawn(move || {
        filled.fill((name.as_str(), port).to_socket_addrs().map(Vec::from_iter));
    })?;
    let addresses = poll_fn(|cx| result.poll(cx)).await?;
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("host `{host}` has no address")));
    }
    Ok(addresses)
}

/// Alternates between IPv6 and IPv4, beginning with the first address of the system.
fn interleave_families(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
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

async fn connect_to(address: SocketAddr) -> io::Result<Async<TcpStream>> {
    let at = |error: io::Error| io::Error::new(error.kind(), AddressError { address, error });
    let stream = Async::<TcpStream>::connect(address).await.map_err(at)?;
    // A client whose own port is the one that it connects to can end up connected to itself.
    if is_itself(stream.get_ref()) {
        return Err(at(io::ErrorKind::ConnectionRefused.into()));
    }
    Ok(stream)
}

/// Returns the result of the first attempt that succeeds. Each attempt starts when the previous one has
/// failed, or after [`ATTEMPT_DELAY`]. If all fail, the error of the first failure is returned.
async fn race<A, T>(attempts: impl Iterator<Item = A>, host: &dyn Host) -> io::Result<T>
where
    A: Future<Output = io::Result<T>>,
{
    let mut waiting = attempts.map(Box::pin);
    let mut race = Race { running: Vec::new(), error: None };
    let mut delay = None;
    poll_fn(move |cx| {
        loop {
            let before = race.running.len();
            if let Poll::Ready(stream) = race.poll(cx) {
                return Poll::Ready(Ok(stream));
            }
            let has_failed = race.running.len() < before || race.running.is_empty();
            if !has_failed && poll_delay(&mut delay, cx).is_pending() {
                return Poll::Pending;
            }
            match waiting.next() {
                Some(attempt) => {
                    race.running.push(attempt);
                    delay = Some(host.sleep_until(host.now() + ATTEMPT_DELAY));
                }
                None if race.running.is_empty() => {
                    let none = || io::Error::new(io::ErrorKind::NotFound, "no address");
                    return Poll::Ready(Err(race.error.take().unwrap_or_else(none)));
                }
                None => {
                    delay = None;
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}

/// Polls the delay before the next attempt. Never ready when there is none.
fn poll_delay(delay: &mut Option<SleepFuture>, cx: &mut Context<'_>) -> Poll<()> {
    delay.as_mut().map_or(Poll::Pending, |delay| delay.as_mut().poll(cx))
}

/// The attempts that run at the same time.
struct Race<A> {
    running: Vec<Pin<Box<A>>>,
    /// The error of the first failure.
    error: Option<io::Error>,
}

impl<A: Future<Output = io::Result<T>>, T> Race<A> {
    /// Ready when an attempt has succeeded. Failed attempts are removed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
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

/// The error of an attempt, with the address.
#[derive(Debug)]
struct AddressError {
    address: SocketAddr,
    error: io::Error,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.error)
    }
}

impl std::error::Error for AddressError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Sim;

    /// An attempt that takes `millis` and then succeeds with its number or fails.
    async fn attempt(sim: Sim, number: u32, millis: u64, succeeds: bool) -> io::Result<u32> {
        sim.note(format_args!("begin {number}"));
        sim.sleep_until(sim.now() + Duration::from_millis(millis)).await;
        sim.note(format_args!("end {number}"));
        if succeeds { Ok(number) } else { Err(io::Error::other(format!("error {number}"))) }
    }

    fn run(attempts: &[(u64, bool)]) -> (String, String) {
        let sim = Sim::new();
        let futures =
            (1..).zip(attempts).map(|(number, (millis, ok))| attempt(sim.clone(), number, *millis, *ok));
        let result = sim.block_on(race(futures, &sim));
        let result = result.map_or_else(|error| error.to_string(), |number| format!("connected by {number}"));
        (result, sim.trace())
    }

    #[test]
    fn the_next_address_is_tried_beside_a_slow_one_after_250_ms() {
        let (result, trace) = run(&[(10_000, true), (10_000, true), (100, true), (0, true)]);
        assert_eq!(result, "connected by 3");
        assert_eq!(trace, "0.0 begin 1\n0.25 begin 2\n0.5 begin 3\n0.6 end 3\n");
    }

    #[test]
    fn the_next_address_is_tried_at_once_when_one_fails() {
        let (result, trace) = run(&[(100, false), (50, false), (1_000, true), (300, true)]);
        assert_eq!(result, "connected by 4");
        assert_eq!(
            trace,
            "0.0 begin 1\n0.1 end 1\n0.1 begin 2\n0.15 end 2\n0.15 begin 3\n0.4 begin 4\n0.7 end 4\n"
        );
    }

    #[test]
    fn a_slow_first_address_can_still_win() {
        let (result, trace) = run(&[(600, true), (400, true)]);
        assert_eq!(result, "connected by 1");
        assert_eq!(trace, "0.0 begin 1\n0.25 begin 2\n0.6 end 1\n");
    }

    #[test]
    fn if_all_addresses_fail_the_first_error_is_returned() {
        let (result, trace) = run(&[(400, false), (50, false)]);
        assert_eq!(result, "error 2");
        assert_eq!(trace, "0.0 begin 1\n0.25 begin 2\n0.3 end 2\n0.4 end 1\n");
        assert_eq!(run(&[]).0, "no address");
    }

    #[test]
    fn addresses_alternate_between_the_families() {
        let [a, b, c] = [1, 2, 3].map(|n| SocketAddr::from(([10, 0, 0, n], 1)));
        let [x, y] = [1, 2].map(|n| SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, n], 1)));
        assert_eq!(interleave_families(vec![a, b, c, x, y]), [a, x, b, y, c]);
        assert_eq!(interleave_families(vec![x, y, a]), [x, a, y]);
    }
}
