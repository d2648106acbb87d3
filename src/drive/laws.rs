//! The laws of [`StateMachine`], checked in the random states of all five machines.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::StateMachine;
use crate::machine::{
    Containment, Definition, Dependency, Event, Exit, GiveUp, Machine, OnEnd, OnGiveUp, Output, Policy,
    RestartGroup, RunId, SpawnError, SpawnStep, StopCommandError, Strategy, SurvivalReason, SurvivingProcess,
    Until,
};

/// Checks what must hold for `machine` in any state, at `now`. `stale` are events whose ids are no longer
/// current; `show` displays the whole state, including the outputs that have not been polled.
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

fn survivor(pid: u32) -> SurvivingProcess {
    SurvivingProcess::new(pid, "", SurvivalReason::OutOfReach)
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
                let stop_command = choice.is_multiple_of(2);
                let give_up = choice.is_multiple_of(7).then_some(GiveUp {
                    failures: 2,
                    within: Some(Duration::from_secs(4)),
                    then: if choice.is_multiple_of(2) { OnGiveUp::StayDown } else { OnGiveUp::StopAll },
                });
                let policy = Policy { give_up, ..policy };
                let other = NAMES[(choice + 1) % NAMES.len()].parse().expect("a name");
                let on_end = if choice.is_multiple_of(3) { OnEnd::Restart } else { OnEnd::Stay };
                let dependency = Dependency { on_end, ..Dependency::new(other, Until::Ready) };
                let group =
                    RestartGroup { name: "g".parse().expect("a name"), strategy: Strategy::OneForAll };
                let definition = Definition {
                    policy,
                    stop_command,
                    after: choice.is_multiple_of(4).then_some(dependency).into_iter().collect(),
                    ready: choice.is_multiple_of(5).then_some(Duration::from_secs(2)),
                    restart_group: choice.is_multiple_of(6).then_some(group),
                    ..Definition::new(())
                };
                drop(machine.add_process(name.parse().expect("a name"), definition, now));
            }
            2 => drop(machine.remove_process(name, now)),
            3 => drop(machine.stop_process(name, now)),
            4 => drop(machine.start_process(name, now)),
            5 => drop(machine.hold_process(name, now)),
            6 => drop(machine.release_process(name, now)),
            7 => drop(machine.start_service(now)),
            8 if choice.is_multiple_of(4) => machine.kill_service(now),
            8 => machine.stop_service(now),
            9 | 10 => self.answer(choice),
            11 | 12 => {
                self.feed(choice, |run, remaining| Event::Exited { run, exit: Exit::Code(1), remaining })
            }
            13 => self.feed(choice, |run, remaining| Event::Family { run, remaining }),
            14 => self.feed(choice, |run, remaining| match choice % 6 {
                0 => Event::Closed { run },
                3 => Event::Ready { run },
                4 => Event::NotReady { run, reason: "no".into() },
                5 => Event::Unhealthy { run, reason: "no".into() },
                1 => Event::Survivors { run, processes: remaining.into_iter().map(survivor).collect() },
                _ => Event::StopCommandEnded { run, result: Ok(()) },
            }),
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
                _ => {}
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
                Event::Ready { run },
                Event::NotReady { run, reason: "no".into() },
                Event::Unhealthy { run, reason: "no".into() },
                Event::StopCommandEnded { run, result: Err(StopCommandError::Failed(Exit::Code(1))) },
                Event::Survivors { run, processes: vec![survivor(9)] },
            ]
        });
        check(&self.machine, self.now, stale, |machine| format!("{machine:?}"));
    }
}
