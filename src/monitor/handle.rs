//! The handle of a monitor.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::shared::{Core, Shared};
use super::{AddError, CommandError, MonitorBuilder, MonitorDriver, Notices, Ticket};
use crate::drive::{Guard, Life};
use crate::host::{Host, Spec};
use crate::machine::{Definition, Name, Signal, Status, UnknownName};

/// Keeps named processes alive.
///
/// This is a handle: cheap to clone, usable from any thread. The work is done by the [`MonitorDriver`] that comes with it,
/// on an executor of your choice, or by a thread of its own ([`background`](Self::background)).
///
/// When the last handle is dropped, all processes are stopped as by [`stop_service`](Self::stop_service); the driver
/// ends after that, and with `background` the drop waits for it. When the *driver* is dropped before its end, all
/// processes are killed and reaped at once.
///
/// ```no_run
/// use childminder::{ProcessMonitor, Spec, System};
///
/// let monitor = ProcessMonitor::background(System::new())?;
/// monitor.add_process("web", Spec::new("python3").args(["-m", "http.server", "8000"]))?;
/// monitor.start_service();
/// // … and whatever happens to it, it comes back, until:
/// monitor.stop_service().wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ProcessMonitor(pub(super) Arc<Guard<Shared>>);

/// Making one.
impl ProcessMonitor {
    /// A monitor with default settings, and its driver.
    pub fn new(host: impl Host) -> (Self, MonitorDriver) {
        Self::builder().build(host)
    }

    /// A monitor with default settings, whose driver runs on a thread of its own: for programs and tests without
    /// an executor.
    ///
    /// # Errors
    ///
    /// The system's, when it has no thread to give.
    pub fn background(host: impl Host) -> io::Result<Self> {
        Self::builder().background(host)
    }

    /// Other settings: policy, sinks, tails.
    pub fn builder() -> MonitorBuilder {
        MonitorBuilder::default()
    }
}

/// Commands. Each is applied before the call returns; the driver carries it out as soon as it runs.
impl ProcessMonitor {
    /// Adds a process. In a running service it is started at once; if its name was just removed and the old run is
    /// still dying, as soon as that is over (PM-1…3, PM-10).
    ///
    /// # Errors
    ///
    /// [`AddError`] when the name is not one or is taken, or when the spec cannot work. That the program does not
    /// exist is no such error: starting it fails, is told, and is tried again, as with every other failure.
    pub fn add_process(&self, name: &str, spec: Spec) -> Result<(), AddError> {
        let name = Name::new(name)?;
        spec.check()?;
        let definition = Definition {
            policy: spec.get_policy().unwrap_or_else(|| self.shared().policy),
            stop_signal: spec.get_stop_signal(),
            spec: Arc::new(spec),
        };
        self.shared().drive.command(|core, now| {
            check_open(core).map_err(|Closed| AddError::Closed)?;
            Ok(core.state.machine.add_process(name, definition, now)?)
        })
    }

    /// Stops a process and forgets it (PM-9). The ticket resolves when it is gone.
    ///
    /// # Errors
    ///
    /// [`CommandError`] when there is no such process (PM-8).
    pub fn remove_process(&self, name: &str) -> Result<Ticket, CommandError> {
        let ticket = self.end(name, |core, now| core.state.machine.remove_process(name, now))?;
        if ticket.is_done()
            && let Some(tail) = &self.shared().tail
        {
            tail.forget(name);
        }
        Ok(ticket)
    }

    /// Starts a process now, also if it waits for a restart or the service does not run; in the latter case it is not
    /// restarted when it ends (PM-16). One that runs is left alone (PM-15); one that is being stopped is started when
    /// it is gone.
    ///
    /// # Errors
    ///
    /// [`CommandError`] when there is no such process (PM-14).
    pub fn start_process(&self, name: &str) -> Result<(), CommandError> {
        self.apply(|core, now| core.state.machine.start_process(name, now))
    }

    /// Ends the run of a process: the stop signal, and KILL at the kill time. In a running service the process
    /// comes back, so this is a restart (PM-36); [`hold_process`](Self::hold_process) keeps it down. The ticket
    /// resolves when the run is over.
    ///
    /// # Errors
    ///
    /// [`CommandError`] when there is no such process (PM-32).
    pub fn stop_process(&self, name: &str) -> Result<Ticket, CommandError> {
        self.end(name, |core, now| core.state.machine.stop_process(name, now))
    }

    /// Ends the run of a process, and keeps it down until it is released. The ticket resolves when the run is over.
    ///
    /// # Errors
    ///
    /// [`CommandError`] when there is no such process.
    pub fn hold_process(&self, name: &str) -> Result<Ticket, CommandError> {
        self.end(name, |core, now| core.state.machine.hold_process(name, now))
    }

    /// Ends a hold. In a running service the process is started.
    ///
    /// # Errors
    ///
    /// [`CommandError`] when there is no such process.
    pub fn release_process(&self, name: &str) -> Result<(), CommandError> {
        self.apply(|core, now| core.state.machine.release_process(name, now))
    }

