//! Random walks: random scripts in a world in which processes behave as expected, or do not, and end at any
//! time. An oracle that is independent of the executor computes the expected verdict.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::harness::plan;
use super::oracle::{Fact, Verdict, Why, verdict};
use crate::drive::{StateMachine, laws};
use crate::machine::{Exit, Signal, SpawnError, SpawnStep, Stream};
use crate::plan::builder::Plan;
use crate::plan::crash::point::{AfterCrash, Crash, CrashPoint};
use crate::plan::error::PlanErrorKind;
use crate::plan::executor::{Event, Executor, Output};
use crate::plan::process::Expected;
use crate::plan::process::ProcessRef;
use crate::plan::script::{Op, Script};
use crate::ready::Condition;

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A failure prints the shortest failing walk.
    #[test]
    fn pl_10_11_12_14_15_16_the_verdict_is_the_first_unexpected_event(
        steps in prop::collection::vec(any::<u16>(), 0..12),
        happens in prop::collection::vec(any::<u16>(), 0..60),
        well_behaved in any::<bool>(),
    ) {
        let plan = script(&steps);
        let mut walk = Walk::new(&plan, well_behaved, None);
        for what in happens {
            walk.happen(what);
        }
        let verdict = walk.come_to_rest();
        if well_behaved {
            assert_eq!(verdict == Verdict::Fine, ends_all(&plan), "{verdict:?} on {plan}");
        }
    }

    /// If all other processes behave as expected, the plan passes after a crash, unless it needs something of
    /// a process that stays dead.
    #[test]
    fn a_plan_passes_after_a_crash_at_any_point(
        steps in prop::collection::vec(any::<u16>(), 0..12),
        happens in prop::collection::vec(any::<u16>(), 0..60),
        index in 0..6_usize,
        at in 0..13_usize,
        stays_dead in any::<bool>(),
    ) {
        let plan = script(&steps);
        let index = index.checked_rem(plan.script.processes.len()).unwrap_or(0);
        let point = if at == 0 { CrashPoint::Line { stream: Stream::Stdout, line: 1 } } else { CrashPoint::Step(at) };
        let after = if stays_dead { AfterCrash::StaysDead } else { AfterCrash::Restart };
        let mut walk = Walk::new(&plan, true, Some(Crash { process: ProcessRef::new(plan.id, index), point, after }));
        for what in happens {
            walk.happen(what);
        }
        let verdict = walk.come_to_rest();
        let is_wanted = matches!(verdict, Verdict::Failed(_, Why::StepFailed, _)) && stays_dead;
        assert!(verdict == Verdict::Fine || is_wanted || !ends_all(&plan), "{verdict:?} on {plan}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pl_10_the_laws_of_state_machines_hold(
        steps in prop::collection::vec(any::<u16>(), 0..12),
        happens in prop::collection::vec(any::<u16>(), 0..60),
    ) {
        let plan = script(&steps);
        let mut walk = Walk::new(&plan, false, None);
        for what in happens {
            walk.happen(what);
            let old = (0..12).filter(|step| walk.current != Some(*step));
            let stale = old.map(|step| Event::Done { step, result: Ok(()) });
            laws::check(&walk.executor, walk.now, stale, Executor::show);
        }
    }
}

/// Builds a valid script of up to twelve steps and six processes.
fn script(steps: &[u16]) -> Plan {
    plan(|plan| {
        let mut alive: Vec<ProcessRef> = Vec::new();
        let mut closed = BTreeSet::new();
        let mut names = ["a", "b", "c", "d", "e", "f"].into_iter();
        for step in steps {
            let choice = usize::from(step >> 4);
            let at = choice % alive.len().max(1);
            let chosen = alive.get(at).copied();
            match (step % 13, chosen) {
                (0..=2, _) | (_, None) => {
                    alive.extend(names.next().map(|name| plan.spawn(name)).transpose()?)
                }
                (3, Some(_)) => {
                    if let (Some(one), Some(other)) = (names.next(), names.next()) {
                        alive.extend(plan.spawn_all([one, other])?);
                    }
                }
                (4 | 5, Some(process)) => {
                    plan.wait(process, expected(choice))?;
                    alive.remove(at);
                }
                (6, Some(_)) => {
                    let ends = alive.split_off(at);
                    plan.wait_all(ends.into_iter().map(|process| (process, expected(choice))))?;
                }
                (7 | 8, Some(process)) => {
                    plan.kill(process, expected(choice))?;
                    alive.remove(at);
                }
                (9, Some(process)) => {
                    plan.wait_for_output(process, "x")?;
                }
                (10, Some(process)) => {
                    plan.wait_until(process, Condition::port(80))?;
                }
                (11, Some(_)) => plan.call("x", || ()).within(Duration::from_secs(7))?,
                (_, Some(process)) if closed.contains(&process.index()) => {}
                (_, Some(process)) if choice.is_multiple_of(2) => {
                    plan.send_input(process, "x")?;
                }
                (_, Some(process)) => {
                    plan.close_input(process)?;
                    closed.insert(process.index());
                }
            }
        }
        Ok(())
    })
}

