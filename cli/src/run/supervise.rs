//! Supervision of one program: the monitor, the signals, and the end.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IsTerminal};
use std::panic;
use std::process;

use async_io::{Timer, block_on};
use childminder::machine::NoticeKind;
use childminder::output::WriterSink;
use childminder::{Exit, MonitorDriver, Notices, ProcessMonitor, Signal, StopError, System};
use futures_lite::StreamExt;
use futures_lite::future::{or, pending};
use nix::sys::signal::Signal as Stop;

use crate::console::stdout::Stdout;
use crate::run::config::RunConfig;
use crate::system::notify::ServiceManager;
use crate::system::open_files;
use crate::system::reaper::{self, Reaper};
use crate::system::signals::{Received, Signals};
use crate::system::terminal::{self, Terminal};

/// The exit code of a program that was interrupted by Ctrl-C and has a handler, by convention.
const INTERRUPTED: i32 = 130;

/// Supervises the program until a signal asks to stop. Returns when it is gone with everything that it has
/// started.
///
/// The first signal stops it gracefully, within its kill time; a second one kills it at once. Further signals
/// have no effect: the end is at most [`Policy::KILL_GRACE`](childminder::Policy::KILL_GRACE) away.
///
/// # Errors
///
/// [`RunError`] if supervision could not start, or if a process survived.
pub(crate) fn run(config: RunConfig) -> Result<(), RunError> {
    let RunConfig { name, spec, system, builder, forward, log_file, inherits_stdin } = config;
    let spec = match open_files::raise() {
        Some(inherited) if spec.get_open_files().is_none() => spec.open_files(inherited),
        _ => spec,
    };
    let signals = Signals::install(forward).map_err(RunError::Signals)?;
    let terminal = if inherits_stdin { Terminal::of_stdin().map_err(RunError::Signals)? } else { None };
    let stdout = Stdout::open().map_err(RunError::Stdout)?;
    let builder = match log_file {
        Some(log_file) => builder.sink(log_file),
        None => builder.sink(WriterSink::open_file(stdout)),
    };
    let (monitor, driver) = builder.build(system).expect("the default policy is valid");
    monitor.add_process(&name, spec).expect("the spec was checked, and there is no other process");
    let notices = monitor.notices();
    // The threads of the event loop exist from here on, so nothing panics for lack of resources any more.
    block_on(Timer::after(std::time::Duration::ZERO));
    drop(panic::take_hook());
    if io::stderr().is_terminal() && terminal.is_none() {
        log::info!("supervising {name}; Ctrl-C stops it");
    }
    monitor.start_service().expect("a process without dependencies can be started");
    let supervisor = Supervisor {
        name: name.to_string(),
        monitor,
        signals,
        terminal,
        manager: ServiceManager::from_env(),
    };
    System::block_on(supervisor.run(notices, driver)).map_err(RunError::Survivors)
}

struct Supervisor {
    name: String,
    monitor: ProcessMonitor,
    signals: Signals,
    terminal: Option<Terminal>,
    manager: ServiceManager,
}

impl Supervisor {
    /// Drives the monitor to its end, on this thread.
    async fn run(self, notices: Notices, mut driver: MonitorDriver) -> Result<(), StopError> {
        let Self { name, monitor, mut signals, terminal, manager } = self;
        let driven = async {
            (&mut driver).await;
            // The driver ends when the last handle is dropped, and `monitor` is one.
            pending().await
        };
        let interrupted = watch(notices, &monitor, &name, terminal.as_ref(), &manager);
        let stopped = stop(&monitor, &name, &mut signals, interrupted, terminal.as_ref(), &manager);
        or(stopped, driven).await?;
        drop((monitor, terminal));
        // The last output is on its way to stdout.
        driver.await;
        Ok(())
    }
}

/// Waits for a request to stop, and stops the program.
async fn stop(
    monitor: &ProcessMonitor,
    name: &str,
    signals: &mut Signals,
    interrupted: impl Future<Output = Signal>,
    terminal: Option<&Terminal>,
    manager: &ServiceManager,
) -> Result<(), StopError> {
    let reaper = (process::id() == 1).then(Reaper::default);
    let children = RefCell::new(Children { terminal, reaper, stopped: None });
    let requested = next_stop(monitor, name, signals, &children, None);
    let first = or(requested, interrupted).await;
    let stopped = monitor.stop_service();
    manager.stopping();
    log::info!("got {first}, stopping; a second signal kills at once");
    let hurried = async {
        let second = next_stop(monitor, name, signals, &children, Some(first)).await;
        let killed = monitor.kill_service();
        log::warn!("got {second}, killing");
        killed.await
    };
    or(stopped, hurried).await
}

