//! The host as a plan has it used: what goes through it is recorded.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::planned::ProcessRef;
use super::record::Record;
use crate::host::{Host, ProbeFuture, ProbeTarget, Process, SleepFuture, Spec};
use crate::machine::{Containment, SignalTarget, SurvivingProcess};
use crate::machine::{Exit, Signal, SpawnError, Stream};

/// A host that records what its processes do.
///
/// The monitor starts processes in the order in which it was told to; so this knows who each start is. What is started is
/// what the [`Start`] says: it may have descriptors in it that are good for one start only, and that must not stay open
/// here.
#[derive(Clone)]
pub(super) struct Recorder(Arc<Shared>);

struct Shared {
    host: Arc<dyn Host>,
    record: Mutex<Record>,
    starts: Mutex<VecDeque<Start>>,
}

/// A start that is to come.
pub(super) struct Start {
    pub(super) process: ProcessRef,
    pub(super) spec: Spec,
    /// Who starts it: the host itself, or watches in front of it.
    pub(super) host: Arc<dyn Host>,
}

impl Recorder {
    pub(super) fn new(host: Arc<dyn Host>, record: Record) -> Self {
        Self(Arc::new(Shared { host, record: Mutex::new(record), starts: Mutex::default() }))
    }

    /// The next start is this one, if no other was announced before.
    pub(super) fn announce(&self, start: Start) {
        self.starts().push_back(start);
    }

    /// The host itself.
    pub(super) fn inner(&self) -> Arc<dyn Host> {
        self.0.host.clone()
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.0.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn starts(&self) -> MutexGuard<'_, VecDeque<Start>> {
        self.0.starts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for Recorder {
    fn now(&self) -> Instant {
        self.0.host.now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        self.0.host.sleep_until(at)
    }

    fn spawn(&self, _: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        let Start { process, spec, host } = self.starts().pop_front().expect("every start is announced");
        match host.spawn(&spec) {
            Ok(body) => {
                self.record().started(process, body.id(), self.now());
                let recorder = self.clone();
                Ok(Box::new(RecordedProcess { process, body: Some(body), has_exited: false, recorder }))
            }
            Err(error) => {
                self.record().not_started(process, error.clone(), self.now());
                Err(error)
            }
        }
    }

    fn locate(&self, spec: &Spec) -> Result<std::path::PathBuf, SpawnError> {
        self.0.host.locate(spec)
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        self.0.host.probe(target, owner)
    }

    fn has_threads(&self) -> bool {
        self.0.host.has_threads()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("host", &self.0.host).finish_non_exhaustive()
    }
}

/// A process that is recorded, for the monitor.
struct RecordedProcess {
    process: ProcessRef,
    /// Until it is dropped.
    body: Option<Box<dyn Process>>,
    has_exited: bool,
    recorder: Recorder,
}

impl RecordedProcess {
    fn body(&mut self) -> &mut dyn Process {
        &mut **self.body.as_mut().expect("it is there until it is dropped")
    }
}

impl Process for RecordedProcess {
    fn id(&self) -> u32 {
        self.body.as_ref().expect("it is there until it is dropped").id()
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        let exit = ready!(self.body().poll_exit(cx));
        if !self.has_exited {
            self.has_exited = true;
            self.recorder.record().exited(self.process, exit, self.recorder.now());
        }
        Poll::Ready(exit)
    }

    fn poll_read(&mut self, stream: Stream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = ready!(self.body().poll_read(stream, cx, buf));
        if let Ok(length) = read {
            self.recorder.record().printed(self.process, stream, &buf[..length], self.recorder.now());
        }
        Poll::Ready(read)
    }

    fn signal(&mut self, target: SignalTarget, signal: Signal) -> io::Result<()> {
        let sent = self.body().signal(target, signal);
        if sent.is_ok() {
            self.recorder.record().signalled(self.process, signal, self.recorder.now());
        }
        sent
    }

    fn remaining(&mut self) -> Vec<u32> {
        self.body().remaining()
    }

    fn containment(&self) -> Containment {
        self.body.as_ref().expect("it is there until it is dropped").containment()
    }

    fn describe(&mut self, pids: &[u32]) -> Vec<SurvivingProcess> {
        self.body().describe(pids)
    }

    fn observe_family(&mut self) {
        self.body().observe_family();
    }

    fn stopped_by(&mut self) -> Option<Signal> {
        self.body().stopped_by()
    }
}

impl Drop for RecordedProcess {
    /// What is dropped is gone, and told to be when it is.
    fn drop(&mut self) {
        drop(self.body.take());
        self.recorder.record().gone(self.process, self.recorder.now());
    }
}

impl fmt::Debug for RecordedProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedProcess").field("body", &self.body).finish_non_exhaustive()
    }
}
