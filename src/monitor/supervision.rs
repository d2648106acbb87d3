//! The commands and questions of a handle about restarts, readiness and dependencies.

use std::time::Duration;

use super::handle::ProcessMonitor;
use super::health::Report;
use super::shared::State;
use super::waits::{ReadyError, StoppedError};
use super::{AddError, CommandError};
use crate::drive::Ticket;
use crate::host::Spec;
use crate::machine::{Name, Policy, Replaced, UnknownName, Why};

/// Readiness, and the end of the service.
impl ProcessMonitor {
    /// Waits until a process is ready. A process without a condition for its
    /// readiness is ready when it is started.
    ///
    /// The ticket waits over restarts and dependencies. It fails when the process does not run and only a
    /// command would start it: because it is held, has completed or failed, was given up or removed, because
    /// it is blocked on a process of which one of these is true, or because the service does not run. It is
    /// resolved at once if the process is ready.
    ///
    /// ```
    /// use childminder::{ProcessMonitor, System};
    ///
    /// let monitor = ProcessMonitor::background(System::new())?;
    /// monitor.add_process("sleeper", ["sleep", "1000"])?;
    /// monitor.start_service()?;
    /// monitor.wait_ready("sleeper")?.wait()?;
    /// assert!(monitor.status("sleeper").is_some_and(|status| status.ready_since.is_some()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`CommandError`] if there is no process with this name or the monitor is closed.
    pub fn wait_ready(&self, name: &str) -> Result<Ticket<ReadyError>, CommandError> {
        let (promise, ticket) = self.shared().drive.ticket();
        self.apply(|core, now| {
            let State { machine, waits, .. } = &mut core.state;
            let status = machine.status(name).ok_or_else(|| UnknownName::new(name))?;
            waits.add_ready(status.name, promise, machine, now);
            Ok(())
        })?;
        Ok(ticket)
    }

    /// Waits until the service does not run and every process has ended, whichever command or decision has
    /// stopped it. The ticket is resolved at once if that is so.
    ///
    /// The ticket fails with the process that was given up, if its policy has stopped the service
    /// ([`OnGiveUp::StopAll`](crate::machine::OnGiveUp::StopAll)), and with the processes that survive KILL.
    ///
    /// ```
    /// use std::time::Duration;
    /// use childminder::machine::{GiveUp, OnGiveUp};
    /// use childminder::monitor::StoppedError;
    /// use childminder::{Policy, ProcessMonitor, Spec, System};
    ///
    /// let monitor = ProcessMonitor::background(System::new())?;
    /// let give_up = GiveUp { failures: 1, within: None, then: OnGiveUp::StopAll };
    /// let policy = Policy { give_up: Some(give_up), ..Policy::default() };
    /// monitor.add_process("broken", Spec::new("false").policy(policy))?;
    /// monitor.add_process("sleeper", ["sleep", "1000"])?;
    /// monitor.start_service()?;
    /// let error = monitor.wait_stopped().wait().unwrap_err();
    /// assert!(matches!(error, StoppedError::GaveUp(name) if &*name == "broken"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_stopped(&self) -> Ticket<StoppedError> {
        let (promise, ticket) = self.shared().drive.ticket();
        self.shared().add_stopped_wait(promise);
        ticket
    }

    /// Returns what is known about the readiness of the last run of a process that requires something.
    pub(crate) fn readiness(&self, name: &str) -> Option<Report> {
        self.shared().drive.lock().state.reports.get(name)
    }

    /// Returns the longest time that [`stop_service`](Self::stop_service) can take with the processes that
    /// there are now: processes that depend on others are stopped before them, each within its kill time, the
    /// 10 s after which a survivor of KILL is reported at the latest, and its leak timeout.
    pub fn stop_bound(&self) -> Duration {
        self.shared().drive.lock().state.machine.stop_bound()
    }
}

/// Changes at run time.
impl ProcessMonitor {
    /// Changes the policy of a process, without a restart. It applies to the next decision; a delay or a kill
    /// time that runs is not changed.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if there is no process with this name, the policy is not valid, or the monitor is
    /// closed.
    pub fn set_policy(&self, name: &str, policy: Policy) -> Result<(), CommandError> {
        policy.check()?;
        self.apply(|core, now| core.state.machine.set_policy(name, policy, now))
    }

    /// Replaces the spec of a process. If that starts another program, or the same one in another way, the
    /// process is restarted. A new policy, stop signal or target, dependency or restart group takes effect
    /// without a restart. Returns what has happened.
    ///
    /// ```
    /// use childminder::machine::Replaced;
    /// use childminder::{ProcessMonitor, Spec, System};
    ///
    /// let monitor = ProcessMonitor::background(System::new())?;
    /// monitor.add_process("sleeper", Spec::new("sleep").arg("1000"))?;
    /// let replaced = monitor.replace_process("sleeper", Spec::new("sleep").arg("1000"))?;
    /// assert_eq!(replaced, Replaced::Unchanged);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AddError`] if there is no process with this name, if the spec or its dependencies are not valid, or
    /// if the monitor is closed. Nothing is changed then.
    pub fn replace_process(&self, name: &str, spec: impl Into<Spec>) -> Result<Replaced, AddError> {
        let definition = self.definition(spec.into())?;
        self.change(|core, now| Ok(core.state.machine.replace_process(name, definition, now)?))
    }
}

/// Explanations.
impl ProcessMonitor {
    /// Returns why a process is in its state, as a chain of causes that ends in a root cause or a command of
    /// the user; `None` if there is no process with this name. If the monitor
    /// [keeps](crate::MonitorBuilder::tail) output lines, it contains the last line of the process that the
    /// chain ends with.
    pub fn why(&self, name: &str) -> Option<Why> {
        let now = self.now();
        let why = self.shared().drive.lock().state.machine.why(name, now);
        why.map(|why| self.with_last_line(why))
    }

    /// Returns what delays the end of the service; `None` if the service runs, or every process has ended.
    pub fn why_not_stopped(&self) -> Option<Why> {
        let now = self.now();
        let why = self.shared().drive.lock().state.machine.why_not_stopped(now);
        why.map(|why| self.with_last_line(why))
    }

    /// The lock is not held here, since the sinks may use the tail meanwhile.
    fn with_last_line(&self, why: Why) -> Why {
        let root: &Name = why.root();
        let line = self.tail(root, 1).pop();
        why.with_last_line(line)
    }
}
