//! The laws of [`StateMachine`], checked in the random states of all four machines; and those of the driver loop.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::StateMachine;
use crate::machine::{
    Containment, Definition, Event, Exit, Machine, Output, Policy, RunId, SpawnError, SpawnStep,
};

/// Checks what must hold for `machine` in any state, at `now`. `stale` are events whose ids are no longer current;
/// `show` displays the whole state, including the outputs that have not been polled.
pub(crate) fn check<M: StateMachine + Clone>(
    machine: &M,
    now: Instant,
    stale: impl IntoIterator<Item = M::Event>,
    show: impl Fn(&M) -> String,
) {
    let before = show(machine);
    let deadline = machine.poll_timeout();
    if deadline.is_none_or(|at| at > now) {
        let mut early = machine.clone();
        early.handle_timeout(now);
        early.handle_timeout(now);
        assert_eq!(show(&early), before, "an early timeout has changed something");
    }
    if let Some(at) = deadline {
        for lateness in [Duration::ZERO, Duration::from_millis(1), Duration::from_secs(100_000)] {
            let then = at.max(now) + lateness;
            let mut due = machine.clone();
            due.handle_timeout(then);
            let next = due.poll_timeout();
            assert!(
                next.is_none_or(|next| next > then),
                "a deadline that was handled is due again: {before}"
            );
            let once = show(&due);
            due.handle_timeout(then);
            assert_eq!(show(&due), once, "a repeated timeout has changed something");
        }
    }
    for event in stale {
        let mut machine = machine.clone();
        machine.handle_event(event, now);
        assert_eq!(show(&machine), before, "an event with an old id has changed something");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn i_3_the_laws_hold_for_the_processes_of_a_monitor(steps in prop::collection::vec(any::<u16>(), 0..64)) {
        let mut walk = Walk::new();
        for step in steps {
            walk.step(step);
            walk.check();
        }
    }
}

const NAMES: [&str; 2] = ["a", "b"];

/// A machine, the runs that it has started, and those that are over.
struct Walk {
    machine: Machine<()>,
    now: Instant,
    /// Whether the start was answered, by run.
    runs: HashMap<RunId, bool>,
    over: Vec<RunId>,
}

impl Walk {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an instant to begin at")]
        let now = Instant::now();
        Self { machine: Machine::new(), now, runs: HashMap::new(), over: Vec::new() }
    }

    fn step(&mut self, step: u16) {
        let (choice, now) = (usize::from(step >> 4), self.now);
        let name = NAMES[choice % NAMES.len()];
        let machine = &mut self.machine;
        match step % 16 {
            0 | 1 => {
                let kill_time = Duration::from_secs((choice % 3) as u64);
                let policy = Policy { kill_time, ..Policy::default() };
                let definition = Definition { policy, ..Definition::new(()) };
                drop(machine.add_process(name.parse().expect("a name"), definition, now));
            }
            2 => drop(machine.remove_process(name, now)),
            3 => drop(machine.stop_process(name, now)),
            4 => drop(machine.start_process(name, now)),
            5 => drop(machine.hold_process(name, now)),
            6 => drop(machine.release_process(name, now)),
            7 => machine.start_service(now),
            8 if choice.is_multiple_of(4) => machine.kill_service(now),
            8 => machine.stop_service(now),
            9 | 10 => self.answer(choice),
            11 | 12 => {
                self.feed(choice, |run, remaining| Event::Exited { run, exit: Exit::Code(1), remaining })
            }
            13 => self.feed(choice, |run, remaining| Event::Family { run, remaining }),
            14 => self.feed(choice, |run, _| Event::Closed { run }),
            _ => {
                self.now += Duration::from_millis(choice as u64 % 4096);
                self.machine.handle_timeout(self.now);
            }
        }
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Spawn { run, .. } => drop(self.runs.insert(run, false)),
                Output::Reap { run } => {
                    self.runs.remove(&run);
                    self.over.push(run);
                }
                Output::Signal { .. } | Output::ListFamily { .. } | Output::Notice(_) => {}
            }
        }
    }

    fn pick(&self, choice: usize) -> Option<RunId> {
        let mut runs: Vec<RunId> = self.runs.keys().copied().collect();
        runs.sort_unstable();
        (!runs.is_empty()).then(|| runs[choice % runs.len()])
    }

    fn answer(&mut self, choice: usize) {
        let Some(run) = self.pick(choice).filter(|run| !self.runs[run]) else { return };
        self.runs.insert(run, true);
        let event = if choice.is_multiple_of(5) {
            self.runs.remove(&run);
            self.over.push(run);
            let error = SpawnError::new(SpawnStep::Exec, "x", std::io::ErrorKind::NotFound.into());
            Event::SpawnFailed { run, error }
        } else {
            Event::Started { run, pid: 7, containment: Containment::Group }
        };
        self.machine.handle_event(event, self.now);
    }

    fn feed(&mut self, choice: usize, event: impl Fn(RunId, Vec<u32>) -> Event) {
        let Some(run) = self.pick(choice / 4) else { return };
        let remaining = if choice.is_multiple_of(4) { vec![8] } else { Vec::new() };
        self.machine.handle_event(event(run, remaining), self.now);
    }

    fn check(&self) {
        let stale = self.over.last().copied().into_iter().flat_map(|run| {
            [
                Event::Started { run, pid: 9, containment: Containment::Group },
                Event::Exited { run, exit: Exit::Code(9), remaining: vec![9] },
                Event::Family { run, remaining: vec![9] },
                Event::Closed { run },
            ]
        });
        check(&self.machine, self.now, stale, |machine| format!("{machine:?}"));
    }
}

/// The laws of the loop.
mod the_loop {
    use std::task::{Context, Poll, Waker};

    use super::super::{Alarm, ClockCheck, Driver, Step, poll_driver};
    use super::*;
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
}
