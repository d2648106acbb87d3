//! The laws of the driver loop.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::{Alarm, ClockCheck, Driver, StateMachine, Step, poll_driver};
use crate::host::Host;
use crate::testkit::Sim;

/// A machine with one deadline, which counts the events before it. Each event has one output.
struct Counter {
    deadline: Option<Instant>,
    events: u32,
    outputs: u32,
    /// The number of events at the deadline.
    at_deadline: Option<u32>,
}

impl StateMachine for Counter {
    type Event = ();
    type Output = ();

    fn handle_event(&mut self, (): (), _: Instant) {
        self.events += 1;
        self.outputs += 1;
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.take_if(|at| *at <= now).is_some() {
            self.at_deadline = Some(self.events);
        }
    }

    fn poll_output(&mut self) -> Option<()> {
        self.outputs = self.outputs.checked_sub(1)?;
        Some(())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }
}

struct CounterDriver {
    counter: Counter,
    alarm: Alarm,
    sim: Sim,
    /// The events that are ready.
    ready: u32,
    /// Whether an output is followed by another event, as the answer to a request is.
    answers: u32,
}

impl CounterDriver {
    fn new(sim: &Sim, deadline: Duration, ready: u32) -> Self {
        let deadline = Some(sim.now() + deadline);
        let counter = Counter { deadline, events: 0, outputs: 0, at_deadline: None };
        Self { counter, alarm: Alarm::default(), sim: sim.clone(), ready, answers: 0 }
    }

    fn poll(&mut self, check: ClockCheck) -> Poll<()> {
        poll_driver(self, check, &mut Context::from_waker(Waker::noop()))
    }
}

impl Driver for CounterDriver {
    type End = ();
    type Machine = Counter;

    fn machine<T>(&mut self, act: impl FnOnce(&mut Counter) -> T) -> T {
        act(&mut self.counter)
    }

    fn clock(&mut self) -> (&mut Alarm, &dyn Host) {
        (&mut self.alarm, &self.sim)
    }

    fn execute(&mut self, (): ()) -> Step<()> {
        if let Some(answers) = self.answers.checked_sub(1) {
            self.answers = answers;
            self.ready += 1;
        }
        Step::Continue
    }

    fn poll_sources(&mut self, _: &mut Context<'_>) -> bool {
        let Some(ready) = self.ready.checked_sub(1) else { return false };
        self.ready = ready;
        self.counter.handle_event((), self.sim.now());
        true
    }
}

#[test]
fn f_89_an_endless_stream_of_events_delays_no_deadline() {
    for check in [ClockCheck::EveryRound, ClockCheck::WhenQuiet] {
        let sim = Sim::new();
        let mut driver = CounterDriver::new(&sim, Duration::ZERO, u32::MAX);
        assert!(driver.poll(check).is_pending(), "it yields to other tasks");
        assert!(driver.counter.at_deadline.is_some(), "{check:?}");
    }
}

#[test]
fn what_follows_from_an_event_at_the_deadline_counts_in_a_quiet_round_only() {
    for (check, expected) in [(ClockCheck::EveryRound, 1), (ClockCheck::WhenQuiet, 6)] {
        let sim = Sim::new();
        let mut driver = CounterDriver::new(&sim, Duration::ZERO, 1);
        driver.answers = 5;
        assert!(driver.poll(check).is_pending());
        assert_eq!((driver.counter.events, driver.counter.at_deadline), (6, Some(expected)), "{check:?}");
    }
}

#[test]
fn a_driver_sleeps_until_its_deadline() {
    let sim = Sim::new();
    let mut driver = CounterDriver::new(&sim, Duration::from_secs(3), 2);
    let deadline = driver.counter.deadline;
    sim.block_on(async {
        std::future::poll_fn(|cx| {
            let _ = poll_driver(&mut driver, ClockCheck::WhenQuiet, cx);
            if driver.counter.at_deadline.is_some() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    });
    assert_eq!((Some(sim.now()), driver.counter.at_deadline), (deadline, Some(2)));
}