/// Returns whether the script expects all processes to end.
fn ends_all(plan: &Plan) -> bool {
    plan.script.processes.iter().all(|role| role.ended_by.is_some())
}

fn expected(choice: usize) -> Expected {
    [0.into(), Signal::TERM.into(), Exit::any()][choice % 3]
}

/// An executor, the world around it, and the history of facts.
struct Walk {
    script: Arc<Script>,
    plan: Plan,
    executor: Executor,
    now: Instant,
    /// Whether processes end only when and how it is expected.
    well_behaved: bool,
    processes: Vec<Process>,
    /// The step whose work is in progress.
    work: Option<usize>,
    killing_all: bool,
    /// The current step.
    current: Option<usize>,
    began: Instant,
    history: Vec<Fact>,
    /// The number of facts that the oracle has seen, and its verdict.
    judged: (usize, Option<Verdict>),
    failed: Option<Verdict>,
    over: Option<Verdict>,
}

#[derive(Clone, Copy, Default)]
struct Process {
    state: State,
    asked: bool,
    /// It was sent KILL at the crash point.
    crashing: bool,
    found: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum State {
    #[default]
    Absent,
    Ordered,
    Up,
    Exited,
    Gone,
}

impl Walk {
    fn new(plan: &Plan, well_behaved: bool, crash: Option<Crash>) -> Self {
        let script = Arc::new(plan.script.clone());
        #[expect(clippy::disallowed_methods, reason = "a walk needs an instant to begin at")]
        let now = Instant::now();
        let mut walk = Self {
            executor: Executor::new(script.clone(), crash),
            plan: plan.clone(),
            now,
            well_behaved,
            processes: vec![Process::default(); script.processes.len()],
            work: None,
            killing_all: false,
            current: None,
            began: now,
            history: Vec::new(),
            judged: (usize::MAX, None),
            failed: None,
            over: None,
            script,
        };
        walk.executor.begin(now);
        walk.settle();
        walk
    }

    fn happen(&mut self, what: u16) {
        let choice = usize::from(what >> 4);
        let Some(index) = choice.checked_rem(self.processes.len()) else { return };
        match what & 0x0f {
            0..=2 => self.start(index, choice / 8),
            3..=5 => self.exit(index, choice / 8),
            6 | 7 => self.vanish(index, choice / 8),
            8 => self.print(index),
            9 | 10 => self.answer(choice),
            11 => self.stale(choice),
            12 if self.executor.poll_timeout().is_none_or(|at| at > self.now) => {
                self.executor.handle_timeout(self.now)
            } // early
            13 => {
                if choice.is_multiple_of(3) && !self.well_behaved {
                    self.tick();
                }
            }
            14 => self.now += Duration::from_millis(choice as u64 % 2000),
            _ => self.mishap(index, choice),
        }
        self.settle();
    }

    fn start(&mut self, index: usize, choice: usize) {
        if self.processes[index].state != State::Ordered {
            return;
        }
        if choice.is_multiple_of(40) && !self.well_behaved {
            let error = SpawnError::new(SpawnStep::Exec, "x", io::Error::other("odd"));
            self.processes[index].state = State::Gone;
            self.bring(Event::NotStarted(self.process(index), error), Fact::NotStarted(index));
        } else {
            self.processes[index].state = State::Up;
            self.bring(Event::Started(self.process(index)), Fact::Started(index));
        }
    }

