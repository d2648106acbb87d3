//! The driver: carries out what the machine decides, and brings it the news.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::live::Live;
use super::shared::{Life, Shared};
use super::ticket::Survivor;
use super::wakeups::{Call, Source, Wakeups};
use crate::host::{Alarm, Spec};
use crate::machine::{Event, Name, Notice, NoticeKind, Output, RunId, Signal, SignalTarget};
use crate::output::Relay;

/// How many processes one round may start. Starts are the slowest thing a driver does; a kill must not wait for a
/// thousand of them.
const STARTS: usize = 16;

/// How many rounds one call of `poll` may take before others on the same executor get their turn.
const ROUNDS: usize = 64;

/// How long the end of a monitor waits for a sink to take the last output.
const FLUSH_GRACE: Duration = Duration::from_secs(1);

/// Keeps the processes of a [`ProcessMonitor`](super::ProcessMonitor). Run it on any executor, or a plain `block_on`:
/// it asks for no runtime.
///
/// It ends when the last handle is gone and every process is stopped. Dropping it earlier kills them all.
#[must_use = "nothing is started before the driver is run"]
#[derive(Debug)]
pub struct MonitorDriver {
    shared: Arc<Shared>,
    wakeups: Arc<Wakeups>,
    live: HashMap<RunId, Live>,
    relay: Relay,
    alarm: Alarm,
    /// Set when nothing but the last output is left.
    flush_until: Option<Instant>,
    /// Reused from round to round.
    calls: Vec<Arc<Call>>,
    /// Sources that have output when the sinks have no room.
    stalled: Vec<Arc<Call>>,
}

impl MonitorDriver {
    pub(super) fn new(shared: Arc<Shared>, relay: Relay) -> Self {
        Self {
            shared,
            wakeups: Arc::default(),
            live: HashMap::new(),
            relay,
            alarm: Alarm::default(),
            flush_until: None,
            calls: Vec::new(),
            stalled: Vec::new(),
        }
    }
}

impl Future for MonitorDriver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let driver = &mut *self;
        driver.shared.lock().register(cx.waker());
        driver.wakeups.register(cx.waker());
        for _ in 0..ROUNDS {
            // News before time: an exit at the very deadline needs no KILL (F-68).
            let busy = driver.carry_out() | driver.poll_live(cx) | driver.poll_clock(cx);
            driver.relay.commit();
            if !busy {
                return driver.poll_end(cx);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl MonitorDriver {
    /// Does what the machine wants done.
    fn carry_out(&mut self) -> bool {
        let mut busy = false;
        let mut starts = 0;
        while starts < STARTS {
            let output = self.shared.lock().machine.poll_output();
            let Some(output) = output else { return busy };
            busy = true;
            match output {
                Output::Spawn { run, name, spec } => {
                    self.spawn(run, name, &spec);
                    starts += 1;
                }
                Output::Signal { run, target, signal } => self.signal(run, target, signal),
                Output::Look { run } => {
                    if let Some(live) = self.live.get_mut(&run) {
                        let left = live.process.remaining();
                        self.bring(Event::Group { run, left });
                    }
                }
                Output::Reap { run } => {
                    if let Some(mut live) = self.live.remove(&run) {
                        live.drain(run, &mut self.relay);
                        self.relay.end(run);
                    }
                    self.shared.lock().tickets.over(run);
                }
                Output::Notice(notice) => self.tell(notice),
            }
        }
        busy
    }

    fn spawn(&mut self, run: RunId, name: Name, spec: &Spec) {
        match self.shared.host.spawn(spec) {
            Ok(process) => {
                let (pid, containment) = (process.id(), process.containment());
                self.live.insert(run, Live::new(run, name, process, &self.wakeups));
                self.bring(Event::Started { run, pid, containment });
            }
            Err(error) => {
                self.bring(Event::SpawnFailed { run, error });
                self.shared.lock().tickets.over(run);
            }
        }
    }

    /// That a signal is refused changes no decision: KILL follows in any case, and then the survivors are named (F-31).
    fn signal(&mut self, run: RunId, target: SignalTarget, signal: Signal) {
        if let Some(live) = self.live.get_mut(&run)
            && let Err(error) = live.process.signal(target, signal)
        {
            let kind = NoticeKind::SignalFailed { signal, error: Arc::new(error) };
            self.relay.tell(Notice { at: self.shared.host.now(), name: live.name.clone(), run, kind });
        }
    }

    fn tell(&mut self, notice: Notice) {
        if let NoticeKind::Survived { pids } = &notice.kind {
            let survivor = Survivor { name: notice.name.clone(), run: notice.run, pids: pids.clone() };
            self.shared.lock().tickets.survived(&survivor);
        }
        self.relay.tell(notice);
    }

    /// Asks every source that has called.
    fn poll_live(&mut self, cx: &Context<'_>) -> bool {
        let mut calls = std::mem::take(&mut self.calls);
        self.wakeups.take(&mut calls);
        if !self.stalled.is_empty() && self.relay.poll_ready(cx).is_ready() {
            calls.append(&mut self.stalled);
        }
        let busy = !calls.is_empty();
        for call in calls.drain(..) {
            let Some(live) = self.live.get_mut(&call.run) else { continue };
            let news = match call.source {
                Source::Exit => live.poll_exit(call.run),
                Source::Output(stream) => {
                    if self.relay.poll_ready(cx).is_pending() {
                        // The child will wait in `write`, and nobody else for it.
                        self.stalled.push(call);
                        continue;
                    }
                    live.poll_output(&call, stream, &mut self.relay)
                }
            };
            if let Some(event) = news {
                self.bring(event);
            }
        }
        self.calls = calls;
        busy
    }

    /// Does what has become due, and sleeps until the next deadline.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(at) = self.shared.lock().machine.poll_timeout() else {
            self.alarm.clear();
            return false;
        };
        let now = self.shared.host.now();
        if at <= now {
            self.shared.lock().machine.handle_timeout(now);
            return true;
        }
        self.alarm.poll(at, &*self.shared.host, cx).is_ready()
    }

    /// Nothing to do for now. For ever?
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let core = self.shared.lock();
        if core.life == Life::Open || core.machine.runs().next().is_some() {
            return Poll::Pending;
        }
        drop(core);
        let until = *self.flush_until.get_or_insert_with(|| self.shared.host.now() + FLUSH_GRACE);
        if self.relay.poll_idle(cx).is_ready() {
            return Poll::Ready(());
        }
        self.alarm.poll(until, &*self.shared.host, cx)
    }

    fn bring(&self, event: Event) {
        let now = self.shared.host.now();
        self.shared.lock().machine.handle_event(event, now);
    }
}

impl Drop for MonitorDriver {
    /// Kills and reaps whatever is left, which is nothing if the driver came to its end.
    fn drop(&mut self) {
        for live in self.live.values_mut() {
            // All at once; each is then reaped as it is dropped.
            let _ = live.process.signal(SignalTarget::Family, Signal::KILL);
        }
        self.live.clear();
        self.shared.over();
    }
}
