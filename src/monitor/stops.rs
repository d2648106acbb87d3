//! The stops that are under way, and the tickets that wait for them.

use std::collections::HashSet;
use std::sync::Arc;

use crate::drive::{Promise, Resolution, Resolutions, StopError, Survivor};
use crate::machine::RunId;

/// All stops whose tickets are not resolved.
#[derive(Debug, Default)]
pub(super) struct PendingStops(Vec<PendingStop>);

#[derive(Debug)]
struct PendingStop {
    /// The runs that are not over and not known to have survived KILL.
    runs: HashSet<RunId>,
    survivors: Vec<Survivor>,
    /// Whether the ticket waits for the end of the driver, too.
    until_end: bool,
    promise: Arc<Promise<StopError>>,
}

impl PendingStops {
    /// Adds a stop of `runs`, which resolves `promise` when they are over.
    pub(super) fn add(&mut self, promise: Arc<Promise<StopError>>, runs: impl IntoIterator<Item = RunId>) {
        self.push(promise, runs, false);
    }

    /// Adds a stop of `runs`, which resolves `promise` when the driver has ended.
    pub(super) fn add_until_end(
        &mut self,
        promise: Arc<Promise<StopError>>,
        runs: impl IntoIterator<Item = RunId>,
    ) {
        self.push(promise, runs, true);
    }

    fn push(
        &mut self,
        promise: Arc<Promise<StopError>>,
        runs: impl IntoIterator<Item = RunId>,
        until_end: bool,
    ) {
        let stop =
            PendingStop { runs: runs.into_iter().collect(), survivors: Vec::new(), until_end, promise };
        if stop.is_complete() {
            // The ticket has not been returned yet, so this wakes no task.
            stop.promise.fill(Ok(()));
        } else {
            self.0.push(stop);
        }
    }

    /// Notes that `run` is over.
    pub(super) fn run_over(&mut self, run: RunId) -> Resolutions<StopError> {
        self.update(|stop| {
            stop.runs.remove(&run);
        })
    }

    /// Notes that `survivor` has outlived KILL.
    pub(super) fn survived(&mut self, survivor: &Survivor) -> Resolutions<StopError> {
        self.update(|stop| {
            if stop.runs.remove(&survivor.run) {
                stop.survivors.push(survivor.clone());
            }
        })
    }

    /// Notes that the driver has ended, and every process with it.
    pub(super) fn driver_over(&mut self) -> Resolutions<StopError> {
        self.update(|stop| {
            stop.runs.clear();
            stop.until_end = false;
        })
    }

    fn update(&mut self, mut change: impl FnMut(&mut PendingStop)) -> Resolutions<StopError> {
        let complete = self.0.extract_if(.., |stop| {
            change(stop);
            // Without a ticket nothing waits for the stop.
            stop.is_complete() || Arc::strong_count(&stop.promise) == 1
        });
        Resolutions(complete.map(PendingStop::into_result).collect())
    }
}

impl PendingStop {
    fn is_complete(&self) -> bool {
        self.runs.is_empty() && (!self.until_end || !self.survivors.is_empty())
    }

    fn into_result(self) -> Resolution<StopError> {
        let survivors = self.survivors;
        (self.promise, if survivors.is_empty() { Ok(()) } else { Err(survivors.into()) })
    }
}
