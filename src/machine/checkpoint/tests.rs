use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::backoff::{Growth, Jitter};
use crate::machine::json::Tape;
use crate::machine::key::Key;
use crate::machine::{
    Containment, Definition, Dependency, Event, Exit, GiveUp, Input, LongRun, OnEnd, OnGiveUp, Output,
    Policy, Restart, RestartGroup, RunId, Signal, SpawnError, SpawnStep, StopCommandError, Strategy,
    SurvivalReason, SurvivingProcess, Until,
};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Random inputs for two machines, one of which is replaced by its checkpoint in between.
struct Walk {
    machine: Machine<u64>,
    begin: Instant,
    now: Instant,
    /// Whether the start was answered, by run.
    runs: HashMap<RunId, bool>,
    specs: u64,
}

impl Walk {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs an instant to begin at")]
        let begin = Instant::now();
        Self { machine: Machine::with_seed(7), begin, now: begin, runs: HashMap::new(), specs: 0 }
    }

    fn name(choice: usize) -> Name {
        NAMES[choice % NAMES.len()].parse().expect("a name")
    }

    fn definition(&mut self, choice: usize) -> Box<Definition<u64>> {
        self.specs += 1;
        let nth = |n: usize| choice.is_multiple_of(n);
        let give_up = nth(3).then_some(GiveUp {
            failures: 2,
            within: nth(2).then_some(Duration::from_secs(4)),
            then: if nth(9) { OnGiveUp::StopAll } else { OnGiveUp::StayDown },
        });
        let policy = Policy {
            kill_time: Duration::from_secs((choice % 3) as u64),
            restart: if nth(5) { Restart::OnFailure } else { Restart::Always },
            growth: if nth(4) { Growth::Factor(1.3) } else { Growth::Doubling },
            jitter: if nth(2) { Jitter::TENTH } else { Jitter::NONE },
            long_run: if nth(7) { LongRun::FirstDelay } else { LongRun::AtOnce },
            give_up,
            ..Policy::default()
        };
        let until = [Until::Started, Until::Ready, Until::Completed][choice % 3];
        let on_end = if nth(2) { OnEnd::Restart } else { OnEnd::Stay };
        let on = |offset: usize| Dependency { on_end, ..Dependency::new(Self::name(choice + offset), until) };
        let group = RestartGroup { name: "g".parse().expect("a name"), strategy: Strategy::RestForOne };
        Box::new(Definition {
            policy,
            stop_command: nth(6),
            stop_signal: Signal::INT,
            after: [nth(2).then(|| on(1)), nth(8).then(|| on(2))].into_iter().flatten().collect(),
            ready: nth(5).then_some(Duration::from_secs(2)),
            restart_group: nth(3).then_some(group),
            ..Definition::new(self.specs)
        })
    }

    /// Returns an input that may be refused, and moves the time.
    fn input(&mut self, step: u16) -> Option<Input<u64>> {
        let choice = usize::from(step >> 4);
        let name = Self::name(choice);
        Some(match step % 16 {
            0 | 1 => Input::Add { name, definition: self.definition(choice / 4) },
            2 if choice.is_multiple_of(2) => Input::Remove { name },
            2 => Input::Replace {
                name,
                definition: self.definition(choice / 4),
                restart: choice.is_multiple_of(3),
            },
            3 if choice.is_multiple_of(3) => Input::Signal { name, signal: Signal::HUP },
            3 => Input::Stop { name },
            4 => Input::Start { name },
            5 if choice.is_multiple_of(2) => Input::Hold { name },
            5 => Input::Release { name },
            6 => Input::SetPolicy { name, policy: self.definition(choice / 4).policy },
            7 => Input::StartService,
            8 => match choice % 5 {
                0 => Input::KillService,
                1 | 2 => Input::StopService,
                _ => Input::RestartAll,
            },
            9..13 => self.answer(choice)?,
            13 => {
                let run = self.pick(choice / 8)?;
                let reason: Arc<str> = "no".into();
                Input::Event(match choice % 8 {
                    0 | 1 => Event::Ready { run },
                    2 => Event::NotReady { run, reason },
                    3 => Event::Unhealthy { run, reason },
                    4 => Event::Family { run, remaining: Vec::new() },
                    5 => {
                        let process = SurvivingProcess::new(8, "x", SurvivalReason::KernelWait);
                        Event::Survivors { run, processes: vec![process] }
                    }
                    6 => {
                        Event::StopCommandEnded { run, result: Err(StopCommandError::Failed(Exit::Code(1))) }
                    }
                    _ => Event::Closed { run },
                })
            }
            _ => {
                self.now += Duration::from_nanos(choice as u64 % 4096 * 1_000_003);
                Input::Timeout
            }
        })
    }

    fn pick(&self, choice: usize) -> Option<RunId> {
        let mut runs: Vec<RunId> = self.runs.keys().copied().collect();
        runs.sort_unstable();
        (!runs.is_empty()).then(|| runs[choice % runs.len()])
    }

    fn answer(&mut self, choice: usize) -> Option<Input<u64>> {
        let run = self.pick(choice)?;
        let is_answered = self.runs.insert(run, true) == Some(true);
        let remaining = if choice.is_multiple_of(4) { vec![8, 9] } else { Vec::new() };
        Some(Input::Event(match (is_answered, choice % 7) {
            (false, 0) => {
                let error = SpawnError::new(SpawnStep::Exec, "x", std::io::Error::from_raw_os_error(2));
                Event::SpawnFailed { run, error }
            }
            // Before the answer to its start.
            (false, 1) => Event::Exited { run, exit: Exit::Code(1), remaining },
            (false, _) => Event::Started { run, pid: 7, containment: Containment::Cgroup },
            (true, 0 | 1) => Event::Closed { run },
            (true, _) => Event::Exited { run, exit: Exit::Code((choice % 2) as i32), remaining },
        }))
    }

    /// Feeds an input, and returns what follows from it.
    fn feed(machine: &mut Machine<u64>, input: Input<u64>, now: Instant) -> Vec<Output<u64>> {
        let _ = machine.handle_input(input, now);
        std::iter::from_fn(|| machine.poll_output()).collect()
    }

    fn note(&mut self, outputs: &[Output<u64>]) {
        for output in outputs {
            match output {
                Output::Spawn { run, .. } => drop(self.runs.insert(*run, false)),
                Output::Reap { run } => drop(self.runs.remove(run)),
                _ => {}
            }
        }
    }

    fn restored(&self) -> (Machine<u64>, String) {
        let mut out = Text::new(self.begin);
        self.machine.write_checkpoint(|_, spec| *spec, &mut out);
        let mut tape = Tape::default();
        let value = tape.fill(&out.text).expect("it is JSON");
        let machine = Machine::read_checkpoint(value, self.begin);
        let machine = machine.unwrap_or_else(|problem| panic!("{problem:?}: {}", out.text));
        (machine, out.text)
    }

    fn key(machine: &Machine<u64>, now: Instant) -> u64 {
        let mut key = Key::new(now);
        machine.add_to(&mut key, &NAMES.map(|name| name.parse().expect("a name")));
        key.finish()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_machine_goes_on_like_the_one_that_was_saved(
        before in prop::collection::vec(any::<u16>(), 0..96),
        after in prop::collection::vec(any::<u16>(), 1..48),
    ) {
        let mut walk = Walk::new();
        for step in before {
            if let Some(input) = walk.input(step) {
                let outputs = Walk::feed(&mut walk.machine, input, walk.now);
                walk.note(&outputs);
            }
        }
        let (mut restored, text) = walk.restored();
        prop_assert_eq!(Walk::key(&restored, walk.now), Walk::key(&walk.machine, walk.now), "{}", text);
        for step in after {
            let Some(input) = walk.input(step) else { continue };
            let theirs = Walk::feed(&mut restored, input.clone(), walk.now);
            let ours = Walk::feed(&mut walk.machine, input, walk.now);
            prop_assert_eq!(format!("{theirs:?}"), format!("{ours:?}"), "{}", text);
            walk.note(&ours);
            prop_assert_eq!(restored.poll_timeout(), walk.machine.poll_timeout());
            prop_assert_eq!(Walk::key(&restored, walk.now), Walk::key(&walk.machine, walk.now), "{}", text);
        }
    }

    /// A machine relies on the references between its tables, so a checkpoint with wrong ones is refused:
    /// what is accepted can be used.
    #[test]
    fn a_damaged_checkpoint_is_refused_or_can_be_used(
        steps in prop::collection::vec(any::<u16>(), 0..96),
        after in prop::collection::vec(any::<u16>(), 1..48),
        place in any::<prop::sample::Index>(),
        digit in 0_u8..10,
    ) {
        let mut walk = Walk::new();
        for step in steps {
            if let Some(input) = walk.input(step) {
                let outputs = Walk::feed(&mut walk.machine, input, walk.now);
                walk.note(&outputs);
            }
        }
        let (_, text) = walk.restored();
        let mut bytes = text.into_bytes();
        let digits: Vec<usize> = (0..bytes.len()).filter(|index| bytes[*index].is_ascii_digit()).collect();
        bytes[digits[place.index(digits.len())]] = b'0' + digit;
        let text = String::from_utf8(bytes).expect("only digits were changed");
        let mut tape = Tape::default();
        let Ok(value) = tape.fill(&text) else { return Ok(()) };
        let Ok(mut machine) = Machine::<u64>::read_checkpoint(value, walk.begin) else { return Ok(()) };
        for step in after {
            if let Some(input) = walk.input(step) {
                let outputs = Walk::feed(&mut machine, input, walk.now);
                walk.note(&outputs);
                machine.statuses().into_iter().for_each(|status| drop(machine.why(&status.name, walk.now)));
            }
        }
    }
}
