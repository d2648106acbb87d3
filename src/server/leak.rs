//! What did not end when a server was closed.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::endpoint::Endpoint;

/// A server that was closed, and not all of its connections ended as they should. Closed they are all the same: nothing
/// is left open, unless a handler [blocks](LeakCause::Blocked) its thread.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeakError {
    /// Where the server listened.
    pub server: Endpoint,
    /// How long its connections had to end.
    pub grace: Duration,
    /// The connections, in the order in which they were accepted. There is at least one.
    pub connections: Vec<LeakedConnection>,
}

/// A connection that did not end as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeakedConnection {
    /// The client's end of it.
    pub peer: Endpoint,
    /// The line that called [`connect`](super::TidyServer::connect); `None` if the client came from elsewhere.
    pub connected: Option<&'static Location<'static>>,
    /// What was wrong with it.
    pub cause: LeakCause,
}

/// Why a connection counts as leaked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeakCause {
    /// Its handler had not ended when the grace was over. It was dropped.
    Unfinished,
    /// Its handler, or another one of this server, does not give the server's thread back. The sockets are closed; the
    /// handler is dropped as soon as the thread is free.
    Blocked,
    /// Its handler panicked, with this message. The panic was contained; other connections went on.
    Panicked(String),
}

impl fmt::Display for LeakError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, grace, connections } = self;
        match connections.len() {
            1 => write!(f, "a connection of the server at {server} did not end well:")?,
            count => write!(f, "{count} connections of the server at {server} did not end well:")?,
        }
        for LeakedConnection { peer, connected, cause } in connections {
            write!(f, "\n  from {peer}")?;
            if let Some(line) = connected {
                write!(f, ", connected at {line}")?;
            }
            match cause {
                LeakCause::Unfinished => write!(f, ": still open {grace:?} after it was asked to end")?,
                LeakCause::Blocked => write!(f, ": still open, and the thread of the handlers is blocked")?,
                LeakCause::Panicked(message) => write!(f, ": its handler panicked: {message}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for LeakError {}
