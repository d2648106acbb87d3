//! A scripted server in the simulated world: the outcome of each attempt, and both ends of each connection.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use childminder::Host;
use childminder::client::ConnectError;
use childminder::testkit::Sim;
use futures_lite::io::{AsyncRead, AsyncWrite};

use super::secs;

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// It succeeds after this number of seconds.
    Accept(f64),
    /// It fails after this number of seconds.
    Refuse(f64),
    /// It fails permanently.
    FailForever,
    /// It never ends.
    Hang,
    /// The connector panics.
    Panic,
}

/// Accepts every attempt that has no other outcome, and records the events in the trace.
#[derive(Clone)]
pub(super) struct Server {
    sim: Sim,
    state: Arc<Mutex<ServerState>>,
}

#[derive(Default)]
struct ServerState {
    outcomes: VecDeque<Outcome>,
    attempts: usize,
    peers: Vec<Peer>,
}

impl Server {
    pub(super) fn new(sim: &Sim) -> Self {
        Self { sim: sim.clone(), state: Arc::default() }
    }

    /// Sets the outcomes of the next attempts.
    pub(super) fn outcomes(&self, outcomes: &[Outcome]) {
        self.state.lock().unwrap().outcomes.extend(outcomes);
    }

    /// Returns the server's end of the `n`-th connection, counted from 1.
    pub(super) fn peer(&self, n: usize) -> Peer {
        self.state.lock().unwrap().peers[n - 1].clone()
    }

    /// Returns the number of connections so far.
    pub(super) fn peers(&self) -> usize {
        self.state.lock().unwrap().peers.len()
    }

    /// Returns the number of open connections.
    pub(super) fn open(&self) -> usize {
        let state = self.state.lock().unwrap();
        state.peers.iter().filter(|peer| !peer.lock().dropped).count()
    }

    pub(super) fn attempts(&self) -> usize {
        self.state.lock().unwrap().attempts
    }

    /// Connects once.
    pub(super) async fn connect(self) -> Result<Stream, ConnectError> {
        let (attempt, outcome) = {
            let mut state = self.state.lock().unwrap();
            state.attempts += 1;
            (state.attempts, state.outcomes.pop_front().unwrap_or(Outcome::Accept(0.0)))
        };
        self.sim.note(format_args!("attempt {attempt}"));
        let mut guard = AttemptGuard { sim: self.sim.clone(), attempt, done: false };
        let delay = match outcome {
            Outcome::Accept(delay) | Outcome::Refuse(delay) => delay,
            Outcome::FailForever | Outcome::Panic => 0.0,
            Outcome::Hang => return std::future::pending().await,
        };
        self.sim.sleep_until(self.sim.now() + secs(delay)).await;
        guard.done = true;
        match outcome {
            Outcome::Accept(_) => Ok(self.accept()),
            Outcome::Refuse(_) => Err(ConnectError::new("refused")),
            Outcome::FailForever => Err(ConnectError::permanent("banned")),
            Outcome::Panic => panic!("the connector is broken"),
            Outcome::Hang => unreachable!("it never ends"),
        }
    }

    fn accept(&self) -> Stream {
        let mut state = self.state.lock().unwrap();
        let number = state.peers.len() + 1;
        let peer = Peer { sim: self.sim.clone(), number, ends: Arc::default() };
        state.peers.push(peer.clone());
        assert_eq!(
            state.peers.iter().filter(|peer| !peer.lock().dropped).count(),
            1,
            "two connections are open at once"
        );
        self.sim.note(format_args!("open {number}"));
        Stream(peer)
    }
}

/// Records in the trace that an attempt was cancelled.
struct AttemptGuard {
    sim: Sim,
    attempt: usize,
    done: bool,
}

impl Drop for AttemptGuard {
    fn drop(&mut self) {
        if !self.done {
            self.sim.note(format_args!("cancel {}", self.attempt));
        }
    }
}

/// The server's end of a connection. It closes the connection when the client does, unless `stay_open` was
/// called.
#[derive(Clone)]
pub(super) struct Peer {
    sim: Sim,
    number: usize,
    ends: Arc<Mutex<Ends>>,
}

#[derive(Default)]
struct Ends {
    /// Data for the client.
    sent: VecDeque<u8>,
    /// Data from the client.
    received: Vec<u8>,
    end: Option<End>,
    stays_open: bool,
    /// The client's end was dropped.
    dropped: bool,
    polls: usize,
    reader: Option<Waker>,
}

#[derive(Clone, Copy)]
enum End {
    Eof,
    Error(io::ErrorKind),
    Panic,
}

impl Peer {
    pub(super) fn send(&self, text: &str) {
        self.change(|ends| ends.sent.extend(text.bytes()));
    }

    pub(super) fn received(&self) -> String {
        String::from_utf8_lossy(&self.lock().received).into_owned()
    }

    pub(super) fn close(&self) {
        self.change(|ends| ends.end = Some(End::Eof));
    }

    pub(super) fn reset(&self) {
        self.change(|ends| ends.end = Some(End::Error(io::ErrorKind::ConnectionReset)));
    }

    /// Makes the client's stream panic when it is read.
    pub(super) fn panic_on_read(&self) {
        self.change(|ends| ends.end = Some(End::Panic));
    }

    /// Keeps the connection open when the client closes it.
    pub(super) fn stay_open(&self) {
        self.change(|ends| ends.stays_open = true);
    }

    /// Returns how often the client's stream was polled for reading.
    pub(super) fn polls(&self) -> usize {
        self.lock().polls
    }

    fn change(&self, change: impl FnOnce(&mut Ends)) {
        let mut ends = self.lock();
        change(&mut ends);
        let reader = ends.reader.take();
        drop(ends);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap()
    }
}

/// The client's end of a connection.
pub(super) struct Stream(Peer);

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut ends = self.0.lock();
        ends.polls += 1;
        if ends.sent.is_empty() {
            return match ends.end {
                Some(End::Eof) => Poll::Ready(Ok(0)),
                Some(End::Error(kind)) => Poll::Ready(Err(kind.into())),
                Some(End::Panic) => {
                    drop(ends);
                    panic!("a bug in the stream")
                }
                None => {
                    ends.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let length = ends.sent.len().min(buf.len());
        for (target, byte) in buf.iter_mut().zip(ends.sent.drain(..length)) {
            *target = byte;
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut ends = self.0.lock();
        if let Some(End::Error(kind)) = ends.end {
            return Poll::Ready(Err(kind.into()));
        }
        ends.received.extend(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.sim.note(format_args!("shut {}", self.0.number));
        self.0.change(|ends| {
            if !ends.stays_open {
                ends.end = Some(End::Eof);
            }
        });
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.lock().dropped = true;
        self.0.sim.note(format_args!("drop {}", self.0.number));
    }
}
