//! The book of a server's connections: which are open, and which have leaked. It knows no time, does no input
//! or output, and decides what a close reports.
//!
//! A server has three stages. While it is *open*, connections come and go. When it is *closing*, no
//! connection is admitted, and the server is *quiet* as soon as the last handler has ended. When it is
//! *concluded*, handlers that still run have leaked and are aborted; their later results are ignored.
//!
//! An accepted connection stays in the book until its handler has ended *and* its socket is closed, in either
//! order: a handler may pass its stream on, and a stream may be closed while its handler runs. A client stays
//! in the book while its socket is open. A handler that does not end is a leak. An open socket is not,
//! because the server can close it.

use std::collections::BTreeMap;
use std::panic::Location;

use super::error::{LeakCause, LeakedConnection};
use super::socket::Endpoint;

/// The source line that opened a connection.
pub(super) type Line = &'static Location<'static>;

/// Identifies one end of a connection within its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u64);

/// The connections of a server, with an `S` for each open socket.
#[derive(Debug)]
pub(super) struct Ledger<S> {
    stage: Stage,
    next: u64,
    accepted: BTreeMap<Id, Accepted<S>>,
    clients: BTreeMap<Id, S>,
    /// The source line for each client of the server's handle. Kept until the accepted end is over, which may
    /// be long after the client.
    lines: BTreeMap<Endpoint, Line>,
    panicked: BTreeMap<Id, LeakedConnection>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Closing,
    Concluded,
}

#[derive(Debug)]
struct Accepted<S> {
    peer: Endpoint,
    handler: Handler,
    /// `None`: closed.
    socket: Option<S>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handler {
    Running,
    Ended,
    Aborted,
}

/// Events of the connections.
impl<S: Clone> Ledger<S> {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Open,
            next: 0,
            accepted: BTreeMap::new(),
            clients: BTreeMap::new(),
            lines: BTreeMap::new(),
            panicked: BTreeMap::new(),
        }
    }

    /// Admits an accepted connection from `peer`, for which a handler will run. Returns `None` if the server
    /// is closing.
    pub(super) fn accept(&mut self, peer: Endpoint, socket: impl FnOnce(Id) -> S) -> Option<Id> {
        let id = self.admit()?;
        self.accepted.insert(id, Accepted { peer, handler: Handler::Running, socket: Some(socket(id)) });
        Some(id)
    }

    /// Admits a connected client of the server's handle. Returns `None` if the server is closing.
    pub(super) fn connect(&mut self, socket: impl FnOnce(Id) -> S) -> Option<Id> {
        let id = self.admit()?;
        self.clients.insert(id, socket(id));
        Some(id)
    }

    fn admit(&mut self) -> Option<Id> {
        let id = Id(self.next);
        self.next += 1;
        (self.stage == Stage::Open).then_some(id)
    }

    /// Records the source line of the client at `peer`, which may have been accepted already.
    pub(super) fn announce(&mut self, peer: Endpoint, line: Line) {
        self.lines.insert(peer, line);
    }

    /// Withdraws the announcement of a client that could not connect.
    pub(super) fn renounce(&mut self, peer: &Endpoint) {
        self.lines.remove(peer);
    }

    /// Records that the socket of `id` is closed.
    pub(super) fn socket_closed(&mut self, id: Id) {
        self.clients.remove(&id);
        if let Some(accepted) = self.accepted.get_mut(&id) {
            accepted.socket = None;
        }
        self.remove_if_over(id);
    }

    /// Records that the handler of `id` has ended, with the message of its panic if it panicked.
    pub(super) fn handler_ended(&mut self, id: Id, panic: Option<String>) {
        let Some(accepted) = self.accepted.get_mut(&id) else { return };
        match accepted.handler {
            Handler::Running => accepted.handler = Handler::Ended,
            // The verdict has been given.
            Handler::Ended | Handler::Aborted => return,
        }
        if let Some(message) = panic {
            let leaked = accepted.leaked(&self.lines, LeakCause::Panicked(message));
            self.panicked.insert(id, leaked);
        }
        self.remove_if_over(id);
    }

    /// Removes `id` if its handler has ended and its socket is closed.
    fn remove_if_over(&mut self, id: Id) {
        let is_over = |accepted: &Accepted<S>| accepted.socket.is_none() && !accepted.is_running();
        if self.accepted.get(&id).is_some_and(is_over)
            && let Some(accepted) = self.accepted.remove(&id)
        {
            self.lines.remove(&accepted.peer);
        }
    }
}

/// The close of the server.
impl<S: Clone> Ledger<S> {
    /// Begins the close: no further connection is admitted.
    pub(super) fn close(&mut self) {
        match self.stage {
            Stage::Open => self.stage = Stage::Closing,
            Stage::Closing | Stage::Concluded => {}
        }
    }

    /// Whether the server is closing and no handler runs any more.
    pub(super) fn is_quiet(&self) -> bool {
        self.stage != Stage::Open && !self.accepted.values().any(Accepted::is_running)
    }

    /// Ends the grace period and returns the leaked connections in the order in which they were accepted:
    /// those whose handler still runs, which is aborted because of `cause`, and those whose handler panicked.
    pub(super) fn conclude(&mut self, cause: &LeakCause) -> Vec<LeakedConnection> {
        self.stage = Stage::Concluded;
        let mut leaked = self.panicked.clone();
        for (id, accepted) in self.accepted.iter_mut().filter(|(_, accepted)| accepted.is_running()) {
            accepted.handler = Handler::Aborted;
            leaked.insert(*id, accepted.leaked(&self.lines, cause.clone()));
        }
        let ids: Vec<Id> = self.accepted.keys().copied().collect();
        ids.into_iter().for_each(|id| self.remove_if_over(id));
        leaked.into_values().collect()
    }

    /// Returns all open sockets. Accepted ones come first: a client then sees that the server has closed
    /// first.
    pub(super) fn sockets(&self) -> Vec<S> {
        let accepted = self.accepted.values().filter_map(|accepted| accepted.socket.as_ref());
        accepted.chain(self.clients.values()).cloned().collect()
    }

    /// Returns the number of accepted connections that are not over.
    pub(super) fn open(&self) -> usize {
        self.accepted.len()
    }
}

impl<S> Accepted<S> {
    fn is_running(&self) -> bool {
        match self.handler {
            Handler::Running => true,
            Handler::Ended | Handler::Aborted => false,
        }
    }

    fn leaked(&self, lines: &BTreeMap<Endpoint, Line>, cause: LeakCause) -> LeakedConnection {
        LeakedConnection { peer: self.peer.clone(), connected: lines.get(&self.peer).copied(), cause }
    }
}

#[cfg(test)]
mod tests;
