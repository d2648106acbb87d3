//! A host that reports to observers what its processes do.
//!
//! A [`TapHost`] is put between a monitor and the real host. The monitor does not know of it: it starts,
//! reads, signals and drops processes as usual, and the [`Observer`] of each
//! [announced](StartQueue::announce) start is called for each of these. Readiness conditions and plans are
//! both built on this.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use super::{Host, ProbeFuture, ProbeTarget, Process, SleepFuture, Spec, TerminalSize, spawn_in_turn};
use crate::machine::{Containment, Exit, Signal, SignalTarget, SpawnError, Stream, SurvivingProcess};
use crate::sync::{Lock, WakerCell};

/// Receives what happens to one process, with the time at which it happened.
///
/// The methods are called by the driver of the monitor, while it acts on the process, so they must not block.
pub(crate) trait Observer: Send + Sync {
    /// The process was started. `slot` gives access to it.
    fn started(&self, pid: u32, slot: &Arc<ProcessSlot>, at: Instant);

    /// The driver polls the process for the first time, so it has recorded the start by now.
    fn first_poll(&self) {}

    /// The driver polls the process, and will do so again when its waker is woken.
    fn poll(&self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// The process could not be started. Nothing else is reported.
    fn start_failed(&self, error: &SpawnError, at: Instant);

    /// These bytes were read from `stream`; none at the end of the stream.
    fn read(&self, stream: Stream, bytes: &[u8], at: Instant);

    /// This signal was sent.
    fn signalled(&self, signal: Signal, at: Instant);

    /// The process has exited.
    fn exited(&self, exit: Exit, at: Instant);

    /// The process was dropped, so it is gone with its group. Nothing is reported after this.
    fn dropped(&self, at: Instant);

    /// The host was dropped before the start. Nothing else is reported.
    fn abandoned(&self, at: Instant);
}

/// One start to be observed.
pub(crate) struct Start {
    pub(crate) observer: Arc<dyn Observer>,
    /// A spec and a host to use instead of what the monitor asks for. A spec may hold descriptors that are
    /// good for one start only and must not stay open in this process afterwards.
    pub(crate) replacement: Option<(Arc<dyn Host>, Spec)>,
}

/// The announced starts of one [`TapHost`], in order. Clones are the same queue.
#[derive(Clone, Default)]
pub(crate) struct StartQueue(Arc<Lock<VecDeque<Start>>>);

impl StartQueue {
    /// Observes the next start for which no other observer was announced before.
    pub(crate) fn announce(&self, start: Start) {
        self.0.lock().push_back(start);
    }

    /// Forgets the starts that were announced and have not begun.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    fn pop(&self) -> Option<Start> {
        self.0.lock().pop_front()
    }

    fn has_replacement(&self) -> bool {
        self.0.lock().iter().any(|start| start.replacement.is_some())
    }
}

impl fmt::Debug for StartQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartQueue").field(&self.0.lock().len()).finish()
    }
}

/// A host whose announced starts are observed. A start that was not announced is passed on to the inner host.
#[derive(Debug)]
pub(crate) struct TapHost {
    host: Arc<dyn Host>,
    starts: StartQueue,
}

impl TapHost {
    pub(crate) fn new(host: Arc<dyn Host>, starts: StartQueue) -> Self {
        Self { host, starts }
    }
}

impl Drop for TapHost {
    fn drop(&mut self) {
        while let Some(start) = self.starts.pop() {
            start.observer.abandoned(self.host.now());
        }
    }
}

impl Host for TapHost {
    fn now(&self) -> Instant {
        self.host.now()
    }

    fn sleep_until(&self, at: Instant) -> SleepFuture {
        self.host.sleep_until(at)
    }

    fn drive(&self, driver: Pin<&mut dyn Future<Output = ()>>) {
        self.host.drive(driver);
    }

    fn spawn(&self, spec: &Spec) -> Result<Box<dyn Process>, SpawnError> {
        let Some(Start { observer, replacement }) = self.starts.pop() else { return self.host.spawn(spec) };
        let spawned = match &replacement {
            Some((host, spec)) => host.spawn(spec),
            None => self.host.spawn(spec),
        };
        observe(spawned, observer, &self.host)
    }

    fn spawn_all(
        &self,
        specs: &[Arc<Spec>],
        until: Option<Instant>,
    ) -> Vec<Result<Box<dyn Process>, SpawnError>> {
        if self.starts.has_replacement() {
            return spawn_in_turn(self, specs, until);
        }
        let observe = |spawned| match self.starts.pop() {
            Some(start) => observe(spawned, start.observer, &self.host),
            None => spawned,
        };
        self.host.spawn_all(specs, until).into_iter().map(observe).collect()
    }

    fn locate(&self, spec: &Spec) -> Result<PathBuf, SpawnError> {
        self.host.locate(spec)
    }

    fn probe(&self, target: &ProbeTarget, owner: Option<u32>) -> ProbeFuture {
        self.host.probe(target, owner)
    }

    fn belongs_to(&self, pid: u32, owner: u32) -> bool {
        self.host.belongs_to(pid, owner)
    }

    fn listening(&self, owner: u32) -> Vec<SocketAddr> {
        self.host.listening(owner)
    }

    fn has_threads(&self) -> bool {
        self.host.has_threads()
    }
}

