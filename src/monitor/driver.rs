//! The driver of a monitor: it executes what the machine decides, and feeds it the events of the processes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::families::ReadyRuns;
use super::health::RunHealth;
use super::process::{Role, RunningProcess, stop_command_id};
use super::ready_queue::{ReadyQueue, Source, SourceWaker};
use super::recording::RecordedMachine;
use super::shared::{Shared, State};
use crate::drive::{self, Alarm, ClockCheck, Driver, Life, StateMachine, Step, Survivor};
use crate::host::health::HealthEvent;
use crate::host::{Host, Process, Spec};
use crate::machine::{
    Event, Name, Notice, NoticeKind, Output, RunId, RunMap, Signal, SignalTarget, SpawnError,
    StopCommandError,
};
use crate::output::{OutputThread, Relay};

/// The most processes that are started in one round. A start is the slowest output, and a kill must not wait
/// for a thousand of them.
const MAX_STARTS: usize = 16;

/// The time that the end of a driver waits for the sinks to take the last output.
const FLUSH_GRACE: Duration = Duration::from_secs(1);

/// The driver of a [`ProcessMonitor`](crate::ProcessMonitor): a future to be run on any executor, or with
/// `block_on`.
///
/// It ends when the last handle is gone, or the monitor is [closed](crate::ProcessMonitor::close), and every
/// process is stopped. Dropping it earlier kills all processes.
///
/// ```
/// use childminder::{ProcessMonitor, System};
/// use futures_lite::future;
///
/// let (monitor, driver) = ProcessMonitor::new(System::new());
/// monitor.add_process("sleeper", ["sleep", "1000"])?;
/// monitor.start_service()?;
/// let stop = async {
///     let result = monitor.stop_service().await;
///     drop(monitor);
///     result
/// };
/// let ((), result) = future::block_on(future::zip(driver, stop));
/// result?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "no process is started before the driver is polled"]
#[derive(Debug)]
pub struct MonitorDriver {
    shared: Arc<Shared>,
    ready_queue: Arc<ReadyQueue>,
    processes: RunMap<Box<RunningProcess>>,
    relay: Relay,
    /// The runs that have become ready, and whose members are to be recorded.
    became_ready: ReadyRuns,
    /// The processes that are to be started.
    starts: VecDeque<Start>,
    alarm: Alarm,
    /// The timer of the relay, whose deadlines are no decisions of the machine.
    relay_alarm: Alarm,
    /// Set when nothing but the last output is left.
    flush_until: Option<Instant>,
    /// The sources that are polled in this round. Kept only for its allocation.
    ready: Vec<Arc<SourceWaker>>,
    /// Streams that are readable while the sinks have no room.
    stalled: Vec<Arc<SourceWaker>>,
}

/// A process that was started, with the watch of its health if there is one.
type Spawned = Result<(Box<dyn Process>, Option<Box<RunHealth>>), SpawnError>;

/// A process that is to be started.
#[derive(Debug)]
struct Start {
    run: RunId,
    name: Name,
    spec: Arc<Spec>,
}

impl MonitorDriver {
    pub(super) fn new(shared: Arc<Shared>, relay: Relay) -> Self {
        Self {
            shared,
            ready_queue: Arc::default(),
            processes: RunMap::default(),
            relay,
            became_ready: ReadyRuns::default(),
            starts: VecDeque::new(),
            alarm: Alarm::default(),
            relay_alarm: Alarm::default(),
            flush_until: None,
            ready: Vec::new(),
            stalled: Vec::new(),
        }
    }

    /// Returns the output thread, for the caller to start; `None` if the sinks need none.
    pub(super) fn prepare_output_thread(&mut self) -> Option<OutputThread> {
        self.relay.prepare_thread()
    }
}

impl Future for MonitorDriver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut guard = self.shared.drive.begin_poll(cx.waker());
        self.ready_queue.register(cx.waker());
        let poll = drive::poll_driver(&mut *self, ClockCheck::EveryRound, cx);
        guard.set_deadline(self.alarm.deadline());
        poll
    }
}

impl Driver for MonitorDriver {
    type End = ();
    type Machine = RecordedMachine;

    fn machine<T>(&mut self, act: impl FnOnce(&mut Self::Machine) -> T) -> T {
        act(&mut self.shared.drive.lock().state.machine)
    }

    fn clock(&mut self) -> (&mut Alarm, &dyn Host) {
        (&mut self.alarm, &*self.shared.drive.host)
    }

