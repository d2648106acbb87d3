//! The future that waits until a process is ready: the driver of the gate.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::attempt::{Attempt, begin};
use super::gate::{Event, Gate, Output};
use super::leaf::LeafEvent;
use super::session::Session;
use crate::drive::{self, Alarm, ClockCheck, Driver, StateMachine, Step};
use crate::host::Host;
use crate::host::health::{ConditionKind, ConditionStatus, Failure, FailureCause, Ready};

/// A future that ends when the start is ready or has failed.
///
/// Dropping it ends the wait: no timer, probe or command is left, and the process keeps running.
#[must_use = "no probe is made before this is polled"]
pub(crate) struct UntilReady {
    host: Arc<dyn Host>,
    session: Arc<Session>,
    gate: Gate,
    /// The process id, once the process is started.
    pid: Option<u32>,
    attempts: Vec<PendingAttempt>,
    alarm: Alarm,
}

struct PendingAttempt {
    leaf: usize,
    number: u32,
    attempt: Attempt,
}

impl UntilReady {
    pub(super) fn new(host: Arc<dyn Host>, session: Arc<Session>, gate: Gate) -> Self {
        Self { host, session, gate, pid: None, attempts: Vec::new(), alarm: Alarm::default() }
    }

    /// Returns the status of each part of the condition, as of the last poll, for a caller with a timeout of
    /// its own.
    pub(crate) fn progress(&self) -> Vec<ConditionStatus> {
        self.gate.statuses(self.host.now())
    }

    fn feed(&mut self, event: Event) {
        self.gate.handle_event(event, self.host.now());
    }

    fn poll_session(&mut self, cx: &Context<'_>) -> bool {
        let mut busy = false;
        while let Some((event, at)) = self.session.poll_event(cx.waker()) {
            if let Event::Started(pid) = event {
                self.pid = Some(pid);
            }
            self.gate.handle_event(event, at);
            busy = true;
        }
        busy
    }

    fn poll_notifications(&mut self, cx: &mut Context<'_>) -> bool {
        // A fast process can notify before its start is published; until then the notification stays in its
        // channel.
        let Some(leader) = self.pid else { return false };
        let host = &self.host;
        let events = self.session.poll_notifications(cx, &|pid| host.belongs_to(pid, leader));
        let busy = !events.is_empty();
        for (leaf, event) in events {
            self.feed(Event::Leaf(leaf, event));
        }
        busy
    }

    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> bool {
        let mut results = Vec::new();
        self.attempts.retain_mut(|PendingAttempt { leaf, number, attempt }| {
            match attempt.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    results.push((*leaf, LeafEvent::Attempt(*number, result)));
                    false
                }
                Poll::Pending => true,
            }
        });
        let busy = !results.is_empty();
        for (leaf, event) in results {
            self.feed(Event::Leaf(leaf, event));
        }
        busy
    }

    /// Returns where a process listens that does not listen at a required port, as a hint at a wrong
    /// configuration.
    fn listening(&self, cause: &FailureCause, progress: &[ConditionStatus]) -> Vec<SocketAddr> {
        let misses_port =
            progress.iter().any(|status| matches!(status.kind, ConditionKind::Port(_)) && !status.is_met());
        match (cause, self.pid) {
            (FailureCause::TimedOut(_), Some(pid)) if misses_port => self.host.listening(pid),
            _ => Vec::new(),
        }
    }

    /// Drops everything that could still call back.
    fn close(&mut self) {
        self.session.close();
        self.alarm.clear();
        self.attempts = Vec::new();
    }
}

impl Future for UntilReady {
    type Output = Result<Ready, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let poll = drive::poll_driver(&mut *self, ClockCheck::WhenQuiet, cx);
        if poll.is_ready() {
            self.close();
        }
        poll
    }
}

impl Driver for UntilReady {
    type End = Result<Ready, Failure>;
    type Machine = Gate;

    fn machine<T>(&mut self, act: impl FnOnce(&mut Gate) -> T) -> T {
        act(&mut self.gate)
    }

    fn clock(&mut self) -> (&mut Alarm, &dyn Host) {
        (&mut self.alarm, &*self.host)
    }

    fn execute(&mut self, output: Output) -> Step<Self::End> {
        match output {
            Output::Attempt { leaf, number } => {
                let pid = self.pid.expect("the gate makes attempts only after the start");
                let attempt = begin(self.gate.leaf(leaf), &self.host, pid);
                self.attempts.extend(attempt.map(|attempt| PendingAttempt { leaf, number, attempt }));
                Step::Continue
            }
            Output::CheckAlive => {
                let event = self.session.check_alive();
                self.feed(event);
                Step::Continue
            }
            Output::Ready => {
                let process = self.session.process().expect("the gate is ready only after the start");
                let now = self.host.now();
                let (progress, took) = (self.gate.statuses(now), self.gate.elapsed(now));
                let pid = self.pid.expect("the gate is ready only after the start");
                let lines = self.session.lines();
                Step::Done(Ok(Ready { progress, took, lines, pid, process }))
            }
            Output::Failed(cause) => {
                let now = self.host.now();
                let (progress, took) = (self.gate.statuses(now), self.gate.elapsed(now));
                let listening = self.listening(&cause, &progress);
                Step::Done(Err(Failure { cause, progress, took, listening }))
            }
        }
    }

    fn poll_sources(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll_session(cx) | self.poll_notifications(cx) | self.poll_attempts(cx)
    }
}

impl Drop for UntilReady {
    fn drop(&mut self) {
        self.session.close();
    }
}

impl fmt::Debug for UntilReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilReady").field("gate", &self.gate).field("pid", &self.pid).finish_non_exhaustive()
    }
}
