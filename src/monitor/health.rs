//! The readiness and health of runs, as far as the driver watches them.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::ready_queue::{ReadyQueue, Source};
use crate::host::Spec;
use crate::host::health::{Failure, FailureCause, HealthEvent, HealthWatch, Ready};
use crate::machine::{Event, Name, RunId};

/// The watch over one run, with its waker.
#[derive(Debug)]
pub(super) struct RunHealth {
    watch: Box<dyn HealthWatch>,
    waker: Waker,
    /// Whether the machine waits for the readiness of the run.
    has_readiness: bool,
}

impl RunHealth {
    /// Adds the watch over `run` to the queue.
    pub(super) fn new(run: RunId, spec: &Spec, watch: Box<dyn HealthWatch>, queue: &Arc<ReadyQueue>) -> Self {
        let waker = Waker::from(queue.add_source(run, Source::Health));
        Self { watch, waker, has_readiness: spec.readiness_deadline().is_some() }
    }

    /// Returns the next event of the watch.
    pub(super) fn poll(&mut self) -> Option<HealthEvent> {
        match self.watch.poll(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(event) => Some(event),
            Poll::Pending => None,
        }
    }

    /// Returns what the machine has to know about an event. The end of a run is known to it already.
    pub(super) fn translate(&self, run: RunId, event: &HealthEvent) -> Option<Event> {
        match event {
            HealthEvent::Ready(_) => self.has_readiness.then_some(Event::Ready { run }),
            HealthEvent::NotReady(failure) => match failure.cause {
                FailureCause::TimedOut(_) => {
                    Some(Event::NotReady { run, reason: failure.to_string().into() })
                }
                FailureCause::SpawnFailed(_) | FailureCause::Exited(_) | FailureCause::NeverStarted => None,
            },
            HealthEvent::Unhealthy(reason) => Some(Event::Unhealthy { run, reason: reason.as_str().into() }),
        }
    }
}

/// The reports on the readiness of the last run of each process that requires something.
#[derive(Debug, Default)]
pub(super) struct Reports(HashMap<Name, Report>);

/// The result of the wait for the readiness of a run.
pub(crate) type Report = Result<Arc<Ready>, Arc<Failure>>;

impl Reports {
    pub(super) fn get(&self, name: &str) -> Option<Report> {
        self.0.get(name).cloned()
    }

    pub(super) fn note(&mut self, name: &Name, event: HealthEvent) {
        let report = match event {
            HealthEvent::Ready(ready) => Ok(Arc::new(ready)),
            HealthEvent::NotReady(failure) => Err(Arc::new(failure)),
            HealthEvent::Unhealthy(_) => return,
        };
        self.0.insert(name.clone(), report);
    }

    /// Forgets the report of the last run, because there is a new one or the process was removed.
    pub(super) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }
}