    fn exit(&mut self, index: usize, choice: usize) {
        if self.processes[index].state != State::Up {
            return;
        }
        let codes =
            [Exit::Code(0), Exit::Signal { signal: Signal::TERM, core: false }, Exit::Code(9), Exit::Lost];
        let mut exit = codes[choice % codes.len()];
        if self.well_behaved && !self.killing_all {
            // When and how it is expected.
            exit = match self.expected_now(index) {
                None if self.processes[index].crashing => exit,
                None => return,
                Some(Expected::Any) => exit,
                Some(Expected::Code(code)) => Exit::Code(code),
                Some(Expected::Signal(signal)) => Exit::Signal { signal, core: false },
            };
        }
        if self.processes[index].crashing {
            exit = Exit::Signal { signal: Signal::KILL, core: false };
        }
        // The stop signal does not end it.
        if self.processes[index].asked && choice.is_multiple_of(5) && !self.well_behaved {
            self.bring(Event::Killed(self.process(index)), Fact::Killed(index));
            exit = Exit::Signal { signal: Signal::KILL, core: false };
        }
        self.processes[index].state = State::Exited;
        self.bring(Event::Exited(self.process(index), exit), Fact::Exited(index, exit));
    }

    /// Returns how it is expected to end now; in a kill only after it was stopped.
    fn expected_now(&self, index: usize) -> Option<Expected> {
        let op = &self.script.steps[self.current?].op;
        let is_due = !matches!(op, Op::Kill { .. }) || self.processes[index].asked;
        op.expects(self.process(index)).filter(|_| is_due)
    }

    fn vanish(&mut self, index: usize, choice: usize) {
        if self.processes[index].state == State::Exited {
            if choice.is_multiple_of(3) {
                // KILL to its descendants.
                self.executor.handle_event(Event::Killed(self.process(index)), self.now);
            }
            self.processes[index].state = State::Gone;
            self.bring(Event::Gone(self.process(index)), Fact::Gone(index));
        }
    }

    fn print(&mut self, index: usize) {
        let Process { state: State::Up | State::Exited, found, .. } = &mut self.processes[index] else {
            return;
        };
        let process = ProcessRef::new(self.plan.id, index);
        if *found < self.script.processes[index].wanted.len() {
            *found += 1;
            let count = *found;
            self.bring(Event::Found { process, count }, Fact::Found(index, count));
        }
        self.executor.handle_event(Event::Printed { process, stream: Stream::Stdout, lines: 1 }, self.now);
    }

    fn answer(&mut self, choice: usize) {
        let Some(step) = self.work.take() else { return };
        let well = !choice.is_multiple_of(16) || self.well_behaved;
        let result = if well { Ok(()) } else { Err(PlanErrorKind::CallPanicked("oh".to_owned())) };
        self.bring(Event::Done { step, result }, Fact::Answered(step, well));
    }

    /// Answers for a step that is done, or that has not begun.
    fn stale(&mut self, choice: usize) {
        let step = choice % 12;
        if self.current != Some(step) {
            let result = if choice.is_multiple_of(2) {
                Ok(())
            } else {
                Err(PlanErrorKind::CallPanicked("oh".to_owned()))
            };
            self.executor.handle_event(Event::Done { step, result }, self.now);
        }
    }

    fn mishap(&mut self, index: usize, choice: usize) {
        if choice.is_multiple_of(64) && !self.well_behaved {
            let error = Arc::new(io::Error::other("disk full"));
            self.bring(Event::Broken(PlanErrorKind::System { what: "x".to_owned(), error }), Fact::Broken);
        } else if self.killing_all {
            self.exit(index, choice);
        }
    }

    /// Lets time pass to the next deadline.
    fn tick(&mut self) {
        if let Some(at) = self.executor.poll_timeout() {
            self.now = self.now.max(at);
            self.history.push(Fact::Ticked);
            self.executor.handle_timeout(self.now);
            assert_eq!(self.executor.poll_timeout(), None, "a handled timeout is due again");
        }
    }

    fn bring(&mut self, event: Event, fact: Fact) {
        self.history.push(fact);
        self.executor.handle_event(event, self.now);
    }

    fn process(&self, index: usize) -> ProcessRef {
        ProcessRef::new(self.plan.id, index)
    }

