//! A port number of one's own.
//!
//! The usual way to find a free port is to bind port 0, note the number, close the socket and give the number to the
//! server. Between the close and the server's own bind the system may hand the same number to anybody, and with many
//! tests at a time it does. So here the socket stays open: bound to every address, not listening. The system gives a
//! number that is bound to no one else, neither for a bind to port 0 nor for an outgoing connection; and on Linux a
//! server that sets `SO_REUSEADDR` can bind it all the same, because nobody listens there yet. Nearly every server sets
//! it, for without it it could not be restarted while old connections fade away.
//!
//! The second half of the promise holds within this process: a number that was given out once is never given out again,
//! whatever became of the first [`Port`].

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, sockopt};

/// Every number that this process has ever been given.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A TCP port number that nobody else is given.
///
/// As long as this value lives, and is not [released](Self::release):
///
/// * no process of this machine gets the number from the system, be it for a server on "any port" (port 0) or for its
///   end of a connection;
/// * on Linux a server can bind and listen on it, on any address, if it sets `SO_REUSEADDR`. Redis, PostgreSQL, nginx,
///   Python's and Java's servers, Node, Go and Rust's `TcpListener` do.
///
/// As long as this *process* lives, no other `Port` in it has the same number, also when this one has been dropped.
///
/// Not promised: a program that is told this very number, by its configuration or by chance, can take it.
///
/// ```
/// use childminder::{Port, Spec};
///
/// let port = Port::reserve()?;
/// let server = Spec::new("redis-server").args(["--port", &port.to_string()]);
/// assert_eq!(server.to_string(), format!("redis-server --port {port}"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A server that takes a listening socket from its parent needs no number:
///
/// ```
/// use childminder::{Port, Spec};
///
/// let port = Port::reserve()?;
/// let server = Spec::new("my-server").listener(port.listen()?);
/// // Whoever connects now is served as soon as the server is there.
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Clones are the same port; it is reserved until the last of them is gone.
#[derive(Clone, Debug)]
pub struct Port {
    number: u16,
    /// The socket that keeps the number; nobody listens on it.
    hold: Arc<Mutex<Option<OwnedFd>>>,
}

impl Port {
    /// Reserves a number that is free on every address of this machine, IPv4 and IPv6.
    ///
    /// # Errors
    ///
    /// The system's: it has no descriptor to give, or no free port.
    pub fn reserve() -> io::Result<Self> {
        // Numbers that were given before stay bound until there is a new one; else the system could offer the same again.
        let mut given_before = Vec::new();
        loop {
            let (hold, number) = hold_any()?;
            if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(number) {
                return Ok(Self { number, hold: Arc::new(Mutex::new(Some(hold))) });
            }
            given_before.push(hold);
        }
    }

    /// The number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Lets go of the number, for a server that cannot bind it otherwise: one without `SO_REUSEADDR`, and any server on
    /// a system where that option means something else, which is every one but Linux. Call it right before the start.
    ///
    /// From now on other processes may be given the number. This one still remembers it, and has no second `Port` with
    /// it.
    pub fn release(&self) {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// A socket that listens on 127.0.0.1 at this port, for instance for [`Spec::listener`](crate::Spec::listener). Where
    /// that takes a [release](Self::release), which is everywhere but on Linux, it is done.
    ///
    /// # Errors
    ///
    /// The system's, most often that there is a server already.
    pub fn listen(&self) -> io::Result<TcpListener> {
        self.make_way();
        TcpListener::bind((Ipv4Addr::LOCALHOST, self.number))
    }

    /// Lets a server in that is about to come: on Linux it needs no help.
    pub(super) fn make_way(&self) {
        if !cfg!(any(target_os = "linux", target_os = "android")) {
            self.release();
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

impl From<&Port> for u16 {
    fn from(port: &Port) -> Self {
        port.number
    }
}

/// A socket bound to a port of the system's choice on every address, and the number of that port.
fn hold_any() -> io::Result<(OwnedFd, u16)> {
    let hold = match hold_both_families() {
        // No IPv6 here.
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => hold_ipv4()?,
        other => other?,
    };
    let address = SocketAddr::try_from(getsockname(&hold)?)?;
    Ok((hold, address.port()))
}

/// One socket for both families, so that the number is free in both.
fn hold_both_families() -> Result<OwnedFd, Errno> {
    let socket = tcp(AddressFamily::INET6)?;
    sockopt::set_ipv6_v6only(&socket, false)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)))?;
    Ok(socket)
}

fn hold_ipv4() -> Result<OwnedFd, Errno> {
    let socket = tcp(AddressFamily::INET)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?;
    Ok(socket)
}

/// A socket that no child inherits.
#[cfg(not(target_vendor = "apple"))]
fn tcp(family: AddressFamily) -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(family, SocketType::STREAM, rustix::net::SocketFlags::CLOEXEC, None)
}

/// A socket that no child inherits, unless it is started by somebody else at this very moment.
#[cfg(target_vendor = "apple")]
fn tcp(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether both a server with `SO_REUSEADDR` and one without can listen at `address`.
    fn servers(address: impl Into<SocketAddr>) -> [bool; 2] {
        let address = address.into();
        [true, false].map(|reuse| {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = tcp(family).unwrap();
            sockopt::set_socket_reuseaddr(&socket, reuse).unwrap();
            bind(&socket, &address).is_ok() && rustix::net::listen(&socket, 1).is_ok()
        })
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_server_that_sets_reuseaddr_gets_in_on_every_address_and_others_after_the_release() {
        for hold in [hold_both_families().unwrap(), hold_ipv4().unwrap()] {
            let number = SocketAddr::try_from(getsockname(&hold).unwrap()).unwrap().port();
            let port = Port { number, hold: Arc::new(Mutex::new(Some(hold))) };
            let v4 = [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED].map(|ip| SocketAddr::from((ip, number)));
            let v6 = [Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED].map(|ip| SocketAddr::from((ip, number)));
            assert_eq!(v4.map(servers), [[true, false]; 2]);
            assert!(v6.map(servers).iter().all(|[reuse, _]| *reuse));
            port.release();
            assert_eq!(v4.map(servers), [[true; 2]; 2]);
            assert_eq!(v6.map(servers), [[true; 2]; 2]);
        }
    }
}
