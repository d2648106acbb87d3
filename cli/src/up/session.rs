//! The life of an `up`: reacts to events until something ends it, and stops everything in order.

use std::process;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use async_io::Timer;
use childminder::machine::{LastRun, SpawnStep};
use childminder::monitor::StoppedError;
use childminder::{Exit, Notices, Phase, Signal, StopError};
use futures_lite::StreamExt;
use futures_lite::future::{or, pending};

use super::detach::Report;
use super::metrics::Counters;
use super::progress::Progress;
use super::stack::Stack;
use super::state::{Overview, PAUSE, has_failed, seconds};
use crate::system::memory;
use crate::system::notify::ServiceManager;
use crate::system::reaper::{self, Reaper};
use crate::system::signals::{Received, Signals};

/// The time between two updates of what is waited for.
const TICK: Duration = Duration::from_secs(1);
/// The time after which a stop reports what it waits for, without a terminal, and between two reports.
const REPORT: Duration = Duration::from_secs(5);

/// The channel to a client that waits for the result of a stop.
pub(crate) type Answer = Sender<Result<(), String>>;

/// A running `up`.
pub(crate) struct Session {
    pub(crate) stack: Rc<Stack>,
    pub(crate) notices: Notices,
    pub(crate) signals: Signals,
    /// The requests of clients to stop.
    pub(crate) down: Receiver<Answer>,
    pub(crate) progress: Progress,
    pub(crate) manager: ServiceManager,
    pub(crate) metrics: Option<Counters>,
    /// The process whose exit ends everything.
    pub(crate) exit_with: Option<String>,
    /// When the service was started.
    pub(crate) begin: Instant,
    /// The process that waits until everything is ready, and its patience.
    pub(crate) report: Option<(Report, Duration)>,
}

/// Why everything is stopped.
#[derive(Debug)]
enum End {
    Signal(Signal),
    Down(Answer),
    /// A process was given up whose policy stops everything.
    GaveUp(String),
    /// No process can run any more.
    Over,
    /// The process whose exit was awaited has ended with this status.
    Exited(u8),
    /// It can never be started, or not everything became ready.
    Impossible(String),
}

/// Something to react to.
enum Event {
    Notice,
    /// Some time has passed.
    Look,
    Received(Received),
    Down(Answer),
    Stopped(Result<(), StoppedError>),
    /// Not everything is ready in time.
    Late,
}

impl Session {
    /// Runs until everything is stopped, and returns the exit status.
    pub(crate) async fn run(mut self) -> u8 {
        let end = self.live().await;
        let overview = self.stack.overview();
        let gave_up = overview.statuses.iter().find(|status| status.phase == Phase::GaveUp);
        let gave_up = gave_up.map(|status| status.name.to_string());
        let reason = match &end {
            End::Signal(signal) => format!("got {signal}, stopping; a second signal kills at once"),
            End::Down(_) => "stopping, as requested by a client".to_owned(),
            End::GaveUp(name) => format!("stopping, because {name} was given up"),
            End::Over => "nothing is left to run".to_owned(),
            End::Exited(status) => {
                let name = self.exit_with.as_deref().unwrap_or_default();
                format!("{name} has ended with exit status {status}, stopping the others")
            }
            End::Impossible(reason) => reason.clone(),
        };
        match end {
            End::Impossible(_) => log::error!("{reason}"),
            _ => log::info!("{reason}"),
        }
        if let Some((report, _)) = &mut self.report {
            report.failed(&reason);
        }
        let first = match &end {
            End::Signal(signal) => Some(*signal),
            _ => None,
        };
        let stopped = self.stop(first).await;
        let failure = stopped.as_ref().err().map(ToString::to_string);
        if let Some(failure) = &failure {
            log::error!("{failure}");
        }
        if let End::Down(answer) = &end {
            // The client may be gone.
            let _ = answer.try_send(failure.clone().map_or(Ok(()), Err));
        }
        match end {
            End::Exited(status) if status != 0 => status,
            _ if failure.is_some() => crate::FAILED,
            End::Exited(status) => status,
            End::Impossible(_) => crate::FAILED,
            End::Signal(signal) if self.exit_with.is_some() => {
                status_of(Exit::Signal { signal, core: false })
            }
            End::GaveUp(_) => crate::GAVE_UP,
            End::Over if overview.statuses.iter().any(|status| status.phase != Phase::Completed) => {
                crate::GAVE_UP
            }
            _ if gave_up.is_some() => crate::GAVE_UP,
            End::Over | End::Signal(_) | End::Down(_) => 0,
        }
    }

