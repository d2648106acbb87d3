//! The future that waits: it carries out what the gate wants, and brings it the news.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::attempt::{Attempt, begin};
use super::gate::{Event, Gate, Output};
use super::notify::Bell;
use super::progress::ConditionStatus;
use super::session::Session;
use super::tally::Word;
use super::verdict::{Failure, Ready};
use crate::drive::{self, Alarm, ClockCheck, Driver, StateMachine, Step};
use crate::host::Host;

/// Ends when the start is ready, or will not be. Dropping it ends the wait: no timer, no probe, no descriptor is left,
/// and the process is left alone (SV-21).
#[must_use = "nobody asks whether it is ready before this is polled"]
pub(crate) struct UntilReady {
    host: Arc<dyn Host>,
    session: Arc<Session>,
    gate: Gate,
    /// The process, as soon as there is one.
    pid: Option<u32>,
    attempts: Vec<Pending>,
    bells: Vec<Hung>,
    alarm: Alarm,
}

/// An attempt on its way.
struct Pending {
    leaf: usize,
    number: u32,
    attempt: Attempt,
}

/// A bell, and the leaves that wait for it.
pub(super) struct Hung {
    pub(super) leaves: Vec<usize>,
    pub(super) bell: Bell,
}

impl UntilReady {
    pub(super) fn new(host: Arc<dyn Host>, session: Arc<Session>, gate: Gate, bells: Vec<Hung>) -> Self {
        Self { host, session, gate, pid: None, attempts: Vec::new(), bells, alarm: Alarm::default() }
    }

    /// How far each part has come by now, for somebody whose patience ends before the time-out. News counts when this was
    /// polled after it.
    pub(crate) fn progress(&self) -> Vec<ConditionStatus> {
        self.gate.report(self.host.now())
    }
}

impl Future for UntilReady {
    type Output = Result<Ready, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let poll = drive::poll_driver(&mut *self, ClockCheck::WhenQuiet, cx);
        if poll.is_ready() {
            self.let_go();
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
            Output::Ask { leaf, attempt: number } => {
                let pid = self.pid.expect("a gate asks only after the start");
                let attempt = begin(self.gate.leaf(leaf), &self.host, pid);
                self.attempts.extend(attempt.map(|attempt| Pending { leaf, number, attempt }));
                Step::Continue
            }
            Output::Look => {
                let seen = self.session.look();
                self.bring(seen);
                Step::Continue
            }
            Output::Ready => {
                let now = self.host.now();
                let (progress, took) = (self.gate.report(now), self.gate.took(now));
                Step::Done(Ok(Ready { progress, took, session: self.session.clone() }))
            }
            Output::Failed(cause) => {
                let now = self.host.now();
                let (progress, took) = (self.gate.report(now), self.gate.took(now));
                Step::Done(Err(Failure { cause, progress, took }))
            }
        }
    }

    fn poll_sources(&mut self, cx: &mut Context<'_>) -> bool {
        self.hear_session(cx) | self.hear_bells(cx) | self.hear_answers(cx)
    }
}

impl UntilReady {
    fn hear_session(&mut self, cx: &Context<'_>) -> bool {
        let mut busy = false;
        while let Some((event, at)) = self.session.poll_news(cx.waker()) {
            if let Event::Started(pid) = event {
                self.pid = Some(pid);
            }
            self.gate.handle_event(event, at);
            busy = true;
        }
        busy
    }

    fn hear_bells(&mut self, cx: &mut Context<'_>) -> bool {
        // A quick process can ring before its start is told.
        if self.pid.is_none() {
            return false;
        }
        let mut heard = Vec::new();
        self.bells.retain(|Hung { leaves, bell }| {
            let mut words = Vec::new();
            let over = bell.poll(cx, &mut words).is_ready();
            heard.extend(words.into_iter().map(|word| (leaves.clone(), word)));
            !over
        });
        let busy = !heard.is_empty();
        for (leaves, word) in heard {
            leaves.into_iter().for_each(|leaf| self.bring(Event::Leaf(leaf, word.clone())));
        }
        busy
    }

    fn hear_answers(&mut self, cx: &mut Context<'_>) -> bool {
        let mut answers = Vec::new();
        self.attempts.retain_mut(|Pending { leaf, number, attempt }| match attempt.as_mut().poll(cx) {
            Poll::Ready(answer) => {
                answers.push((*leaf, Word::Answer(*number, answer)));
                false
            }
            Poll::Pending => true,
        });
        let busy = !answers.is_empty();
        for (leaf, word) in answers {
            self.bring(Event::Leaf(leaf, word));
        }
        busy
    }

    fn bring(&mut self, event: Event) {
        self.gate.handle_event(event, self.host.now());
    }

    /// Keeps nothing that could call.
    fn let_go(&mut self) {
        self.session.close();
        self.alarm.clear();
        drop(mem::take(&mut self.attempts));
        drop(mem::take(&mut self.bells));
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
