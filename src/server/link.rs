//! One end of a connection, as its clones and its server share it.
//!
//! The socket lies behind a lock, for it has two masters. Whoever holds a [`TidyStream`](super::TidyStream) reads and
//! writes; the server asks it to end, and closes it in the end, whoever holds it still. The lock is held for one system
//! call that does not block. The event loop knows who waits for the socket, but says nothing when the socket is taken
//! away; so who waits is kept here as well.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::endpoint::Endpoint;
use super::ledger::{Id, Line};
use super::shared::Shared;
use super::socket::Socket;

/// How many reads and writes may succeed in a row before others get their turn. Who is flooded never has to wait, and
/// would keep the thread for itself.
const TURN: u32 = 64;

/// How much of what was not read is kept when a socket is closed by the server.
const REST: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Link {
    shared: Arc<Shared>,
    id: Id,
    side: Side,
    local: Endpoint,
    peer: Endpoint,
    wire: Mutex<Wire>,
}

/// Whose end it is. It decides how the end is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// A handler's. It reads the end of the stream as soon as there is nothing else to read.
    Accepted,
    /// A client's. It has nothing more to say: it cannot write any more, but reads what the server still sends.
    Client,
}

#[derive(Debug)]
struct Wire {
    state: State,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// How many reads and writes have succeeded since somebody last had to wait.
    turns: u32,
}

#[derive(Debug)]
enum State {
    Open {
        socket: Socket,
        /// The server is to end.
        asked: bool,
    },
    Closed {
        /// What had come and was not read yet. Who was about to read it does not have to be faster than the close.
        rest: VecDeque<u8>,
        /// That was all.
        is_all: bool,
    },
}

impl Link {
    /// The server's end of a connection. `None`: the server is to end.
    pub(super) fn accept(shared: &Arc<Shared>, socket: Socket, peer: Endpoint) -> Option<Arc<Self>> {
        let local = shared.address.clone();
        let mut link = None;
        shared.ledger().accept(peer.clone(), |id| {
            let opened = Self::open(shared, id, Side::Accepted, socket, [local, peer]);
            Arc::downgrade(link.insert(opened))
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
                let connected = Socket::connect_unix(socket, path).await;
                (connected.inspect_err(|_| shared.ledger().renounce(&local))?, local)
            }
            Endpoint::Unnamed => unreachable!("a server has an address"),
        };
        let peer = shared.address.clone();
        let mut link = None;
        shared.ledger().connect(|id| {
            let opened = Self::open(shared, id, Side::Client, socket, [local, peer]);
            Arc::downgrade(link.insert(opened))
        });
        link.ok_or_else(|| shared.closed().into())
    }

    fn open(shared: &Arc<Shared>, id: Id, side: Side, socket: Socket, ends: [Endpoint; 2]) -> Arc<Self> {
        let [local, peer] = ends;
        let state = State::Open { socket, asked: false };
        let wire = Mutex::new(Wire { state, reader: None, writer: None, turns: 0 });
        Arc::new(Self { shared: shared.clone(), id, side, local, peer, wire })
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

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What whoever holds it does.
impl Link {
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.wire();
        if wire.turn_is_over(cx) {
            return Poll::Pending;
        }
        match &mut wire.state {
            State::Open { socket, asked } => match socket.poll_read(cx, buf) {
                Poll::Pending if *asked && self.side == Side::Accepted => Poll::Ready(Ok(0)),
                Poll::Pending => {
                    wire.turns = 0;
                    wire.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
                done => done,
            },
            State::Closed { rest, is_all } => match rest.read(buf) {
                Ok(0) if !*is_all && !buf.is_empty() => Poll::Ready(Err(self.lost())),
                read => Poll::Ready(read),
            },
        }
    }

    pub(super) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.wire();
        if wire.turn_is_over(cx) {
            return Poll::Pending;
        }
        match &wire.state {
            State::Open { socket, .. } => {
                let written = socket.poll_write(cx, buf);
                if written.is_pending() {
                    wire.turns = 0;
                    wire.writer = Some(cx.waker().clone());
                }
                written
            }
            State::Closed { .. } => Poll::Ready(Err(self.lost())),
        }
    }

    /// Says to the other end that nothing more comes.
    pub(super) fn finish(&self) -> io::Result<()> {
        match &self.wire().state {
            State::Open { socket, .. } => socket.finish(),
            State::Closed { .. } => Ok(()),
        }
    }

    fn lost(&self) -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionAborted, self.shared.closed())
    }
}

impl Wire {
    /// Whether it is time to let others do something. Whoever is told so is called again at once.
    fn turn_is_over(&mut self, cx: &Context<'_>) -> bool {
        self.turns += 1;
        let is_over = self.turns > TURN;
        if is_over {
            self.turns = 0;
            cx.waker().wake_by_ref();
        }
        is_over
    }
}

/// What the server does.
impl Link {
    /// Asks it to end. What is being read may be read to its end, and answered.
    pub(super) fn ask(&self) {
        let mut wire = self.wire();
        let State::Open { socket, asked } = &mut wire.state else { return };
        *asked = true;
        match self.side {
            Side::Accepted => {
                let reader = wire.reader.take();
                drop(wire);
                reader.into_iter().for_each(Waker::wake);
            }
            // If it fails there is nobody to be told: the connection has gone already.
            Side::Client => drop(socket.finish()),
        }
    }

    /// Closes it, whoever holds it. Whoever waits for it is told.
    pub(super) fn close(&self) {
        let mut wire = self.wire();
        let State::Open { socket, .. } = &wire.state else { return };
        let (rest, is_all) = socket.drain(REST);
        let before = mem::replace(&mut wire.state, State::Closed { rest: rest.into(), is_all });
        let wakers = [wire.reader.take(), wire.writer.take()];
        drop(wire);
        drop(before);
        self.shared.ledger().closed(self.id);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The socket first: in the book it is closed only when it is.
        let closed = State::Closed { rest: VecDeque::new(), is_all: true };
        drop(mem::replace(&mut self.wire.get_mut().unwrap_or_else(PoisonError::into_inner).state, closed));
        self.shared.ledger().closed(self.id);
    }
}
