//! What the handle, the thread and every connection of a server share.
//!
//! The end of a server is one sequence, and whoever gets there first carries a step out:
//!
//! 1. *asked*: the door is shut, so that nobody comes in any more, and every connection is asked to end;
//! 2. *quiet*: the last handler has ended;
//! 3. *concluded*: the verdict is there, be it that everything is quiet or that the time is over;
//! 4. *cleared*: every socket is closed, whoever holds it.
//!
//! The thread does all of that. When something blocks it, whoever waits for the end does it instead.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

use super::bell::Bell;
use super::endpoint::Endpoint;
use super::error::TidyError;
use super::leak::{LeakCause, LeakError};
use super::ledger::{Id, Ledger};
use super::link::Link;
use super::socket::{Listener, Socket};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: Endpoint,
    pub(super) grace: Duration,
    /// The server is to end.
    pub(super) asked: Bell,
    /// No handler runs any more, and none will.
    pub(super) quiet: Bell,
    /// There is nothing more to wait for: the thread is at its end, or given up.
    pub(super) done: Bell,
    ledger: Mutex<Ledger<Weak<Link>>>,
    door: Mutex<Option<Door>>,
    verdict: OnceLock<Result<(), LeakError>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    names: AtomicU64,
}

/// Where clients come in. It goes as a whole, the directory last.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: Listener,
    /// Where the socket is, if it is one with a path.
    pub(super) _directory: Option<TempDir>,
}

impl Shared {
    pub(super) fn new(address: Endpoint, grace: Duration, door: Door) -> Self {
        Self {
            address,
            grace,
            asked: Bell::new(),
            quiet: Bell::new(),
            done: Bell::new(),
            ledger: Mutex::new(Ledger::new()),
            door: Mutex::new(Some(door)),
            verdict: OnceLock::new(),
            thread: Mutex::new(None),
            names: AtomicU64::new(0),
        }
    }

    /// The book. The lock is held for a moment only; no link is dropped meanwhile, for that makes an entry of its own.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger<Weak<Link>>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next client. Pending for ever when the door is shut.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Endpoint)>> {
        match &*lock(&self.door) {
            Some(door) => door.listener.poll_accept(cx),
            None => Poll::Pending,
        }
    }

    /// A socket for a client, and its name, beside that of the server. The door is held meanwhile: a directory that somebody
    /// puts something into just then cannot be removed.
    pub(super) fn named_socket(&self, server: &Path) -> io::Result<(OwnedFd, PathBuf)> {
        let door = lock(&self.door);
        if door.is_none() {
            return Err(self.closed().into());
        }
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let name = server.with_file_name(format!("client-{number}"));
        Ok((Socket::named_unix(&name)?, name))
    }

    /// The handler of `id` has ended.
    pub(super) fn handled(&self, id: Id, panic: Option<String>) {
        let mut ledger = self.ledger();
        ledger.handled(id, panic);
        if ledger.is_quiet() {
            self.quiet.ring();
        }
    }

    /// What is told to those who come too late.
    pub(super) fn closed(&self) -> TidyError {
        TidyError::Closed { server: self.address.clone() }
    }
}

/// The end.
impl Shared {
    /// Shuts the door, and asks every connection to end. True for the first who does.
    pub(super) fn ask(&self) -> bool {
        let door = lock(&self.door).take();
        drop(door);
        let links = {
            let mut ledger = self.ledger();
            ledger.ask();
            if ledger.is_quiet() {
                self.quiet.ring();
            }
            ledger.sockets()
        };
        let first = self.asked.ring();
        if first {
            links.iter().filter_map(Weak::upgrade).for_each(|link| link.ask());
        }
        first
    }

    /// Gives the verdict, if there is none: handlers that still run have leaked, for `cause`.
    pub(super) fn conclude(&self, cause: &LeakCause) {
        let mut ledger = self.ledger();
        self.verdict.get_or_init(|| {
            let connections = ledger.verdict(cause);
            let leak = LeakError { server: self.address.clone(), grace: self.grace, connections };
            if leak.connections.is_empty() { Ok(()) } else { Err(leak) }
        });
    }

    /// Closes every socket that is open, whoever holds it.
    pub(super) fn clear(&self) {
        let links = self.ledger().sockets();
        links.iter().filter_map(Weak::upgrade).for_each(|link| link.close());
    }

    pub(super) fn verdict(&self) -> Option<Result<(), LeakError>> {
        self.verdict.get().cloned()
    }
}

/// The thread.
impl Shared {
    pub(super) fn employ(&self, thread: JoinHandle<()>) {
        *lock(&self.thread) = Some(thread);
    }

    /// Waits until the thread, which has nothing more to do, is gone.
    pub(super) fn dismiss(&self) {
        // Who comes second waits for the first, and finds the thread gone as well.
        let mut slot = lock(&self.thread);
        if let Some(thread) = slot.take() {
            // It contains every panic that is not ours.
            let _ = thread.join();
        }
    }

    /// Nobody waits for the thread any more, which is blocked.
    pub(super) fn let_go(&self) {
        drop(lock(&self.thread).take());
        self.done.ring();
    }

    /// Whether this is the thread of the server. It cannot wait for itself.
    pub(super) fn is_mine(&self) -> bool {
        lock(&self.thread).as_ref().is_some_and(|thread| thread.thread().id() == thread::current().id())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
