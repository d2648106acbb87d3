//! The state that the handle, the thread and the connections of a server share.
//!
//! A close is one sequence of steps. Each step is carried out by the first thread that reaches it:
//!
//! 1. *closing*: the listener is closed, and every connection is asked to end;
//! 2. *quiet*: the last handler has returned;
//! 3. *concluded*: the verdict is given, because the server is quiet or the grace period is over;
//! 4. *done*: every socket is closed, and the thread has ended or is given up.
//!
//! The server's thread does all of this. If a handler blocks it, a thread that waits for the close takes
//! over.

use std::fmt::Debug;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock, Weak};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::error::{LeakCause, LeakError, TidyError};
use super::ledger::{Id, Ledger};
use super::socket::{Endpoint, Listener, Socket};
use crate::backoff::BackoffPolicy;
use crate::host::{Host, SleepFuture};
use crate::sync::{Lock, SetOnce};

/// One end of a connection, as the server sees it when it closes.
pub(super) trait Closable: Debug + Send + Sync {
    /// Asks the user of this end to finish. Data that has arrived can still be read and answered.
    fn request_end(&self);

    /// Closes the socket, whether or not it is in use.
    fn close(&self);
}

/// The book of the server's connections.
type Connections = Ledger<Weak<dyn Closable>>;

/// The state of one server.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: Endpoint,
    pub(super) grace: Duration,
    /// The server is being closed.
    pub(super) closing: SetOnce,
    /// No handler runs any more, and none will.
    pub(super) quiet: SetOnce,
    /// There is nothing more to wait for: the thread has ended, or is given up.
    pub(super) done: SetOnce,
    clock: Clock,
    /// When the close began.
    closed_at: OnceLock<Instant>,
    ledger: Lock<Connections>,
    listening: Lock<Option<Listening>>,
    verdict: OnceLock<Result<(), LeakError>>,
    thread: Lock<Option<JoinHandle<()>>>,
    /// The number of names of client sockets that have been used.
    names: AtomicU64,
}

/// The host whose clock a server uses.
#[derive(Clone, Debug)]
pub(super) struct Clock(pub(super) Arc<dyn Host>);

// A host is used through shared references by several threads, so no panic can leave it half changed for the
// next user.
impl UnwindSafe for Clock {}
impl RefUnwindSafe for Clock {}

/// The listening socket. Its directory is dropped after it.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) listener: Listener,
    /// The private directory of a Unix socket.
    pub(super) _directory: Option<TempDir>,
}

impl Shared {
    pub(super) fn new(clock: Clock, address: Endpoint, grace: Duration, listening: Listening) -> Self {
        Self {
            address,
            grace,
            closing: SetOnce::new(),
            quiet: SetOnce::new(),
            done: SetOnce::new(),
            clock,
            closed_at: OnceLock::new(),
            ledger: Lock::new(Ledger::new()),
            listening: Lock::new(Some(listening)),
            verdict: OnceLock::new(),
            thread: Lock::new(None),
            names: AtomicU64::new(0),
        }
    }

    /// Locks the ledger. No connection may be dropped meanwhile, because its drop locks the ledger as well.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Connections> {
        self.ledger.lock()
    }

    /// Polls for the next client. Never ready once the listener is closed.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Endpoint)>> {
        match &*self.listening.lock() {
            Some(listening) => listening.listener.poll_accept(cx),
            None => Poll::Pending,
        }
    }

    /// Creates a client socket with a name beside that of the server. The listener is locked meanwhile: a
    /// directory in which a file appears while it is being removed would stay behind.
    pub(super) fn named_socket(&self, server: &Path) -> io::Result<(OwnedFd, PathBuf)> {
        let listening = self.listening.lock();
        if listening.is_none() {
            return Err(self.closed_error().into());
        }
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let name = server.with_file_name(format!("client-{number}"));
        Ok((Socket::named_unix(&name)?, name))
    }

    /// Sleeps for `time` on the clock of the host.
    pub(super) fn sleep(&self, time: Duration) -> SleepFuture {
        self.clock.0.sleep_until(self.clock.0.now() + time)
    }

    /// Returns the error for a client that connects after the close has begun.
    pub(super) fn closed_error(&self) -> TidyError {
        TidyError::Closed { server: self.address.clone() }
    }
}

/// Closing.
impl Shared {
    /// Closes the listener and asks every connection to end. Returns true for the first call.
    pub(super) fn begin_close(&self) -> bool {
        let listening = self.listening.lock().take();
        drop(listening);
        let connections = {
            let mut ledger = self.ledger();
            ledger.close();
            if ledger.is_quiet() {
                self.quiet.set();
            }
            ledger.sockets()
        };
        self.closed_at.get_or_init(|| self.clock.0.now());
        let first = self.closing.set();
        if first {
            connections.iter().filter_map(Weak::upgrade).for_each(|connection| connection.request_end());
        }
        first
    }

    /// Sleeps until `time` has passed since the beginning of the close.
    pub(super) async fn sleep_after_close(&self, time: Duration) {
        let closed_at = *self.closed_at.get_or_init(|| self.clock.0.now());
        let sleep = self.clock.0.sleep_until(closed_at + time.min(BackoffPolicy::LONGEST));
        // The lock is never contended. It makes the sleep `Sync`, and with it the future of a close.
        let mut sleep = Lock::new(sleep);
        poll_fn(move |cx| sleep.get_mut().as_mut().poll(cx)).await;
    }

    /// Records that the handler of `id` has ended, with the message of its panic if it panicked.
    pub(super) fn handler_ended(&self, id: Id, panic: Option<String>) {
        let mut ledger = self.ledger();
        ledger.handler_ended(id, panic);
        if ledger.is_quiet() {
            self.quiet.set();
        }
    }

    /// Gives the verdict, if it was not given before: handlers that still run have leaked because of `cause`.
    pub(super) fn conclude(&self, cause: &LeakCause) {
        let mut ledger = self.ledger();
        self.verdict.get_or_init(|| {
            let connections = ledger.conclude(cause);
            let leak = LeakError { server: self.address.clone(), grace: self.grace, connections };
            if leak.connections.is_empty() { Ok(()) } else { Err(leak) }
        });
    }

    /// Closes every socket that is still open.
    pub(super) fn close_sockets(&self) {
        let connections = self.ledger().sockets();
        connections.iter().filter_map(Weak::upgrade).for_each(|connection| connection.close());
    }

    pub(super) fn verdict(&self) -> Option<Result<(), LeakError>> {
        self.verdict.get().cloned()
    }
}

/// The thread.
impl Shared {
    pub(super) fn set_thread(&self, thread: JoinHandle<()>) {
        *self.thread.lock() = Some(thread);
    }

    /// Joins the thread, which has nothing more to do. A second caller waits for the first.
    pub(super) fn join_thread(&self) {
        let mut slot = self.thread.lock();
        if let Some(thread) = slot.take() {
            // The panics of handlers are caught, so there is no panic to pass on.
            let _ = thread.join();
        }
    }

    /// Stops waiting for the thread, because a handler blocks it.
    pub(super) fn detach(&self) {
        drop(self.thread.lock().take());
        self.done.set();
    }

    /// Whether this is called on the server's own thread, which cannot wait for itself.
    pub(super) fn is_own_thread(&self) -> bool {
        self.thread.lock().as_ref().is_some_and(|thread| thread.thread().id() == thread::current().id())
    }
}
