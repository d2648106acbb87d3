//! The driver: carries out what the machine decides, and brings it the news.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::live::Live;
use super::shared::Shared;
use super::ticket::Survivor;
use super::wakeups::{Call, Source, Wakeups};
use crate::drive::{self, Alarm, ClockCheck, Driver, Life, Step};
use crate::host::{Host, Spec};
use crate::machine::{Event, Machine, Name, Notice, NoticeKind, Output, RunId, Signal, SignalTarget};
use crate::output::Relay;

/// How many processes one round may start. Starts are the slowest thing a driver does; a kill must not wait for a
/// thousand of them.
const STARTS: usize = 16;

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
    /// Processes started in this round.
    starts: usize,
    alarm: Alarm,
    /// The timer of the relay, whose deadlines are no decisions of the machine.
    relay_alarm: Alarm,
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
            starts: 0,
            alarm: Alarm::default(),
            relay_alarm: Alarm::default(),
            flush_until: None,
            calls: Vec::new(),
            stalled: Vec::new(),
        }
    }
}

impl Future for MonitorDriver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.drive.register(cx.waker());
        self.wakeups.register(cx.waker());
        drive::poll_driver(&mut *self, ClockCheck::EveryRound, cx)
    }
}

impl Driver for MonitorDriver {
    type End = ();
    type Machine = Machine<Arc<Spec>>;

    fn machine<T>(&mut self, act: impl FnOnce(&mut Self::Machine) -> T) -> T {
        act(&mut self.shared.drive.lock().state.machine)
    }

    fn clock(&mut self) -> (&mut Alarm, &dyn Host) {
        (&mut self.alarm, &*self.shared.drive.host)
    }

    fn execute(&mut self, output: Output<Arc<Spec>>) -> Step<()> {
        match output {
            Output::Spawn { run, name, spec } => {
                self.spawn(run, name, &spec);
                self.starts += 1;
                if self.starts >= STARTS {
                    return Step::Pause;
                }
            }
            Output::Signal { run, target, signal } => self.signal(run, target, signal),
            Output::Look { run } => {
                if let Some(live) = self.live.get_mut(&run) {
                    let left = live.process.remaining();
                    self.feed(Event::Group { run, left });
                }
            }
            Output::Reap { run } => {
                if let Some(mut live) = self.live.remove(&run) {
                    live.drain(run, &mut self.relay);
                    self.relay.end(run);
                }
                self.shared.drive.lock().state.tickets.over(run);
            }
            Output::Notice(notice) => self.tell(notice),
        }
        Step::Continue
    }

    fn poll_sources(&mut self, cx: &mut Context<'_>) -> bool {
        self.starts = 0;
        let busy = self.poll_live(cx);
        self.relay.commit();
        busy | self.poll_relay(cx)
    }

    /// Ends when the last handle is gone, no run is left, and the sinks have taken the last output or had their time.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let core = self.shared.drive.lock();
        if core.life == Life::Open || core.state.machine.runs().next().is_some() {
            return Poll::Pending;
        }
        drop(core);
        let host = &*self.shared.drive.host;
        let until = *self.flush_until.get_or_insert_with(|| host.now() + FLUSH_GRACE);
        if self.relay.poll_idle(cx).is_ready() {
            return Poll::Ready(());
        }
        let poll = self.alarm.poll(until, host, cx);
        if poll.is_ready() {
            self.relay.report_undelivered();
        }
        poll
    }
}

impl MonitorDriver {
    fn spawn(&mut self, run: RunId, name: Name, spec: &Spec) {
        match self.shared.drive.host.spawn(spec) {
            Ok(process) => {
                let (pid, containment) = (process.id(), process.containment());
                self.live.insert(run, Live::new(run, name, process, &self.wakeups));
                self.feed(Event::Started { run, pid, containment });
            }
            Err(error) => {
                self.feed(Event::SpawnFailed { run, error });
                self.shared.drive.lock().state.tickets.over(run);
            }
        }
    }

    /// That a signal is refused changes no decision: KILL follows in any case, and then the survivors are named (F-31).
    fn signal(&mut self, run: RunId, target: SignalTarget, signal: Signal) {
        if let Some(live) = self.live.get_mut(&run)
            && let Err(error) = live.process.signal(target, signal)
        {
            let kind = NoticeKind::SignalFailed { signal, error: Arc::new(error) };
            self.relay.publish(Notice {
                at: self.shared.drive.host.now(),
                name: live.name.clone(),
                run,
                kind,
            });
        }
    }

    fn tell(&mut self, notice: Notice) {
        if let NoticeKind::Survived { pids } = &notice.kind {
            let survivor = Survivor { name: notice.name.clone(), run: notice.run, pids: pids.clone() };
            self.shared.drive.lock().state.tickets.survived(&survivor);
        }
        self.relay.publish(notice);
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
                self.feed(event);
            }
        }
        self.calls = calls;
        busy
    }

    /// Lets the relay do what is due, such as showing a prompt, and sleeps until its next deadline.
    fn poll_relay(&mut self, cx: &mut Context<'_>) -> bool {
        let host = &*self.shared.drive.host;
        let Some(at) = self.relay.poll_timeout(|| host.now()) else {
            self.relay_alarm.clear();
            return false;
        };
        let due = self.relay_alarm.poll(at, host, cx).is_ready();
        if due {
            self.relay.handle_timeout(host.now());
        }
        due
    }

    fn feed(&self, event: Event) {
        let now = self.shared.drive.host.now();
        self.shared.drive.lock().state.machine.handle_event(event, now);
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