    /// Reacts to events until one of them ends everything.
    async fn live(&mut self) -> End {
        let stopped = self.stack.monitor.wait_stopped();
        let mut stopped = Box::pin(async { Event::Stopped(stopped.await) });
        let patience = self.report.as_ref().map(|(_, patience)| *patience);
        let mut late = Box::pin(async {
            match patience {
                Some(patience) => drop(Timer::after(patience).await),
                None => pending().await,
            }
            Event::Late
        });
        let mut reaper = (process::id() == 1).then(Reaper::default);
        let mut again = None;
        let mut is_ready = false;
        // Whether something has happened since the last look, and when that was.
        let (mut is_changed, mut looked) = (true, None);
        loop {
            let now = self.stack.monitor.now();
            let rest = looked.map_or(Duration::ZERO, |at| PAUSE.saturating_sub(now.duration_since(at)));
            if is_changed && rest.is_zero() {
                (is_changed, looked) = (false, Some(now));
                if let Some(end) = self.look(&mut is_ready) {
                    return end;
                }
            }
            let ticks = !is_ready && (self.progress.is_shown() || self.report.is_some());
            let next = [is_changed.then_some(rest), again, ticks.then_some(TICK)].into_iter().flatten().min();
            let tick = async {
                match next {
                    Some(next) => drop(Timer::after(next).await),
                    None => pending().await,
                }
                Event::Look
            };
            let notice = async {
                match self.notices.next().await {
                    Some(_) => Event::Notice,
                    None => pending().await,
                }
            };
            let received = async { Event::Received(self.signals.next().await) };
            let down = async {
                match self.down.recv().await {
                    Ok(answer) => Event::Down(answer),
                    Err(_) => pending().await,
                }
            };
            let is_late = async { if is_ready { pending().await } else { (&mut late).await } };
            let event = or(received, or(down, or(&mut stopped, or(notice, or(is_late, tick))))).await;
            match event {
                Event::Received(Received::Stop(signal)) => return End::Signal(signal),
                Event::Received(Received::Child) => again = self.reap(reaper.as_mut()),
                Event::Look => {
                    is_changed = true;
                    again = self.reap(reaper.as_mut());
                }
                // Log files are looked up for each write, so there is nothing to reopen.
                Event::Received(Received::Forward(signal)) => {
                    log::debug!("got {signal}, which has no effect")
                }
                Event::Down(answer) => return End::Down(answer),
                Event::Stopped(Err(StoppedError::GaveUp(name))) => return End::GaveUp(name.to_string()),
                Event::Stopped(_) => return End::Over,
                Event::Notice => {
                    is_changed = true;
                    self.metrics.iter().for_each(Counters::touch);
                }
                Event::Late => {
                    let pending = self.stack.overview().pending().join("; ");
                    return End::Impossible(format!("not everything is ready in time: {pending}"));
                }
            }
        }
    }

    /// Reaps orphans of others as process 1. Returns the time after which to do it again.
    fn reap(&self, reaper: Option<&mut Reaper>) -> Option<Duration> {
        let reaper = reaper?;
        let programs: Vec<u32> =
            self.stack.monitor.statuses().iter().filter_map(|status| status.pid).collect();
        reaper.reap(&programs, self.stack.monitor.now()).then_some(reaper::PATIENCE)
    }

