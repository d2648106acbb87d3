//! The host as the watch has it used: what goes through it is seen.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::gate::Event;
use super::session::Session;
use crate::host::{Host, ProbeFuture, ProbeTarget, Process, SleepFuture, Spec};
use crate::machine::{Containment, SignalTarget, SurvivingProcess};
use crate::machine::{Exit, Signal, SpawnError, Stream};

/// A host of which the [`Watch`](super::Watch) sees the first start after it was armed.
#[derive(Debug)]
pub(crate) struct Observed {
    host: Arc<dyn Host>,
    armed: Arc<Armed>,
}

/// The session that the next start belongs to.
#[derive(Debug, Default)]
pub(super) struct Armed(Mutex<Option<Arc<Session>>>);

impl Armed {
    pub(super) fn set(&self, session: Arc<Session>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
    }

    fn take(&self) -> Option<Arc<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Observed {
    pub(super) fn new(host: Arc<dyn Host>, armed: Arc<Armed>) -> Self {
        Self { host, armed }
    }
}

impl Drop for Observed {
    /// Whoever was to start something does not any more.
    fn drop(&mut self) {
        if let Some(session) = self.armed.take() {
            session.tell(Event::Abandoned, self.host.now());
        }
    }
}

impl Host for Observed {
    fn now(&self) -> Instant {
        self.host.now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        self.host.sleep_until(at)
    }

    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        let Some(session) = self.armed.take() else { return self.host.spawn(spec) };
        match self.host.spawn(spec) {
            Ok(process) => {
                let pid = process.id();
                session.body().put(process);
                Ok(Box::new(Watched { pid, started: Some(self.now()), session, host: self.host.clone() }))
            }
            Err(error) => {
                session.tell(Event::SpawnFailed(error.clone()), self.now());
                Err(error)
            }
        }
    }

    fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        self.host.locate(spec)
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        self.host.probe(target, owner)
    }

    fn has_threads(&self) -> bool {
        self.host.has_threads()
    }
}

/// The process that is watched, for whoever minds it.
struct Watched {
    pid: u32,
    /// When it was started, until that is told. Whoever minds it has made a note of the start when they first ask it
    /// for something, and not before: told at once, it could be ready while they do not know of it.
    started: Option<Instant>,
    session: Arc<Session>,
    host: Arc<dyn Host>,
}

impl Watched {
    fn tell_start(&mut self) {
        if let Some(at) = self.started.take() {
            self.session.tell(Event::Started(self.pid), at);
        }
    }
}

impl Process for Watched {
    fn id(&self) -> u32 {
        self.pid
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        self.tell_start();
        let exit = ready!(self.session.body().mind_exit(cx));
        self.session.tell(Event::Exited(exit), self.host.now());
        Poll::Ready(exit)
    }

    fn poll_read(&mut self, stream: Stream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.tell_start();
        let read = ready!(self.session.body().process().poll_read(stream, cx, buf));
        if let Ok(length) = read {
            self.session.show(stream, &buf[..length], || self.host.now());
        }
        Poll::Ready(read)
    }

    fn signal(&mut self, target: SignalTarget, signal: Signal) -> io::Result<()> {
        self.session.body().process().signal(target, signal)
    }

    fn remaining(&mut self) -> Vec<u32> {
        self.session.body().process().remaining()
    }

    fn containment(&self) -> Containment {
        self.session.body().process().containment()
    }

    fn describe(&mut self, pids: &[u32]) -> Vec<SurvivingProcess> {
        self.session.body().process().describe(pids)
    }

    fn observe_family(&mut self) {
        self.session.body().process().observe_family();
    }

    fn stopped_by(&mut self) -> Option<Signal> {
        self.session.body().process().stopped_by()
    }
}

impl Drop for Watched {
    /// A process that is dropped is gone when this returns, and not when the watch has finished looking at it.
    fn drop(&mut self) {
        self.tell_start();
        let process = self.session.body().take();
        drop(process);
        self.session.tell(Event::Exited(Exit::Lost), self.host.now());
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("process", &self.session.body().process()).finish_non_exhaustive()
    }
}