    /// Takes the outputs, and checks that they are allowed.
    fn settle(&mut self) {
        while let Some(output) = self.executor.poll_output() {
            assert!(self.over.is_none(), "output after the end: {output:?}");
            let failed = self.failed.is_some();
            match output {
                Output::Spawn(process) => {
                    let process = &mut self.processes[process.index()];
                    let before = if process.crashing { State::Gone } else { State::Absent };
                    assert_eq!((failed, process.state), (false, before));
                    *process = Process { state: State::Ordered, found: process.found, ..Process::default() };
                }
                Output::Kill(process) => {
                    let process = &mut self.processes[process.index()];
                    assert_eq!((failed, process.asked, process.state), (false, false, State::Up));
                    process.asked = true;
                }
                Output::Crash(process) => {
                    let process = &mut self.processes[process.index()];
                    assert_eq!((failed, process.crashing, process.state), (false, false, State::Up));
                    process.crashing = true;
                }
                // Work for a crashed process is repeated for its successor.
                Output::Begin(step)
                    if self.executor.crashed_process().is_some() && self.current != Some(step) =>
                {
                    assert!(!failed && self.current.is_none_or(|current| step < current));
                    self.executor.handle_event(Event::Done { step, result: Ok(()) }, self.now);
                }
                Output::Begin(step) => {
                    assert_eq!((failed, self.current), (false, Some(step)));
                    self.work = Some(step);
                }
                Output::Withhold(step) => {
                    assert_eq!((failed, self.current), (false, Some(step)));
                    self.history.push(Fact::Answered(step, true));
                }
                Output::StepBegan(step) => {
                    assert_eq!((failed, self.current), (false, None));
                    (self.current, self.began, self.work) = (Some(step), self.now, None);
                }
                Output::StepEnded(step) => {
                    assert_eq!((failed, self.current), (false, Some(step)));
                    self.current = None;
                }
                Output::Failed(failure) => {
                    assert!(!failed, "a second verdict");
                    assert_eq!(self.current.unwrap_or(self.script.steps.len()), failure.step);
                    self.failed = Some(Verdict::of(failure));
                }
                Output::KillAll => {
                    assert!(failed && !self.killing_all);
                    self.killing_all = true;
                }
                Output::Over(Ok(())) => {
                    assert!(!failed && self.is_empty(), "the run is over while processes are left");
                    self.over = Some(Verdict::Fine);
                }
                Output::Over(Err((failure, _))) => {
                    assert!(self.is_empty(), "the run is over while processes are left");
                    self.over = Some(Verdict::of(failure));
                    assert_eq!(self.over, self.failed);
                }
            }
        }
        // The verdict comes at once, and is that of the oracle.
        let known = self.over.clone().or_else(|| self.failed.clone());
        if self.judged.0 != self.history.len() {
            self.judged = (self.history.len(), verdict(&self.script, &self.history));
        }
        // The oracle does not know the consequences of a crash.
        if self.executor.crashed_process().is_none() {
            assert_eq!(known, self.judged.1, "{}\n{:?}", self.plan, self.history);
        }
        let open = self.current.filter(|_| known.is_none());
        assert_eq!(self.executor.poll_timeout(), open.map(|step| self.began + self.script.timeout(step)));
    }

    fn is_empty(&self) -> bool {
        self.processes.iter().all(|process| matches!(process.state, State::Absent | State::Gone))
    }

    /// Lets the run come to its end.
    fn come_to_rest(&mut self) -> Verdict {
        for round in 0.. {
            if let Some(verdict) = self.over.take() {
                return verdict;
            }
            assert!(round < 100, "no end\n{}\n{:?}", self.plan, self.history);
            for index in 0..self.processes.len() {
                self.start(index, 1);
                self.settle();
                self.print(index);
                self.settle();
                if self.well_behaved || self.killing_all {
                    self.exit(index, 1);
                    self.settle();
                }
                self.vanish(index, 1);
                self.settle();
            }
            self.answer(1);
            self.settle();
            if self.killing_all && self.is_empty() {
                self.executor.handle_event(Event::Cleared(None), self.now);
            } else if !self.well_behaved && round > 20 {
                self.tick();
            }
            self.settle();
        }
        unreachable!("a hundred rounds are enough")
    }
}