    fn execute(&mut self, output: Output<Arc<Spec>>) -> Step<()> {
        match output {
            // No other output waits for the starts: they are executed in `poll_sources`.
            Output::Spawn { run, name, spec } => self.starts.push_back(Start { run, name, spec }),
            Output::Signal { run, target, signal } => self.signal(run, target, signal),
            Output::ListFamily { run } => {
                if let Some(running) = self.processes.get_mut(&run) {
                    let remaining = running.process.remaining();
                    self.feed(Event::Family { run, remaining });
                }
            }
            Output::Reap { run } => {
                self.reap(run);
                self.run_over(run);
            }
            Output::RunStopCommand { run } => self.run_stop_command(run),
            Output::KillStopCommand { run } => self.kill_stop_command(run),
            Output::DescribeSurvivors { run, pids } => {
                let running = self.processes.get_mut(&run);
                let processes = running.map(|running| running.process.describe(&pids)).unwrap_or_default();
                self.feed(Event::Survivors { run, processes });
            }
            Output::Notice(notice) => self.publish(notice),
        }
        Step::Continue
    }

    fn poll_sources(&mut self, cx: &mut Context<'_>) -> bool {
        self.resolve_waits();
        let mut busy = self.start_processes();
        let mut ready = std::mem::take(&mut self.ready);
        self.ready_queue.take(&mut ready);
        if !self.stalled.is_empty() && self.relay.poll_ready(cx).is_ready() {
            ready.append(&mut self.stalled);
        }
        busy |= !ready.is_empty();
        for source in ready.drain(..) {
            self.poll_source(source, cx);
        }
        self.ready = ready;
        self.relay.commit();
        if let Poll::Ready(runs) = self.became_ready.poll(&*self.shared.drive.host, cx) {
            for run in runs {
                if let Some(running) = self.processes.get_mut(&run) {
                    running.process.observe_family();
                }
            }
            busy = true;
        }
        busy | self.poll_relay(cx)
    }

