//! The handle of a monitor.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::shared::{Core, Shared};
use super::{AddError, CommandError, Notices};
use crate::drive::{Close, Guard, Life, Ticket};
use crate::host::Spec;
use crate::machine::{Definition, DependencyError, Name, RunId, Signal, Status, UnknownName};

/// A handle to a monitor, which keeps named processes running.
///
/// Handles are cheap to clone and usable from any thread. The work is done by the
/// [`MonitorDriver`](crate::MonitorDriver) that is created with the first handle: run it on an executor of
/// your choice, or let [`background`](Self::background) give it a thread.
///
/// A process that ends is restarted according to its [`Policy`](crate::Policy) while the service runs.
/// Stopping a process ends it and everything it has started, first with its stop signal, then with KILL.
///
/// Dropping the last handle stops all processes, as [`stop_service`](Self::stop_service) does, and then ends
/// the driver; with `background` the drop waits for that. Dropping the *driver* before its end kills and
/// reaps all processes at once.
///
/// ```no_run
/// use childminder::{ProcessMonitor, Spec, System};
///
/// let monitor = ProcessMonitor::background(System::new())?;
/// monitor.add_process("web", Spec::new("python3").args(["-m", "http.server", "8000"]))?;
/// monitor.start_service()?;
/// // … the web server is restarted whenever it ends, until:
/// monitor.stop_service().wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ProcessMonitor(pub(super) Arc<Guard<Shared>>);

/// Commands. Each is applied before the call returns, and the driver executes what follows from it when it is
/// polled next.
impl ProcessMonitor {
    /// Adds a process. `spec` is a [`Spec`], or a command such as `["sleep", "1000"]`.
    ///
    /// While the service runs the process is started at once. If a process of the same name was removed and
    /// is still being stopped, the new one is started when the old one is gone.
    ///
    /// ```
    /// use childminder::{ProcessMonitor, Spec, System};
    ///
    /// let monitor = ProcessMonitor::background(System::new())?;
    /// monitor.add_process("sleeper", ["sleep", "1000"])?;
    /// monitor.add_process("listing", Spec::new("ls").cwd("/"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AddError`] if the name is not valid or is taken, if the spec is not valid, or if the monitor is
    /// closed. A program that does not exist is no error here: its start fails, which is published as a
    /// notice and retried.
    pub fn add_process(&self, name: &str, spec: impl Into<Spec>) -> Result<(), AddError> {
        let name = Name::new(name)?;
        let definition = self.definition(spec.into())?;
        self.change(|core, now| Ok(core.state.machine.add_process(name, definition, now)?))
    }

    /// Stops a process and removes it. The ticket resolves when it is gone.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if there is no process with this name or the monitor is closed.
    pub fn remove_process(&self, name: &str) -> Result<Ticket, CommandError> {
        let ticket = self.stop_run(name, |core, now| core.state.machine.remove_process(name, now))?;
        if ticket.is_done()
            && let Some(tail) = &self.shared().tail
        {
            tail.forget(name);
        }
        Ok(ticket)
    }

    /// Starts a process now, also if it waits for a restart or the service does not run. In the latter case
    /// it is not restarted when it ends. A running process is left alone; one that is being stopped is
    /// started when it is gone.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if there is no process with this name or the monitor is closed.
    pub fn start_process(&self, name: &str) -> Result<(), CommandError> {
        self.apply(|core, now| core.state.machine.start_process(name, now))
    }

    /// Stops the current run of a process: with its stop signal, and with KILL at the kill time. While the
    /// service runs the process is started again, so this is a restart; [`hold_process`](Self::hold_process)
    /// keeps it down. The ticket resolves when the run is over.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if there is no process with this name or the monitor is closed.
    pub fn stop_process(&self, name: &str) -> Result<Ticket, CommandError> {
        self.stop_run(name, |core, now| core.state.machine.stop_process(name, now))
    }

    /// Stops a process and keeps it down until it is [released](Self::release_process). The ticket resolves
    /// when the run is over.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if there is no process with this name or the monitor is closed.
    pub fn hold_process(&self, name: &str) -> Result<Ticket, CommandError> {
        self.stop_run(name, |core, now| core.state.machine.hold_process(name, now))
    }

