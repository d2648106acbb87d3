//! Reserved TCP ports.
//!
//! The usual way to find a free port is to bind port 0, note the number, close the socket and pass the number
//! to the server. Between the close and the bind of the server the system may assign the number to another
//! process, and with many tests at a time it does. So here the socket stays open: bound to every address, but
//! not listening. The system assigns a bound number neither to a bind to port 0 nor to an outgoing
//! connection. On Linux a server that sets `SO_REUSEADDR` can still bind it, because no socket listens there.
//! Nearly every server sets it, since without it a server could not be restarted while old connections are in
//! TIME_WAIT.
//!
//! Within this process a number is never returned twice, also after the first [`Port`] was dropped.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, sockopt};

use crate::sync::Lock;

/// All numbers that this process has ever reserved.
static RESERVED: Lock<BTreeSet<u16>> = Lock::new(BTreeSet::new());

/// A reserved TCP port number.
///
/// While this value exists and is not [released](Self::release):
///
/// * the system does not assign the number to any process of this machine, neither to a server on "any port"
///   (port 0) nor to an outgoing connection;
/// * on Linux a server can bind and listen on it, on any address, if it sets `SO_REUSEADDR`. Redis,
///   PostgreSQL, nginx, the servers of Python, Java, Node and Go, and Rust's `TcpListener` do.
///
/// While this *process* exists, no other `Port` in it has the same number, also after this one was dropped.
///
/// A program that uses this number because of its configuration or by chance is not kept from it.
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
/// // A client that connects now is served as soon as the server runs.
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Clones are the same port. It is reserved until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Port {
    number: u16,
    /// The bound socket that reserves the number.
    socket: Arc<Lock<Option<OwnedFd>>>,
}

impl Port {
    /// Reserves a number that is free on every address of this machine, IPv4 and IPv6.
    ///
    /// # Errors
    ///
    /// The system's error if there is no descriptor or no free port.
    pub fn reserve() -> io::Result<Self> {
        // A number that was reserved before stays bound until a new one is found, or the system could return
        // it again.
        let mut reserved_before = Vec::new();
        loop {
            let (socket, number) = bind_any()?;
            if RESERVED.lock().insert(number) {
                return Ok(Self { number, socket: Arc::new(Lock::new(Some(socket))) });
            }
            reserved_before.push(socket);
        }
    }

    /// Returns the number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Ends the reservation, for a server that cannot bind the number otherwise: one that does not set
    /// `SO_REUSEADDR`, and every server on a system other than Linux, where that option has another meaning.
    /// Call it right before the start.
    ///
    /// From now on the system may assign the number to other processes. No second `Port` of this process gets
    /// it.
    pub fn release(&self) {
        self.socket.lock().take();
    }

    /// Returns whether the number is still reserved.
    pub(super) fn is_reserved(&self) -> bool {
        self.socket.lock().is_some()
    }

    /// Creates a socket that listens on 127.0.0.1 at this port, for instance for
    /// [`Spec::listener`](crate::Spec::listener). On systems other than Linux this [releases](Self::release)
    /// the port.
    ///
    /// # Errors
    ///
    /// The system's error, most often because another socket listens there.
    pub fn listen(&self) -> io::Result<TcpListener> {
        self.prepare_bind();
        TcpListener::bind((Ipv4Addr::LOCALHOST, self.number))
    }

    /// Allows a server to bind the number. On Linux nothing needs to be done.
    pub(super) fn prepare_bind(&self) {
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

/// Binds a socket to a port of the system's choice on every address, and returns it with the number.
fn bind_any() -> io::Result<(OwnedFd, u16)> {
    let socket = match bind_both_families() {
        // This system has no IPv6.
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => bind_ipv4()?,
        other => other?,
    };
    let address = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok((socket, address.port()))
}

/// Binds one socket for both families, so that the number is free in both.
fn bind_both_families() -> Result<OwnedFd, Errno> {
    let socket = tcp(AddressFamily::INET6)?;
    sockopt::set_ipv6_v6only(&socket, false)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)))?;
    Ok(socket)
}

fn bind_ipv4() -> Result<OwnedFd, Errno> {
    let socket = tcp(AddressFamily::INET)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?;
    Ok(socket)
}

/// Creates a socket that no child inherits.
#[cfg(not(target_vendor = "apple"))]
fn tcp(family: AddressFamily) -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(family, SocketType::STREAM, rustix::net::SocketFlags::CLOEXEC, None)
}

/// Creates a socket that no child inherits, unless foreign code starts one at this very moment.
#[cfg(target_vendor = "apple")]
fn tcp(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a server with `SO_REUSEADDR`, and one without, can listen at `address`.
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
    fn a_server_with_reuseaddr_can_bind_every_address_and_others_after_the_release() {
        for socket in [bind_both_families().unwrap(), bind_ipv4().unwrap()] {
            let number = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap().port();
            let port = Port { number, socket: Arc::new(Lock::new(Some(socket))) };
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
