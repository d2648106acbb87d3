//! The way in which pure state machines are driven: one contract, and one loop that carries it out.
//!
//! Every decision of the crate is made by one of five state machines (processes, readiness, health, plans,
//! client connections). They have no clock, lock, channel, thread or future. A *driver* is a future that owns
//! the real objects: it executes what its machine puts out, feeds it the events of its sources, and calls it
//! when a deadline has passed.
//!
//! A service with handles ([`ProcessMonitor`](crate::ProcessMonitor), `ClientService`) shares its machine
//! between the handles and the driver, behind the lock in [`Shared`].

#[cfg(test)]
pub(crate) mod laws;
mod liveness;
mod shared;
mod stop_error;
#[cfg(test)]
mod tests;
mod ticket;

use std::fmt;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::host::{Host, SleepFuture};
use crate::machine::{Event, Machine, Output};

pub use liveness::NotDriven;
pub(crate) use liveness::Watch;
pub(crate) use shared::{Close, Core, Guard, Life, Shared, WaitForDriver};
pub use stop_error::{StopError, StopErrorKind, Survivor};
pub use ticket::Ticket;
pub(crate) use ticket::{Promise, Resolution, Resolutions};

/// The number of rounds that one `poll` of a driver may take before it yields to the other tasks of its
/// executor.
const ROUNDS: usize = 64;

/// A pure state machine: all decisions, no I/O.
///
/// 1. A command (a method of the machine) or an event goes in, with the current time.
/// 2. [`poll_output`](Self::poll_output) is called until it returns `None`, and each output is executed in
///    order.
/// 3. [`poll_timeout`](Self::poll_timeout) says when to call [`handle_timeout`](Self::handle_timeout). Early,
///    late and repeated calls change nothing that is not due, and afterwards no deadline lies in the past.
/// 4. Every event carries the id of its run or attempt, and an event with an old id changes nothing. An event
///    that arrives before the one it follows from is kept.
pub(crate) trait StateMachine {
    /// The events that the machine handles.
    type Event;
    /// The outputs for the driver to execute.
    type Output;

    /// Takes in an event that happened at `now`.
    fn handle_event(&mut self, event: Self::Event, now: Instant);

    /// Does what is due at `now`.
    fn handle_timeout(&mut self, now: Instant);

    /// Returns the next thing to do.
    fn poll_output(&mut self) -> Option<Self::Output>;

    /// Returns the next deadline; `None` if there is none.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// The public machine has the contract's methods as inherent methods, so that users need no trait.
impl<S: Clone> StateMachine for Machine<S> {
    type Event = Event;
    type Output = Output<S>;

    fn handle_event(&mut self, event: Event, now: Instant) {
        self.handle_event(event, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<Output<S>> {
        self.poll_output()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }
}

/// The real objects behind a state machine.
pub(crate) trait Driver {
    /// The machine that decides.
    type Machine: StateMachine;
    /// The result of the driver.
    type End;

    /// Gives access to the machine, locking it if it is shared.
    fn machine<T>(&mut self, act: impl FnOnce(&mut Self::Machine) -> T) -> T;

    /// Returns the timer of the next deadline, and the host whose clock it uses.
    fn clock(&mut self) -> (&mut Alarm, &dyn Host);

    /// Executes one output of the machine.
    fn execute(&mut self, output: <Self::Machine as StateMachine>::Output) -> Step<Self::End>;

    /// Feeds the machine the events of all sources that are ready. Returns whether there were any.
    fn poll_sources(&mut self, cx: &mut Context<'_>) -> bool;

    /// Called when there is nothing to do: decides whether the driver has come to its end.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Self::End> {
        let _ = cx;
        Poll::Pending
    }
}

/// The continuation after an output.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// The next output.
    Continue,
    /// The sources and the clock; the remaining outputs are executed in the next round.
    Pause,
    /// The end of the driver.
    Done(T),
}

/// When the clock is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockCheck {
    /// In every round. For machines with many independent objects: the deadline of one must not wait until
    /// all the others have nothing to do.
    EveryRound,
    /// In a round without outputs and events, or once in [`ROUNDS`] rounds. For machines with one verdict: an
    /// event at the very deadline counts, and so does everything that follows from it at the same instant,
    /// which may take several rounds.
    WhenQuiet,
}

/// Drives a machine: outputs, then sources, then the clock, until there is nothing more to do.
///
/// Events come before time: what happens at the very deadline has happened in time. The number of rounds is
/// bounded, and the clock is read at least once per call, so that an endless stream of events delays neither
/// a deadline nor other tasks.
pub(crate) fn poll_driver<D: Driver>(
    driver: &mut D,
    check: ClockCheck,
    cx: &mut Context<'_>,
) -> Poll<D::End> {
    for round in 1..=ROUNDS {
        let mut busy = false;
        while let Some(output) = driver.machine(D::Machine::poll_output) {
            busy = true;
            match driver.execute(output) {
                Step::Continue => {}
                Step::Pause => break,
                Step::Done(end) => return Poll::Ready(end),
            }
        }
        busy |= driver.poll_sources(cx);
        if !busy || check == ClockCheck::EveryRound || round == ROUNDS {
            busy |= poll_clock(driver, cx);
        }
        if !busy {
            return driver.poll_idle(cx);
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Handles a deadline that has passed, or sleeps until the next one. Returns whether there may be something
/// to do.
fn poll_clock<D: Driver>(driver: &mut D, cx: &mut Context<'_>) -> bool {
    let deadline = driver.machine(|machine| machine.poll_timeout());
    let (alarm, host) = driver.clock();
    let Some(at) = deadline else {
        alarm.clear();
        return false;
    };
    let now = host.now();
    if at <= now {
        driver.machine(|machine| machine.handle_timeout(now));
        return true;
    }
    alarm.poll(at, host, cx).is_ready()
}

/// The one timer of a driver: a sleep until the next deadline, replaced only when the deadline changes.
#[derive(Default)]
pub(crate) struct Alarm(Option<(Instant, SleepFuture)>);

impl Alarm {
    /// Ready when `at` has passed.
    pub(crate) fn poll(&mut self, at: Instant, host: &dyn Host, cx: &mut Context<'_>) -> Poll<()> {
        let (_, sleep) = match &mut self.0 {
            Some(set) if set.0 == at => set,
            other => other.insert((at, host.sleep_until(at))),
        };
        let poll = sleep.as_mut().poll(cx);
        if poll.is_ready() {
            self.clear();
        }
        poll
    }

    /// Returns the deadline until which it sleeps.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().map(|(at, _)| *at)
    }

    /// Removes the timer: there is no deadline.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm").field(&self.deadline()).finish()
    }
}