    /// Releases a process that is held. While the service runs it is started.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if there is no process with this name or the monitor is closed.
    pub fn release_process(&self, name: &str) -> Result<(), CommandError> {
        self.apply(|core, now| core.state.machine.release_process(name, now))
    }

    /// Sends a signal to the process group of a process, for example HUP to reload its configuration. Returns
    /// whether the process was running. If the signal ends the process, that counts as an ordinary exit.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if there is no process with this name or the monitor is closed.
    pub fn signal_process(&self, name: &str, signal: Signal) -> Result<bool, CommandError> {
        self.apply(|core, now| core.state.machine.signal_process(name, signal, now))
    }

    /// Stops the current runs of all processes at once. While the service runs they are started again.
    pub fn restart_all(&self) -> Ticket {
        self.stop_runs(|core, now| core.state.machine.restart_all(now))
    }

    /// Starts all processes in the order in which they were added, as far as their dependencies permit, and
    /// keeps them running from now on. Does nothing if the monitor is closed.
    ///
    /// # Errors
    ///
    /// [`DependencyError`] if a process depends on one that does not exist or never completes. Nothing is
    /// started then.
    pub fn start_service(&self) -> Result<(), DependencyError> {
        self.shared().command(|core, now| match check_open(core) {
            Ok(()) => core.state.machine.start_service(now),
            Err(Closed) => Ok(()),
        })
    }

    /// Stops all processes, and keeps them down until [`start_service`](Self::start_service) is called. The
    /// ticket resolves when all are gone, including those that were removed before and are still being
    /// stopped.
    pub fn stop_service(&self) -> Ticket {
        self.stop_runs(|core, now| core.state.machine.stop_service(now))
    }

    /// Kills all processes, including those that are being stopped, and keeps them down until
    /// [`start_service`](Self::start_service) is called. The ticket resolves when all are gone.
    pub fn kill_service(&self) -> Ticket {
        self.stop_runs(|core, now| core.state.machine.kill_service(now))
    }

    /// Stops all processes and ends the driver, also if there are other handles. From now on commands fail
    /// with [`AddError::Closed`] or [`CommandError::Closed`].
    ///
    /// The ticket resolves when the driver has ended. If a process outlives KILL, the ticket fails and the
    /// driver ends without waiting for that process.
    pub fn close(&self) -> Ticket {
        let shared = self.shared();
        let (promise, ticket) = shared.drive.ticket();
        shared.close();
        shared.command(|core, _| {
            let runs = runs_under_way(core);
            if core.life == Life::Over {
                core.state.stops.add(promise, runs);
            } else {
                core.state.stops.add_until_end(promise, runs);
            }
        });
        ticket
    }
}

/// State.
impl ProcessMonitor {
    /// Returns whether the service runs.
    pub fn is_running(&self) -> bool {
        self.shared().drive.lock().state.machine.is_running()
    }

    /// Returns the state of a process; `None` if there is no process with this name.
    pub fn status(&self, name: &str) -> Option<Status> {
        self.shared().drive.lock().state.machine.status(name)
    }

    /// Returns the states of all processes, in the order in which they were added.
    pub fn statuses(&self) -> Vec<Status> {
        self.shared().drive.lock().state.machine.statuses()
    }

    /// Returns the names and specs of all processes, in the order in which they were added: enough to set up
    /// another monitor like this one.
    pub fn processes(&self) -> Vec<(Name, Spec)> {
        let core = self.shared().drive.lock();
        let machine = &core.state.machine;
        let specs = machine.definitions().into_iter().map(|(name, spec)| {
            let spec = Spec::clone(&spec);
            let known = spec.get_policy().unwrap_or_else(|| self.shared().policy);
            // It may have been changed by `set_policy`.
            match machine.status(&name).map(|status| status.policy).filter(|policy| *policy != known) {
                Some(policy) => (name, spec.policy(policy)),
                None => (name, spec),
            }
        });
        specs.collect()
    }