    /// Ends when the last handle is gone, no run is left or only those that have outlived KILL, and the sinks
    /// have taken the last output or had their time.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let core = self.shared.drive.lock();
        if core.life == Life::Open || !core.state.machine.is_settled() {
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
    /// Starts some of the processes that are to be started. Returns whether there were any.
    fn start_processes(&mut self) -> bool {
        let mut started = 0;
        while started < MAX_STARTS && !self.starts.is_empty() && (started == 0 || !self.is_overdue()) {
            let is_plain = |start: &&Start| start.spec.get_health().is_none();
            let together = self.starts.iter().take(MAX_STARTS - started).take_while(is_plain).count();
            started += if together > 1 { self.start_together(together) } else { self.start_next() };
        }
        self.starts.shrink_to(MAX_STARTS);
        started > 0
    }

    fn is_overdue(&self) -> bool {
        let deadline = self.shared.drive.lock().state.machine.poll_timeout();
        deadline.is_some_and(|at| at <= self.shared.drive.host.now())
    }

    /// Starts the next process. Returns the number of them.
    fn start_next(&mut self) -> usize {
        let Some(start) = self.starts.pop_front() else { return 0 };
        let spawned = self.spawn(&start);
        self.spawned(start, spawned);
        1
    }

    /// Starts the next processes, as long as nothing is overdue. Returns the number of them.
    fn start_together(&mut self, count: usize) -> usize {
        let specs: Vec<Arc<Spec>> = self.starts.iter().take(count).map(|start| start.spec.clone()).collect();
        let deadline = self.shared.drive.lock().state.machine.poll_timeout();
        let all = self.shared.drive.host.spawn_all(&specs, deadline);
        if all.is_empty() {
            // A host should start at least one.
            return self.start_next();
        }
        let started = all.len();
        for spawned in all {
            let Some(start) = self.starts.pop_front() else { break };
            self.spawned(start, spawned.map(|process| (process, None)));
        }
        started
    }

    fn spawn(&self, Start { run, name, spec }: &Start) -> Spawned {
        let host = &self.shared.drive.host;
        let Some(health) = spec.get_health() else { return Ok((host.spawn(spec)?, None)) };
        self.shared.drive.lock().state.reports.forget(name);
        let (process, watch) = health.begin(spec, host).and_then(|start| start.spawn(host))?;
        Ok((process, Some(Box::new(RunHealth::new(*run, spec, watch, &self.ready_queue)))))
    }

    fn spawned(&mut self, Start { run, name, spec }: Start, spawned: Spawned) {
        match spawned {
            Ok((process, health)) => {
                let (pid, containment) = (process.id(), process.containment());
                let has_terminal = spec.get_terminal().is_some();
                let role = Role::Leader(spec);
                let mut running = RunningProcess::new(run, name.clone(), process, role, &self.ready_queue);
                running.health = health;
                if let Some(input) = running.input().cloned() {
                    self.shared.drive.lock().state.inputs.open(run, name, has_terminal, input);
                }
                self.processes.insert(run, Box::new(running));
                self.feed(Event::Started { run, pid, containment });
            }
            Err(error) => {
                self.feed(Event::SpawnFailed { run, error });
                self.run_over(run);
            }
        }
    }

    fn run_stop_command(&mut self, run: RunId) {
        let Some(running) = self.processes.get(&run) else { return };
        let Role::Leader(spec) = &running.role else { return };
        let Some(command) = spec.to_stop_command(Some(running.process.id())) else { return };
        match self.shared.drive.host.spawn(&command) {
            Ok(process) => {
                let (id, name) = (stop_command_id(run), running.name.clone());
                let role = Role::StopCommand(run);
                let running = RunningProcess::new(id, name, process, role, &self.ready_queue);
                self.processes.insert(id, Box::new(running));
            }
            Err(error) => {
                self.feed(Event::StopCommandEnded { run, result: Err(StopCommandError::SpawnFailed(error)) });
            }
        }
    }

    fn kill_stop_command(&mut self, run: RunId) {
        let id = stop_command_id(run);
        if let Some(running) = self.processes.get_mut(&id) {
            let _ = running.process.signal(SignalTarget::Family, Signal::KILL);
            self.reap(id);
        }
    }

    /// Passes on the last output of a process, and reaps it.
    fn reap(&mut self, id: RunId) {
        self.poll_health(id);
        if let Some(mut running) = self.processes.remove(&id) {
            running.finish_output(id, &mut self.relay);
        }
    }

    /// A signal that the system refuses changes no decision: KILL follows in any case, and then the survivors
    /// are named.
    fn signal(&mut self, run: RunId, target: SignalTarget, signal: Signal) {
        if let Some(running) = self.processes.get_mut(&run)
            && let Err(error) = running.process.signal(target, signal)
        {
            let kind = NoticeKind::SignalFailed { signal, error: Arc::new(error) };
            let name = running.name.clone();
            self.relay.publish(Notice { at: self.shared.drive.host.now(), name, run: Some(run), kind });
        }
    }

    fn publish(&mut self, notice: Notice) {
        let survivor = match (&notice.kind, notice.run) {
            (NoticeKind::Survived { processes }, Some(run)) => {
                Some(Survivor { name: notice.name.clone(), run, processes: processes.clone() })
            }
            _ => None,
        };
        let mut core = self.shared.drive.lock();
        let State { machine, stops, waits, .. } = &mut core.state;
        let stopped = survivor.as_ref().map(|survivor| stops.survived(survivor));
        let waited = waits.after_notice(&notice, survivor, machine);
        drop(core);
        if let Some(stopped) = stopped {
            stopped.resolve();
        }
        waited.resolve();
        self.relay.publish(notice);
    }

    fn run_over(&self, run: RunId) {
        let resolved = self.shared.drive.lock().state.stops.run_over(run);
        resolved.resolve();
    }

    fn poll_source(&mut self, source: Arc<SourceWaker>, cx: &Context<'_>) {
        let Some(running) = self.processes.get_mut(&source.run) else { return };
        let event = match source.source {
            Source::Exit => running.poll_exit(source.run),
            Source::Health => return self.poll_health(source.run),
            Source::Input => return running.poll_input(source.run, &self.shared),
            Source::Output(stream) => {
                if self.relay.poll_ready(cx).is_pending() {
                    // The process blocks in `write` until the sinks have room; nothing else waits for that.
                    self.stalled.push(source);
                    return;
                }
                running.poll_output(&source, stream, &mut self.relay)
            }
        };
        let Some(event) = event else { return };
        if let Event::StopCommandEnded { run, .. } = event {
            self.reap(stop_command_id(run));
        }
        let exited = if let Event::Exited { run, .. } = event { Some(run) } else { None };
        self.feed(event);
        if let Some(run) = exited {
            let lost = self.shared.drive.lock().state.inputs.remove(run);
            lost.resolve();
        }
    }

    /// Feeds the machine what was found out about the readiness and health of a run.
    fn poll_health(&mut self, run: RunId) {
        let Some(running) = self.processes.get_mut(&run) else { return };
        let Some(health) = &mut running.health else { return };
        while let Some(event) = health.poll() {
            let translated = health.translate(run, &event);
            if matches!(event, HealthEvent::Ready(_)) {
                self.became_ready.add(run);
            }
            let now = self.shared.drive.host.now();
            let mut core = self.shared.drive.lock();
            core.state.reports.note(&running.name, event);
            if let Some(event) = translated {
                core.state.machine.handle_event(event, now);
            }
        }
    }

    /// Resolves the tickets whose outcome is known after commands, and after processes have come to rest.
    fn resolve_waits(&self) {
        if !self.shared.drive.lock().state.waits.is_stale() {
            return;
        }
        let now = self.shared.drive.host.now();
        let mut core = self.shared.drive.lock();
        let State { machine, waits, .. } = &mut core.state;
        let resolved = waits.check_all(machine, now);
        drop(core);
        resolved.resolve();
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
    /// Kills and reaps the processes that are left; there are none if the driver has ended.
    fn drop(&mut self) {
        // First the signals for all of them, so that they end at the same time.
        for running in self.processes.values_mut() {
            let _ = running.process.signal(SignalTarget::Family, Signal::KILL);
        }
        self.processes.clear();
        self.shared.over();
    }
}