/// Returns the next request to stop that is not an echo of `first`. Handles all other signals meanwhile.
async fn next_stop(
    monitor: &ProcessMonitor,
    name: &str,
    signals: &mut Signals,
    children: &RefCell<Children<'_>>,
    mut first: Option<Signal>,
) -> Signal {
    let mut again: Option<Timer> = None;
    loop {
        let next = async {
            match first.take() {
                Some(first) => signals.next_after(first).await,
                None => signals.next().await,
            }
        };
        let patience = async {
            match &mut again {
                Some(timer) => {
                    timer.await;
                    Received::Child
                }
                None => pending().await,
            }
        };
        match or(next, patience).await {
            Received::Stop(signal) => return signal,
            Received::Forward(signal) => match monitor.signal_process(name, signal) {
                Ok(true) => log::debug!("forwarded {signal}"),
                Ok(false) | Err(_) => log::debug!("got {signal}, but the program is not running"),
            },
            Received::Child => {
                let more = children.borrow_mut().check(monitor, name);
                again = more.then(|| Timer::after(reaper::PATIENCE));
            }
        }
    }
}

/// Reactions to changes of child processes.
struct Children<'a> {
    terminal: Option<&'a Terminal>,
    /// Process 1 reaps the orphans of others.
    reaper: Option<Reaper>,
    /// The process that is known to be stopped.
    stopped: Option<u32>,
}

impl Children<'_> {
    /// Returns whether this is to be called again after [`reaper::PATIENCE`].
    fn check(&mut self, monitor: &ProcessMonitor, name: &str) -> bool {
        let status = monitor.status(name);
        let pid = status.as_ref().and_then(|status| status.pid);
        let stop = pid.and_then(|pid| terminal::stopped_by(pid).map(|signal| (pid, signal)));
        match (stop, self.terminal) {
            (None, _) => self.stopped = None,
            (Some((pid, signal)), Some(terminal)) if signal != Stop::SIGSTOP => {
                if signal == Stop::SIGTSTP {
                    terminal.suspend();
                }
                // It is continued with childminder, or had no terminal when it was started.
                terminal.hand_over(pid);
            }
            (Some((pid, signal)), _) => {
                if self.stopped.replace(pid) != Some(pid) {
                    let advice = match signal {
                        Stop::SIGTTIN => ": it reads from the terminal; --stdin inherit hands that over",
                        Stop::SIGTTOU => ": it changes the terminal; --stdin inherit hands that over",
                        _ => ", until it gets CONT",
                    };
                    let run = status.and_then(|status| status.run).map(|run| run.to_string());
                    let run = run.unwrap_or_default();
                    log::warn!("{name}{run} is stopped by {}{advice}", &signal.as_str()[3..]);
                }
            }
        }
        self.reaper.as_mut().is_some_and(|reaper| reaper.reap(pid.as_slice(), monitor.now()))
    }
}

/// Reacts to events of the program: notifies the service manager, and passes the terminal on. Returns the
/// signal if the program had the terminal and was ended by Ctrl-C or Ctrl-\, which is meant for childminder
/// as well.
async fn watch(
    mut notices: Notices,
    monitor: &ProcessMonitor,
    name: &str,
    terminal: Option<&Terminal>,
    manager: &ServiceManager,
) -> Signal {
    while let Some(notice) = notices.next().await {
        let Ok(notice) = notice else { continue };
        match (notice.kind, terminal) {
            (NoticeKind::Started { pid }, terminal) => {
                manager.ready();
                if let Some(containment) = monitor.status(name).and_then(|status| status.containment) {
                    log::debug!("{name} is contained by tier `{containment}`");
                }
                if let Some(terminal) = terminal {
                    terminal.hand_over(pid);
                }
            }
            (NoticeKind::Exited { exit, .. }, Some(terminal)) => {
                terminal.take_back();
                match exit {
                    Exit::Signal { signal, .. } if [Signal::INT, Signal::QUIT].contains(&signal) => {
                        return signal;
                    }
                    Exit::Code(INTERRUPTED) => return Signal::INT,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    pending().await
}

/// The error returned for a run that did not end well.
#[derive(Debug)]
pub(crate) enum RunError {
    /// Signals cannot be received, so nothing was started.
    Signals(io::Error),
    /// The standard output cannot be used, so nothing was started.
    Stdout(io::Error),
    /// A process outlived KILL.
    Survivors(StopError),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signals(error) => write!(f, "cannot install signal handlers: {error}"),
            Self::Stdout(error) => write!(f, "cannot use the standard output: {error}"),
            Self::Survivors(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Signals(error) | Self::Stdout(error) => Some(error),
            Self::Survivors(error) => Some(error),
        }
    }
}