    /// Returns the last `lines` lines of a process, the oldest first. There are none unless the monitor was
    /// built to [keep](crate::MonitorBuilder::tail) them.
    pub fn tail(&self, name: &str, lines: usize) -> Vec<String> {
        self.shared().tail.as_ref().map(|tail| tail.last(name, lines)).unwrap_or_default()
    }

    /// Subscribes to the notices that are published from now on.
    pub fn notices(&self) -> Notices {
        Notices(self.shared().notices.subscribe())
    }

    /// Returns the current time on the clock of the host, which statuses and notices use.
    pub fn now(&self) -> Instant {
        self.shared().drive.host.now()
    }

    /// Returns a handle that does not keep the monitor open.
    ///
    /// A sink or a callback that the monitor owns should hold a weak handle: with a strong one there would
    /// always be a handle left, and the monitor would never be closed by a drop.
    pub fn downgrade(&self) -> WeakMonitor {
        WeakMonitor(Arc::downgrade(&self.0))
    }
}

impl ProcessMonitor {
    pub(super) fn shared(&self) -> &Shared {
        &self.0.service
    }

    /// Checks a spec, and returns what the machine has to know about it.
    pub(super) fn definition(&self, spec: Spec) -> Result<Definition<Arc<Spec>>, AddError> {
        Ok(spec.into_definition(self.shared().policy)?)
    }

    /// Applies a command that adds or changes a process.
    pub(super) fn change<T>(
        &self,
        command: impl FnOnce(&mut Core, Instant) -> Result<T, AddError>,
    ) -> Result<T, AddError> {
        self.shared().command(|core, now| {
            check_open(core).map_err(|Closed| AddError::Closed)?;
            command(core, now)
        })
    }

    pub(super) fn apply<T>(
        &self,
        command: impl FnOnce(&mut Core, Instant) -> Result<T, UnknownName>,
    ) -> Result<T, CommandError> {
        self.shared().command(|core, now| {
            check_open(core).map_err(|Closed| CommandError::Closed)?;
            Ok(command(core, now)?)
        })
    }

    /// Applies a command that ends the run of one process.
    fn stop_run(
        &self,
        name: &str,
        command: impl FnOnce(&mut Core, Instant) -> Result<(), UnknownName>,
    ) -> Result<Ticket, CommandError> {
        let (promise, ticket) = self.shared().drive.ticket();
        self.apply(|core, now| {
            let run = core.state.machine.run(name);
            command(core, now)?;
            core.state.stops.add(promise, run);
            Ok(())
        })?;
        Ok(ticket)
    }

    /// Applies a command that ends all runs.
    fn stop_runs(&self, command: impl FnOnce(&mut Core, Instant)) -> Ticket {
        let (promise, ticket) = self.shared().drive.ticket();
        self.shared().command(|core, now| {
            if core.life == Life::Open {
                command(core, now);
            }
            let runs = runs_under_way(core);
            core.state.stops.add(promise, runs);
        });
        ticket
    }
}

/// A handle that does not keep its monitor open, from [`ProcessMonitor::downgrade`].
///
/// ```
/// use childminder::{ProcessMonitor, System};
///
/// let monitor = ProcessMonitor::background(System::new())?;
/// let weak = monitor.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(monitor);
/// assert!(weak.upgrade().is_none());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct WeakMonitor(Weak<Guard<Shared>>);

impl WeakMonitor {
    /// Returns a handle; `None` if the last one was dropped.
    pub fn upgrade(&self) -> Option<ProcessMonitor> {
        self.0.upgrade().map(ProcessMonitor)
    }
}

impl fmt::Debug for WeakMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakMonitor").finish_non_exhaustive()
    }
}

/// The monitor is closed or its driver was dropped.
struct Closed;

fn check_open(core: &Core) -> Result<(), Closed> {
    if core.life == Life::Open { Ok(()) } else { Err(Closed) }
}

/// The runs that a driver has to end; none if there is no driver any more.
fn runs_under_way(core: &Core) -> Vec<RunId> {
    if core.life == Life::Over { Vec::new() } else { core.state.machine.runs().collect() }
}

/// Shows the processes with their command lines, and `(uid:gid)` where they are set.
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