/// Has `observer` observe a process from now on, with the times of `host`; or reports to it that the start
/// has failed.
pub(crate) fn observe(
    spawned: Result<Box<dyn Process>, SpawnError>,
    observer: Arc<dyn Observer>,
    host: &Arc<dyn Host>,
) -> Result<Box<dyn Process>, SpawnError> {
    match spawned {
        Ok(process) => {
            let pid = process.id();
            let slot = Arc::new(ProcessSlot::new(process));
            observer.started(pid, &slot, host.now());
            let host = host.clone();
            Ok(Box::new(TapProcess { pid, slot, observer, host, was_polled: false, has_exited: false }))
        }
        Err(error) => {
            observer.start_failed(&error, host.now());
            Err(error)
        }
    }
}

/// Shared access to a process that the driver of a monitor owns: its observer can look whether it is alive,
/// and signal it.
pub(crate) struct ProcessSlot(Lock<SlotState>);

struct SlotState {
    /// `None` once the driver has dropped the process.
    process: Option<Box<dyn Process>>,
    /// The driver's waker.
    driver: WakerCell,
}

impl ProcessSlot {
    fn new(process: Box<dyn Process>) -> Self {
        Self(Lock::new(SlotState { process: Some(process), driver: WakerCell::default() }))
    }

    /// Returns how the process has exited, if it has; one that was dropped is lost.
    ///
    /// The driver is woken for an exit that is first seen here.
    pub(crate) fn try_exit(&self) -> Option<Exit> {
        let mut state = self.0.lock();
        let driver = state.driver.get();
        // The process remembers only one waker, which must stay the driver's.
        let waker = driver.as_ref().unwrap_or(Waker::noop());
        let exit = state.poll_exit(&mut Context::from_waker(waker));
        drop(state);
        match exit {
            Poll::Pending => None,
            Poll::Ready(exit) => {
                driver.inspect(Waker::wake_by_ref);
                Some(exit)
            }
        }
    }

    /// Has the driver poll the process.
    pub(crate) fn wake_driver(&self) {
        let driver = self.0.lock().driver.get();
        driver.inspect(Waker::wake_by_ref);
    }

    /// Has the process recognise all processes that belong to it now.
    pub(crate) fn observe_family(&self) {
        if let Some(process) = &mut self.0.lock().process {
            process.observe_family();
        }
    }

    /// Sends a signal; returns whether the process was there.
    pub(crate) fn signal(&self, target: SignalTarget, signal: Signal) -> bool {
        self.0.lock().process.as_mut().is_some_and(|process| process.signal(target, signal).is_ok())
    }
}

impl SlotState {
    fn process(&mut self) -> &mut dyn Process {
        &mut **self.process.as_mut().expect("only the drop of its owner takes the process")
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        self.process.as_mut().map_or(Poll::Ready(Exit::Lost), |process| process.poll_exit(cx))
    }
}

impl fmt::Debug for ProcessSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProcessSlot").field(&self.0.lock().process).finish()
    }
}

/// An observed process, as the driver of the monitor owns it.
struct TapProcess {
    pid: u32,
    slot: Arc<ProcessSlot>,
    observer: Arc<dyn Observer>,
    host: Arc<dyn Host>,
    was_polled: bool,
    has_exited: bool,
}

impl TapProcess {
    fn report_first_poll(&mut self) {
        if !std::mem::replace(&mut self.was_polled, true) {
            self.observer.first_poll();
        }
    }
}

impl Process for TapProcess {
    fn id(&self) -> u32 {
        self.pid
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        self.report_first_poll();
        self.observer.poll(cx);
        let mut state = self.slot.0.lock();
        state.driver.register(cx.waker());
        let exit = ready!(state.poll_exit(cx));
        drop(state);
        if !std::mem::replace(&mut self.has_exited, true) {
            self.observer.exited(exit, self.host.now());
        }
        Poll::Ready(exit)
    }

    fn poll_read(&mut self, stream: Stream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.report_first_poll();
        let read = ready!(self.slot.0.lock().process().poll_read(stream, cx, buf));
        if let Ok(length) = read {
            self.observer.read(stream, &buf[..length], self.host.now());
        }
        Poll::Ready(read)
    }

    fn poll_write_stdin(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.slot.0.lock().process().poll_write_stdin(cx, bytes)
    }

    fn poll_close_stdin(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.slot.0.lock().process().poll_close_stdin(cx)
    }

    fn resize_terminal(&mut self, size: TerminalSize) -> io::Result<()> {
        self.slot.0.lock().process().resize_terminal(size)
    }

    fn signal(&mut self, target: SignalTarget, signal: Signal) -> io::Result<()> {
        let sent = self.slot.0.lock().process().signal(target, signal);
        if sent.is_ok() {
            self.observer.signalled(signal, self.host.now());
        }
        sent
    }

    fn remaining(&mut self) -> Vec<u32> {
        self.slot.0.lock().process().remaining()
    }

    fn containment(&self) -> Containment {
        self.slot.0.lock().process().containment()
    }

    fn describe(&mut self, pids: &[u32]) -> Vec<SurvivingProcess> {
        self.slot.0.lock().process().describe(pids)
    }

    fn observe_family(&mut self) {
        self.slot.0.lock().process().observe_family();
    }

    fn stopped_by(&mut self) -> Option<Signal> {
        self.slot.0.lock().process().stopped_by()
    }
}

impl Drop for TapProcess {
    fn drop(&mut self) {
        self.report_first_poll();
        let mut state = self.slot.0.lock();
        state.driver.take();
        let process = state.process.take();
        drop(state);
        // The drop kills the group, which can take a moment: the slot must not be locked meanwhile.
        drop(process);
        self.observer.dropped(self.host.now());
    }
}

impl fmt::Debug for TapProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TapProcess").field("slot", &self.slot).finish_non_exhaustive()
    }
}
