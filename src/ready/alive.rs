//! The future that ends when a run that was ready no longer works: the driver of the liveness gate.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::attempt::{Attempt, begin};
use super::liveness::{Event, LivenessGate, Output};
use super::session::Session;
use crate::drive::{self, Alarm, ClockCheck, Driver, StateMachine, Step};
use crate::host::Host;

/// A future that ends with the reason why a run is unhealthy.
#[must_use = "nothing is checked before this is polled"]
pub(super) struct UntilUnhealthy {
    host: Arc<dyn Host>,
    session: Arc<Session>,
    gate: LivenessGate,
    /// The process id of the run.
    pid: u32,
    attempts: Vec<PendingAttempt>,
    alarm: Alarm,
}

struct PendingAttempt {
    check: u32,
    leaf: usize,
    attempt: Attempt,
}

impl UntilUnhealthy {
    pub(super) fn new(host: Arc<dyn Host>, session: Arc<Session>, gate: LivenessGate, pid: u32) -> Self {
        Self { host, session, gate, pid, attempts: Vec::new(), alarm: Alarm::default() }
    }

    fn feed(&mut self, event: Event) {
        self.gate.handle_event(event, self.host.now());
    }
}

impl Future for UntilUnhealthy {
    type Output = String;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<String> {
        drive::poll_driver(&mut *self, ClockCheck::WhenQuiet, cx)
    }
}

impl Driver for UntilUnhealthy {
    type End = String;
    type Machine = LivenessGate;

    fn machine<T>(&mut self, act: impl FnOnce(&mut LivenessGate) -> T) -> T {
        act(&mut self.gate)
    }

    fn clock(&mut self) -> (&mut Alarm, &dyn Host) {
        (&mut self.alarm, &*self.host)
    }

    fn execute(&mut self, output: Output) -> Step<String> {
        match output {
            Output::Attempt { check, leaf } => {
                let attempt = self.gate.leaf(leaf).and_then(|leaf| begin(leaf, &self.host, self.pid));
                self.attempts.extend(attempt.map(|attempt| PendingAttempt { check, leaf, attempt }));
                Step::Continue
            }
            Output::EndCheck => {
                self.attempts.clear();
                Step::Continue
            }
            Output::Unhealthy(reason) => Step::Done(reason),
        }
    }

    fn poll_sources(&mut self, cx: &mut Context<'_>) -> bool {
        let mut events = Vec::new();
        self.attempts.retain_mut(|PendingAttempt { check, leaf, attempt }| match attempt.as_mut().poll(cx) {
            Poll::Ready(result) => {
                events.push(Event::Attempt { check: *check, leaf: *leaf, result });
                false
            }
            Poll::Pending => true,
        });
        let (host, pid) = (&self.host, self.pid);
        let signals = self.session.poll_watchdog(cx, &|sender| host.belongs_to(sender, pid));
        events.extend(signals.into_iter().map(Event::Watchdog));
        let busy = !events.is_empty();
        for event in events {
            self.feed(event);
        }
        busy
    }
}

impl fmt::Debug for UntilUnhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilUnhealthy")
            .field("gate", &self.gate)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}
