//! The runs that have become ready, and whose members are to be recorded.
//!
//! A search for the members of a run reads every process that was created since the last search. Many runs
//! may become ready one after the other, so the search comes a moment later, once for all of them. A run that
//! ends before is searched anyway.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::drive::Alarm;
use crate::host::Host;
use crate::machine::RunId;

/// The time from the readiness of a run to the search for its members.
const DELAY: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
pub(super) struct ReadyRuns {
    runs: Vec<RunId>,
    search_at: Option<Instant>,
    alarm: Alarm,
}

impl ReadyRuns {
    /// Adds a run that has become ready.
    pub(super) fn add(&mut self, run: RunId) {
        self.runs.push(run);
    }

    /// Returns the runs whose members are to be recorded now.
    pub(super) fn poll(&mut self, host: &dyn Host, cx: &mut Context<'_>) -> Poll<Vec<RunId>> {
        if self.runs.is_empty() {
            return Poll::Pending;
        }
        let at = *self.search_at.get_or_insert_with(|| host.now() + DELAY);
        self.alarm.poll(at, host, cx).map(|()| {
            self.search_at = None;
            std::mem::take(&mut self.runs)
        })
    }
}
