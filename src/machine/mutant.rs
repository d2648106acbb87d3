//! Bugs that tests plant into the machine, to show that an exploration finds them: three mistakes that
//! supervisors make.

use std::cell::Cell;

use super::give_up::{Failures, Window};
use super::{Event, RunId};

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// The exit of an old run is applied to its successor.
    OldExit,
    /// The readiness of a run outlives it, so dependents of the next run are started too early.
    StaleReadiness,
    /// A start by hand counts as a failure.
    CountedStart,
}

thread_local! {
    static PLANTED: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Keeps a bug planted on this thread until it is dropped.
#[derive(Debug)]
pub(crate) struct Planted(());

impl Planted {
    pub(crate) fn new(mutant: Mutant) -> Self {
        PLANTED.set(Some(mutant));
        Self(())
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        PLANTED.set(None);
    }
}

/// Returns the run that an event is about, which is the current one.
pub(super) fn current_run(current: Option<RunId>, event: &Event) -> Option<RunId> {
    let is_taken = PLANTED.get() == Some(Mutant::OldExit) && matches!(event, Event::Exited { .. });
    current.map(|current| if is_taken { event.run() } else { current })
}

pub(super) fn keeps_readiness() -> bool {
    PLANTED.get() == Some(Mutant::StaleReadiness)
}

pub(super) fn count_manual_start(failures: &mut Failures, before: Failures) {
    if PLANTED.get() == Some(Mutant::CountedStart) {
        *failures = before;
        failures.row += 1;
        if let Some(Window(times)) = failures.window.as_deref_mut() {
            times.extend(times.back().copied());
        }
    }
}
