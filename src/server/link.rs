//! One end of a connection, shared by its streams and by the server.
//!
//! The socket is behind a lock, because both may end it: it is read and written through [`TidyStream`]s, and
//! closed by the server even while streams refer to it. The lock is held for one non-blocking system call.
//! The event loop wakes a task when its socket is ready, but not when the socket is taken away, so the wakers
//! are kept here as well.
//!
//! [`TidyStream`]: super::TidyStream

use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem;
use std::sync::{Arc, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

use super::ledger::{Id, Line};
use super::shared::{Closable, Shared};
use super::socket::{Endpoint, Socket};
use crate::sync::Lock;

/// The number of reads and writes in a row that may succeed before other tasks get their turn. A task on a
/// busy connection never has to wait, and would starve the others.
const BUDGET: u32 = 64;

/// The number of unread bytes that are kept when the server closes a socket.
const UNREAD_LIMIT: u64 = 1 << 20;

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Link {
    shared: Arc<Shared>,
    id: Id,
    side: Side,
    local: Endpoint,
    peer: Endpoint,
    io: Lock<Io>,
}

/// The side of the connection. It decides how this end is asked to finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// The handler's end. It reads end-of-file as soon as there is nothing else to read.
    Accepted,
    /// The end of a client. It can no longer write, but reads what the server still sends.
    Client,
}

#[derive(Debug)]
struct Io {
    state: State,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Reads and writes since a task last had to wait.
    operations: u32,
}

#[derive(Debug)]
enum State {
    Open {
        socket: Socket,
        /// This end was asked to finish.
        ending: bool,
    },
    Closed {
        /// Data that had arrived and was not read: a reader does not have to be faster than the close.
        unread: VecDeque<u8>,
        /// Whether no data was discarded.
        is_complete: bool,
    },
}

impl Link {
    /// Registers the server's end of a connection. Returns `None` if the server is closing.
    pub(super) fn accept(shared: &Arc<Shared>, socket: Socket, peer: Endpoint) -> Option<Arc<Self>> {
        let local = shared.address.clone();
        let mut link = None;
        shared.ledger().accept(peer.clone(), |id| {
            let opened = Self::open(shared, id, Side::Accepted, socket, [local, peer]);
            downgrade(link.insert(opened))
        });
        link
    }

    /// Connects to the server.
    pub(super) async fn connect(shared: &Arc<Shared>, line: Line) -> io::Result<Arc<Self>> {
        let (socket, local) = match &shared.address {
            Endpoint::Tcp(address) => {
                let (socket, local) = Socket::connect_tcp(*address).await?;
                shared.ledger().announce(local.clone(), line);
                (socket, local)
            }
            Endpoint::Unix(path) => {
                let (socket, name) = shared.named_socket(path)?;
                let local = Endpoint::Unix(name);
                shared.ledger().announce(local.clone(), line);
                let connected = Socket::connect_unix(socket, path, |delay| shared.sleep(delay)).await;
                (connected.inspect_err(|_| shared.ledger().renounce(&local))?, local)
            }
            Endpoint::Unnamed => unreachable!("a server has an address"),
        };
        let peer = shared.address.clone();
        let mut link = None;
        shared.ledger().connect(|id| {
            let opened = Self::open(shared, id, Side::Client, socket, [local, peer]);
            downgrade(link.insert(opened))
        });
        link.ok_or_else(|| shared.closed_error().into())
    }

    fn open(shared: &Arc<Shared>, id: Id, side: Side, socket: Socket, ends: [Endpoint; 2]) -> Arc<Self> {
        let [local, peer] = ends;
        let state = State::Open { socket, ending: false };
        let io = Lock::new(Io { state, reader: None, writer: None, operations: 0 });
        Arc::new(Self { shared: shared.clone(), id, side, local, peer, io })
    }

    pub(super) fn id(&self) -> Id {
        self.id
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn local(&self) -> &Endpoint {
        &self.local
    }

    pub(super) fn peer(&self) -> &Endpoint {
        &self.peer
    }

    fn io(&self) -> MutexGuard<'_, Io> {
        self.io.lock()
    }
}

fn downgrade(link: &Arc<Link>) -> Weak<dyn Closable> {
    let link: Weak<Link> = Arc::downgrade(link);
    link
}

/// Used by streams.
impl Link {
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut io = self.io();
        if io.poll_yield(cx).is_pending() {
            return Poll::Pending;
        }
        match &mut io.state {
            State::Open { socket, ending } => match socket.poll_read(cx, buf) {
                Poll::Pending if *ending && self.side == Side::Accepted => Poll::Ready(Ok(0)),
                Poll::Pending => {
                    io.operations = 0;
                    io.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
                ready => ready,
            },
            State::Closed { unread, is_complete } => match unread.read(buf) {
                Ok(0) if !*is_complete && !buf.is_empty() => Poll::Ready(Err(self.aborted())),
                read => Poll::Ready(read),
            },
        }
    }

    pub(super) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut io = self.io();
        if io.poll_yield(cx).is_pending() {
            return Poll::Pending;
        }
        match &io.state {
            State::Open { socket, .. } => {
                let written = socket.poll_write(cx, buf);
                if written.is_pending() {
                    io.operations = 0;
                    io.writer = Some(cx.waker().clone());
                }
                written
            }
            State::Closed { .. } => Poll::Ready(Err(self.aborted())),
        }
    }

    /// Closes the direction from here to the peer.
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        match &self.io().state {
            State::Open { socket, .. } => socket.shutdown_write(),
            State::Closed { .. } => Ok(()),
        }
    }

    fn aborted(&self) -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionAborted, self.shared.closed_error())
    }
}

impl Io {
    /// Pending, with the task woken at once, when it is time to let other tasks run.
    fn poll_yield(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.operations += 1;
        if self.operations <= BUDGET {
            return Poll::Ready(());
        }
        self.operations = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Used by the server when it closes.
impl Closable for Link {
    fn request_end(&self) {
        let mut io = self.io();
        let State::Open { socket, ending } = &mut io.state else { return };
        *ending = true;
        match self.side {
            Side::Accepted => {
                let reader = io.reader.take();
                drop(io);
                reader.into_iter().for_each(Waker::wake);
            }
            // An error means that the connection is gone already.
            Side::Client => drop(socket.shutdown_write()),
        }
    }

    fn close(&self) {
        let mut io = self.io();
        let State::Open { socket, .. } = &io.state else { return };
        let (unread, is_complete) = socket.drain(UNREAD_LIMIT);
        let before = mem::replace(&mut io.state, State::Closed { unread: unread.into(), is_complete });
        let wakers = [io.reader.take(), io.writer.take()];
        drop(io);
        drop(before);
        self.shared.ledger().socket_closed(self.id);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The socket first, so that the ledger never lists an open socket as closed.
        let closed = State::Closed { unread: VecDeque::new(), is_complete: true };
        drop(mem::replace(&mut self.io().state, closed));
        self.shared.ledger().socket_closed(self.id);
    }
}
