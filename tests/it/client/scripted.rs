//! A scripted server in the simulated world: what becomes of each attempt, and both ends of each connection.

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

/// What becomes of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It leads to a connection, after so many seconds.
    Accept(f64),
    /// It fails, after so many seconds.
    Refuse(f64),
    /// It fails, and so would any other.
    Ban,
    /// Nothing.
    Hang,
    /// The connector panics.
    Panic,
}

/// Accepts every attempt that has no other fate, and tells the trace of the world what it sees.
#[derive(Clone)]
pub(super) struct Server {
    sim: Sim,
    desk: Arc<Mutex<Desk>>,
}

#[derive(Default)]
struct Desk {
    fates: VecDeque<Fate>,
    attempts: usize,
    peers: Vec<Peer>,
}

impl Server {
    pub(super) fn new(sim: &Sim) -> Self {
        Self { sim: sim.clone(), desk: Arc::default() }
    }

    /// What becomes of the next attempts that have no fate yet.
    pub(super) fn fates(&self, fates: &[Fate]) {
        self.desk.lock().unwrap().fates.extend(fates);
    }

    /// The other end of the `n`-th connection, counted from 1.
    pub(super) fn peer(&self, n: usize) -> Peer {
        self.desk.lock().unwrap().peers[n - 1].clone()
    }

    /// How many connections there have been.
    pub(super) fn peers(&self) -> usize {
        self.desk.lock().unwrap().peers.len()
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        let desk = self.desk.lock().unwrap();
        desk.peers.iter().filter(|peer| !peer.lock().dropped).count()
    }

    pub(super) fn attempts(&self) -> usize {
        self.desk.lock().unwrap().attempts
    }

    /// Connects once.
    pub(super) async fn connect(self) -> Result<Stream, ConnectError> {
        let (attempt, fate) = {
            let mut desk = self.desk.lock().unwrap();
            desk.attempts += 1;
            (desk.attempts, desk.fates.pop_front().unwrap_or(Fate::Accept(0.0)))
        };
        self.sim.note(format_args!("attempt {attempt}"));
        let mut under_way = UnderWay { sim: self.sim.clone(), attempt, done: false };
        let delay = match fate {
            Fate::Accept(delay) | Fate::Refuse(delay) => delay,
            Fate::Ban | Fate::Panic => 0.0,
            Fate::Hang => return std::future::pending().await,
        };
        self.sim.sleep_until(self.sim.now() + secs(delay)).await;
        under_way.done = true;
        match fate {
            Fate::Accept(_) => Ok(self.accept()),
            Fate::Refuse(_) => Err(ConnectError::new("refused")),
            Fate::Ban => Err(ConnectError::permanent("banned")),
            Fate::Panic => panic!("the connector is broken"),
            Fate::Hang => unreachable!("it waits for ever"),
        }
    }

    fn accept(&self) -> Stream {
        let mut desk = self.desk.lock().unwrap();
        let number = desk.peers.len() + 1;
        let peer = Peer { sim: self.sim.clone(), number, ends: Arc::default() };
        desk.peers.push(peer.clone());
        assert_eq!(
            desk.peers.iter().filter(|peer| !peer.lock().dropped).count(),
            1,
            "two are open at a time"
        );
        self.sim.note(format_args!("open {number}"));
        Stream(peer)
    }
}

/// An attempt that notices when it is dropped before its time.
struct UnderWay {
    sim: Sim,
    attempt: usize,
    done: bool,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.done {
            self.sim.note(format_args!("cancel {}", self.attempt));
        }
    }
}

/// The server's end of a connection. It hangs up when the client does, unless it is stubborn.
#[derive(Clone)]
pub(super) struct Peer {
    sim: Sim,
    number: usize,
    ends: Arc<Mutex<Ends>>,
}

#[derive(Default)]
struct Ends {
    /// On its way to the client.
    said: VecDeque<u8>,
    /// Come from the client.
    heard: Vec<u8>,
    over: Option<Over>,
    stubborn: bool,
    /// The client's end is gone.
    dropped: bool,
    polls: usize,
    reader: Option<Waker>,
}

#[derive(Clone, Copy)]
enum Over {
    Eof,
    Error(io::ErrorKind),
    Panic,
}

impl Peer {
    pub(super) fn says(&self, words: &str) {
        self.change(|ends| ends.said.extend(words.bytes()));
    }

    pub(super) fn heard(&self) -> String {
        String::from_utf8_lossy(&self.lock().heard).into_owned()
    }

    pub(super) fn hangs_up(&self) {
        self.change(|ends| ends.over = Some(Over::Eof));
    }

    pub(super) fn breaks(&self) {
        self.change(|ends| ends.over = Some(Over::Error(io::ErrorKind::ConnectionReset)));
    }

    /// The client's stream panics when it is read.
    pub(super) fn is_cursed(&self) {
        self.change(|ends| ends.over = Some(Over::Panic));
    }

    /// It does not hang up when the client does.
    pub(super) fn is_stubborn(&self) {
        self.change(|ends| ends.stubborn = true);
    }

    /// How often the client's stream was polled for reading.
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
        if ends.said.is_empty() {
            return match ends.over {
                Some(Over::Eof) => Poll::Ready(Ok(0)),
                Some(Over::Error(kind)) => Poll::Ready(Err(kind.into())),
                Some(Over::Panic) => {
                    drop(ends);
                    panic!("the stream is cursed")
                }
                None => {
                    ends.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let length = ends.said.len().min(buf.len());
        for (place, byte) in buf.iter_mut().zip(ends.said.drain(..length)) {
            *place = byte;
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut ends = self.0.lock();
        if let Some(Over::Error(kind)) = ends.over {
            return Poll::Ready(Err(kind.into()));
        }
        ends.heard.extend(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.sim.note(format_args!("shut {}", self.0.number));
        self.0.change(|ends| {
            if !ends.stubborn {
                ends.over = Some(Over::Eof);
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
