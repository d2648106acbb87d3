//! The book of connections: who is open, who has been asked to end, who is left. It knows no time, and does no input or
//! output.
//!
//! A server goes through three stages. While it is *open*, connections come and go. From the moment when it is *asked* to
//! end, nobody is admitted any more, and it is *quiet* as soon as the last handler has ended. At the *verdict* those whose
//! handler still runs are aborted, and leaked; whatever they say later is not heard.
//!
//! An accepted connection is in the book until its handler has ended *and* its socket is closed, in either order: a
//! handler may give its stream away, and a stream may be closed under a handler. A client is in the book as long as its
//! socket is. A handler that does not end is a leak. A socket is not: the server can close it, whoever holds it.

use std::collections::BTreeMap;
use std::panic::Location;

use super::endpoint::Endpoint;
use super::leak::{LeakCause, LeakedConnection};

/// The line that opened a connection.
pub(super) type Line = &'static Location<'static>;

/// Tells one end of a connection from all others of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u64);

/// The book, which keeps an `S` for each socket.
#[derive(Debug)]
pub(super) struct Ledger<S> {
    stage: Stage,
    next: u64,
    accepted: BTreeMap<Id, Accepted<S>>,
    clients: BTreeMap<Id, S>,
    /// Which line a client of ours comes from. Kept until the other end is over, which may be long after the client.
    lines: BTreeMap<Endpoint, Line>,
    panicked: BTreeMap<Id, LeakedConnection>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Asked,
    Over,
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

/// What happens to the connections.
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

    /// A client from `peer` was accepted, and a handler is to run for it. `None`: it comes too late.
    pub(super) fn accept(&mut self, peer: Endpoint, socket: impl FnOnce(Id) -> S) -> Option<Id> {
        let id = self.admit()?;
        self.accepted.insert(id, Accepted { peer, handler: Handler::Running, socket: Some(socket(id)) });
        Some(id)
    }

    /// A client of ours is connected. `None`: it comes too late.
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

    /// Whoever comes from `peer` was connected by this line. It may be accepted before this is known.
    pub(super) fn announce(&mut self, peer: Endpoint, line: Line) {
        self.lines.insert(peer, line);
    }

    /// Nobody comes from there after all.
    pub(super) fn renounce(&mut self, peer: &Endpoint) {
        self.lines.remove(peer);
    }

    /// The socket of `id` is closed.
    pub(super) fn closed(&mut self, id: Id) {
        self.clients.remove(&id);
        if let Some(accepted) = self.accepted.get_mut(&id) {
            accepted.socket = None;
        }
        self.strike(id);
    }

    /// The handler of `id` has ended; with this message, if it panicked.
    pub(super) fn handled(&mut self, id: Id, panic: Option<String>) {
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
        self.strike(id);
    }

    /// Takes `id` from the book if nothing is left of it.
    fn strike(&mut self, id: Id) {
        let is_over = |accepted: &Accepted<S>| accepted.socket.is_none() && !accepted.is_running();
        if self.accepted.get(&id).is_some_and(is_over)
            && let Some(accepted) = self.accepted.remove(&id)
        {
            self.lines.remove(&accepted.peer);
        }
    }
}

/// The end of the server.
impl<S: Clone> Ledger<S> {
    /// The server is to end: from now on nobody is admitted.
    pub(super) fn ask(&mut self) {
        match self.stage {
            Stage::Open => self.stage = Stage::Asked,
            Stage::Asked | Stage::Over => {}
        }
    }

    /// Whether the server is to end and no handler runs any more.
    pub(super) fn is_quiet(&self) -> bool {
        self.stage != Stage::Open && !self.accepted.values().any(Accepted::is_running)
    }

    /// The time is over. Handlers that run are aborted, for `cause`; they and those that have panicked are who leaked, in
    /// the order in which they were accepted.
    pub(super) fn verdict(&mut self, cause: &LeakCause) -> Vec<LeakedConnection> {
        self.stage = Stage::Over;
        let mut leaked = self.panicked.clone();
        for (id, accepted) in self.accepted.iter_mut().filter(|(_, accepted)| accepted.is_running()) {
            accepted.handler = Handler::Aborted;
            leaked.insert(*id, accepted.leaked(&self.lines, cause.clone()));
        }
        let ids: Vec<Id> = self.accepted.keys().copied().collect();
        ids.into_iter().for_each(|id| self.strike(id));
        leaked.into_values().collect()
    }

    /// All sockets that are open, those that were accepted first: when a client is closed, its server has gone before.
    pub(super) fn sockets(&self) -> Vec<S> {
        let accepted = self.accepted.values().filter_map(|accepted| accepted.socket.as_ref());
        accepted.chain(self.clients.values()).cloned().collect()
    }

    /// How many of the connections that were accepted are not over.
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