    /// Sends a signal to the group of a process, such as HUP to have it read its configuration again. Nothing else
    /// changes: a signal that ends the process is a death like any other. Returns whether it was up to hear it.
    ///
    /// # Errors
    ///
    /// [`CommandError`] when there is no such process.
    pub fn signal_process(&self, name: &str, signal: Signal) -> Result<bool, CommandError> {
        self.apply(|core, _| core.state.machine.signal_process(name, signal))
    }

    /// Ends the runs of all processes at once; in a running service each comes back (PM-39).
    pub fn restart_all(&self) -> Ticket {
        self.end_all(|core, now| core.state.machine.restart_all(now))
    }

    /// Starts all processes, in the order they were added, and keeps them up from now on (PM-13).
    pub fn start_service(&self) {
        self.shared().drive.command(|core, now| core.state.machine.start_service(now));
    }

    /// Stops all processes, and starts none until [`start_service`](Self::start_service). The ticket resolves when
    /// all are gone, those included that were removed before and are still dying (PM-40, PM-41).
    pub fn stop_service(&self) -> Ticket {
        self.end_all(|core, now| core.state.machine.stop_service(now))
    }

    /// The same with KILL at once, also for those that have been asked to end already.
    pub fn kill_service(&self) -> Ticket {
        self.end_all(|core, now| core.state.machine.kill_service(now))
    }
}

/// Questions.
impl ProcessMonitor {
    /// Whether the service runs.
    pub fn is_running(&self) -> bool {
        self.shared().drive.lock().state.machine.is_running()
    }

    /// What a process is doing, and why. `None`: there is none of this name.
    pub fn status(&self, name: &str) -> Option<Status> {
        self.shared().drive.lock().state.machine.status(name)
    }

    /// What all processes are doing, in the order they were added.
    pub fn statuses(&self) -> Vec<Status> {
        self.shared().drive.lock().state.machine.statuses()
    }

    /// All definitions, in the order they were added: what it takes to set up another monitor like this (PM-45).
    pub fn processes(&self) -> Vec<(Name, Spec)> {
        let core = self.shared().drive.lock();
        core.state.machine.definitions().into_iter().map(|(name, spec)| (name, Spec::clone(&spec))).collect()
    }

    /// The last `lines` lines of a process, oldest first, if the monitor [keeps any](MonitorBuilder::tail).
    pub fn tail(&self, name: &str, lines: usize) -> Vec<String> {
        self.shared().tail.as_ref().map(|tail| tail.last(name, lines)).unwrap_or_default()
    }

    /// Subscribes to all that happens from now on (PM-31).
    pub fn notices(&self) -> Notices {
        Notices(self.shared().notices.subscribe())
    }

    /// The time on the clock that statuses and notices are told in.
    pub fn now(&self) -> Instant {
        self.shared().drive.host.now()
    }
}

impl ProcessMonitor {
    fn shared(&self) -> &Shared {
        &self.0.service
    }

    fn apply<T>(
        &self,
        command: impl FnOnce(&mut Core, Instant) -> Result<T, UnknownName>,
    ) -> Result<T, CommandError> {
        self.shared().drive.command(|core, now| {
            check_open(core).map_err(|Closed| CommandError::Closed)?;
            Ok(command(core, now)?)
        })
    }

    fn end(
        &self,
        name: &str,
        command: impl FnOnce(&mut Core, Instant) -> Result<(), UnknownName>,
    ) -> Result<Ticket, CommandError> {
        self.shared().drive.command(|core, now| {
            check_open(core).map_err(|Closed| CommandError::Closed)?;
            let run = core.state.machine.run(name);
            command(core, now)?;
            Ok(core.state.tickets.issue(run))
        })
    }

    fn end_all(&self, command: impl FnOnce(&mut Core, Instant)) -> Ticket {
        self.shared().drive.command(|core, now| {
            command(core, now);
            let runs = if core.life == Life::Over { Vec::new() } else { core.state.machine.runs().collect() };
            core.state.tickets.issue(runs)
        })
    }
}

/// The driver has gone.
struct Closed;

fn check_open(core: &Core) -> Result<(), Closed> {
    if core.life == Life::Over { Err(Closed) } else { Ok(()) }
}

/// The processes with their command lines, and `(uid:gid)` where they are set (PM-44).
impl fmt::Debug for ProcessMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<ProcessMonitor")?;
        for (name, spec) in self.processes() {
            write!(f, " {name}")?;
            match (spec.get_uid(), spec.get_gid()) {
                (None, None) => {}
                (Some(uid), None) => write!(f, "({uid})")?,
                (None, Some(gid)) => write!(f, "(:{gid})")?,
                (Some(uid), Some(gid)) => write!(f, "({uid}:{gid})")?,
            }
            write!(f, ": [{spec}]")?;
        }
        write!(f, ">")
    }
}
