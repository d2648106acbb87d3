//! Sockets whose owner is looked up, as the probe and the operating system's part share them.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::host::ProbeOwner;

/// The socket that an attempt has connected to.
pub(super) enum Reached<'a> {
    Tcp(SocketAddr),
    Unix { path: &'a Path, stream: &'a UnixStream },
}

/// The sockets that listen on a port.
#[derive(Debug)]
pub(super) enum PortOwner {
    /// A socket listens at this address.
    Listening { address: SocketAddr, owner: ProbeOwner },
    /// No socket listens.
    Free,
    /// The sockets cannot be listed, or belong to another network namespace.
    Unknown,
}