    /// Shows what is waited for, and finds out whether anything can still happen.
    fn look(&mut self, is_ready: &mut bool) -> Option<End> {
        let overview = self.stack.overview();
        if let Some(end) = self.exited(&overview).or_else(|| self.hopeless(&overview)) {
            return Some(end);
        }
        if overview.is_over() {
            return Some(End::Over);
        }
        if *is_ready {
            return None;
        }
        let count = overview.statuses.len();
        let missing = overview.count_pending();
        if missing == 0 {
            *is_ready = true;
            memory::release();
            self.progress.show(Vec::new());
            log::info!("{}", if count == 1 { "ready".to_owned() } else { format!("all {count} are ready") });
            self.manager.ready();
            self.manager.status(&format!("{count} processes are ready"));
            if let Some((mut report, _)) = self.report.take() {
                report.ready();
            }
            return None;
        }
        self.manager.status(&format!("{} of {count} processes are ready", count - missing));
        if !self.progress.is_shown() && self.report.is_none() {
            return None;
        }
        let elapsed = self.stack.monitor.now().saturating_duration_since(self.begin);
        let mut pending = vec![format!("{} of {count} ready after {}", count - missing, seconds(elapsed))];
        pending.extend(overview.pending());
        self.progress.show(pending.clone());
        let (report, _) = self.report.as_mut()?;
        if let Some(failed) = overview.statuses.iter().find(|status| has_failed(status)) {
            return Some(End::Impossible(self.explain(&failed.name)));
        }
        // The process that waits is gone, as after a Ctrl-C.
        (!report.progress(&pending)).then_some(End::Signal(Signal::INT))
    }

    /// Whether the process whose exit is awaited can never be started.
    fn hopeless(&self, overview: &Overview) -> Option<End> {
        let name = self.exit_with.as_deref()?;
        let status = overview.statuses.iter().find(|status| status.name == name)?;
        overview.obstacles().find(status)?;
        Some(End::Impossible(self.explain(name)))
    }

    fn explain(&self, name: &str) -> String {
        let Ok(name) = name.parse() else { return name.to_owned() };
        match self.stack.why(&name) {
            (text, Some(line)) => format!("{text}; its last line of output: {line}"),
            (text, None) => text,
        }
    }

    /// Whether the process whose exit is awaited has ended. It is not restarted.
    fn exited(&self, overview: &Overview) -> Option<End> {
        let name = self.exit_with.as_deref()?;
        let status = overview.statuses.iter().find(|status| status.name == name)?;
        if !matches!(status.phase, Phase::Completed | Phase::Failed | Phase::GaveUp) {
            return None;
        }
        Some(End::Exited(match &status.last {
            Some(LastRun::Exited(exit)) => status_of(*exit),
            Some(LastRun::SpawnFailed(error)) if error.step() == SpawnStep::Find => 127,
            Some(LastRun::SpawnFailed(_)) => 126,
            _ => crate::FAILED,
        }))
    }

    /// Stops everything in order. A second signal kills it.
    async fn stop(&mut self, first: Option<Signal>) -> Result<(), StopError> {
        let stack = self.stack.clone();
        let stopped = stack.monitor.stop_service();
        self.manager.stopping();
        let (signals, progress, down) = (&mut self.signals, &self.progress, &self.down);
        let metrics = &self.metrics;
        let hurried = async {
            let second = second_signal(signals, first).await;
            let killed = stack.monitor.kill_service();
            log::warn!("got {second}, killing");
            killed.await
        };
        let shown = async {
            let mut elapsed = Duration::ZERO;
            loop {
                let waiting = stack.overview().stopping();
                progress.show(waiting.clone());
                metrics.iter().for_each(Counters::touch);
                if !elapsed.is_zero()
                    && elapsed.as_secs().is_multiple_of(REPORT.as_secs())
                    && !progress.is_shown()
                {
                    log::info!("still waiting for {}", waiting.join("; "));
                }
                Timer::after(TICK).await;
                elapsed += TICK;
            }
        };
        let answers = async {
            // They are answered like the first one, by the exit of this process.
            let mut answers = Vec::new();
            while let Ok(answer) = down.recv().await {
                answers.push(answer);
            }
            pending().await
        };
        let result = or(stopped, or(hurried, or(shown, answers))).await;
        self.progress.show(Vec::new());
        result
    }
}

/// Returns the next signal that asks to stop and is not an echo of the first one.
async fn second_signal(signals: &mut Signals, first: Option<Signal>) -> Signal {
    let mut first = first;
    loop {
        let received = match first.take() {
            Some(first) => signals.next_after(first).await,
            None => signals.next().await,
        };
        if let Received::Stop(signal) = received {
            return signal;
        }
    }
}

/// Returns the exit status of a shell for this exit.
fn status_of(exit: Exit) -> u8 {
    match exit {
        Exit::Code(code) => u8::try_from(code).unwrap_or(crate::FAILED),
        Exit::Signal { signal, .. } => u8::try_from(128 + signal.number()).unwrap_or(crate::FAILED),
        _ => crate::FAILED,
    }
}
