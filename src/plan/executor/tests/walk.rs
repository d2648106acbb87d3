//! Random walks: random scripts in a world that does as it is told, or not, and dies when it likes. An oracle that knows
//! nothing of the machine says what the verdict must be.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::oracle::{Fact, Verdict, Why, verdict};
use super::stage::plan;
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

    /// A failure prints the shortest walk that shows it.
    #[test]
    fn pl_10_11_12_14_15_16_the_verdict_is_the_first_thing_that_was_not_as_expected(
        steps in prop::collection::vec(any::<u16>(), 0..12),
        happens in prop::collection::vec(any::<u16>(), 0..60),
        obedient in any::<bool>(),
    ) {
        let plan = script(&steps);
        let mut walk = Walk::new(&plan, obedient, None);
        for what in happens {
            walk.happen(what);
        }
        let verdict = walk.come_to_rest();
        if obedient {
            assert_eq!(verdict == Verdict::Fine, ends_all(&plan), "{verdict:?} on {plan}");
        }
    }

    /// Where all others do as is expected a crash does no harm, unless something is wanted of one that stays dead.
    #[test]
    fn a_crash_at_any_point_holds_nobody_up(
        steps in prop::collection::vec(any::<u16>(), 0..12),
        happens in prop::collection::vec(any::<u16>(), 0..60),
        who in 0..6_usize,
        at in 0..13_usize,
        stays_dead in any::<bool>(),
    ) {
        let plan = script(&steps);
        let who = who.checked_rem(plan.script.processes.len()).unwrap_or(0);
        let point = if at == 0 { CrashPoint::Line { stream: Stream::Stdout, line: 1 } } else { CrashPoint::Step(at) };
        let after = if stays_dead { AfterCrash::StaysDead } else { AfterCrash::Restart };
        let mut walk = Walk::new(&plan, true, Some(Crash { process: ProcessRef::new(plan.id, who), point, after }));
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

/// A script that can be built, of up to twelve steps and six processes.
fn script(steps: &[u16]) -> Plan {
    plan(|plan| {
        let mut there: Vec<ProcessRef> = Vec::new();
        let mut closed = BTreeSet::new();
        let mut names = ["a", "b", "c", "d", "e", "f"].into_iter();
        for step in steps {
            let choice = usize::from(step >> 4);
            let at = choice % there.len().max(1);
            let somebody = there.get(at).copied();
            match (step % 13, somebody) {
                (0..=2, _) | (_, None) => {
                    there.extend(names.next().map(|name| plan.spawn(name)).transpose()?)
                }
                (3, Some(_)) => {
                    if let (Some(one), Some(other)) = (names.next(), names.next()) {
                        there.extend(plan.spawn_all([one, other])?);
                    }
                }
                (4 | 5, Some(process)) => {
                    plan.wait(process, expected(choice))?;
                    there.remove(at);
                }
                (6, Some(_)) => {
                    let ends = there.split_off(at);
                    plan.wait_all(ends.into_iter().map(|process| (process, expected(choice))))?;
                }
                (7 | 8, Some(process)) => {
                    plan.kill(process, expected(choice))?;
                    there.remove(at);
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

/// Whether the script expects the ends of all.
fn ends_all(plan: &Plan) -> bool {
    plan.script.processes.iter().all(|role| role.ended_by.is_some())
}

fn expected(choice: usize) -> Expected {
    [0.into(), Signal::TERM.into(), Exit::any()][choice % 3]
}

/// A machine, the world around it, and the history of what has really happened.
struct Walk {
    script: Arc<Script>,
    plan: Plan,
    executor: Executor,
    now: Instant,
    /// Whether everybody ends as is expected, when it is expected, and only then.
    obedient: bool,
    bodies: Vec<Body>,
    /// The step whose work is to be answered.
    work: Option<usize>,
    killing_all: bool,
    /// The step that has begun and not ended.
    current: Option<usize>,
    began: Instant,
    history: Vec<Fact>,
    /// How much of the history the oracle has seen, and what it has said.
    judged: (usize, Option<Verdict>),
    failed: Option<Verdict>,
    over: Option<Verdict>,
}

#[derive(Clone, Copy, Default)]
struct Body {
    state: State,
    asked: bool,
    /// It is to crash.
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
    fn new(plan: &Plan, obedient: bool, crash: Option<Crash>) -> Self {
        let script = Arc::new(plan.script.clone());
        #[expect(clippy::disallowed_methods, reason = "a walk needs an instant to begin at")]
        let now = Instant::now();
        let mut walk = Self {
            executor: Executor::new(script.clone(), crash),
            plan: plan.clone(),
            now,
            obedient,
            bodies: vec![Body::default(); script.processes.len()],
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
        let Some(who) = choice.checked_rem(self.bodies.len()) else { return };
        match what & 0x0f {
            0..=2 => self.start(who, choice / 8),
            3..=5 => self.exit(who, choice / 8),
            6 | 7 => self.vanish(who, choice / 8),
            8 => self.print(who),
            9 | 10 => self.answer(choice),
            11 => self.stale(choice),
            12 if self.executor.poll_timeout().is_none_or(|at| at > self.now) => {
                self.executor.handle_timeout(self.now)
            } // early
            13 => {
                if choice.is_multiple_of(3) && !self.obedient {
                    self.tick();
                }
            }
            14 => self.now += Duration::from_millis(choice as u64 % 2000),
            _ => self.mishap(who, choice),
        }
        self.settle();
    }

    fn start(&mut self, who: usize, choice: usize) {
        if self.bodies[who].state != State::Ordered {
            return;
        }
        if choice.is_multiple_of(40) && !self.obedient {
            let error = SpawnError::new(SpawnStep::Exec, "x", io::Error::other("odd"));
            self.bodies[who].state = State::Gone;
            self.bring(Event::NotStarted(self.planned(who), error), Fact::NotStarted(who));
        } else {
            self.bodies[who].state = State::Up;
            self.bring(Event::Started(self.planned(who)), Fact::Started(who));
        }
    }

    fn exit(&mut self, who: usize, choice: usize) {
        if self.bodies[who].state != State::Up {
            return;
        }
        let codes =
            [Exit::Code(0), Exit::Signal { signal: Signal::TERM, core: false }, Exit::Code(9), Exit::Lost];
        let mut exit = codes[choice % codes.len()];
        if self.obedient && !self.killing_all {
            // As its time has come, and in the way that is expected.
            exit = match self.expected_now(who) {
                None if self.bodies[who].crashing => exit,
                None => return,
                Some(Expected::Any) => exit,
                Some(Expected::Code(code)) => Exit::Code(code),
                Some(Expected::Signal(signal)) => Exit::Signal { signal, core: false },
            };
        }
        if self.bodies[who].crashing {
            exit = Exit::Signal { signal: Signal::KILL, core: false };
        }
        // A kill that is not heeded.
        if self.bodies[who].asked && choice.is_multiple_of(5) && !self.obedient {
            self.bring(Event::Killed(self.planned(who)), Fact::Killed(who));
            exit = Exit::Signal { signal: Signal::KILL, core: false };
        }
        self.bodies[who].state = State::Exited;
        self.bring(Event::Exited(self.planned(who), exit), Fact::Exited(who, exit));
    }

    /// How it is to end now; of a kill only when it has been asked to.
    fn expected_now(&self, who: usize) -> Option<Expected> {
        let op = &self.script.steps[self.current?].op;
        let is_due = !matches!(op, Op::Kill { .. }) || self.bodies[who].asked;
        op.expects(self.planned(who)).filter(|_| is_due)
    }

    fn vanish(&mut self, who: usize, choice: usize) {
        if self.bodies[who].state == State::Exited {
            if choice.is_multiple_of(3) {
                // What it has left behind.
                self.executor.handle_event(Event::Killed(self.planned(who)), self.now);
            }
            self.bodies[who].state = State::Gone;
            self.bring(Event::Gone(self.planned(who)), Fact::Gone(who));
        }
    }

    fn print(&mut self, who: usize) {
        let Body { state: State::Up | State::Exited, found, .. } = &mut self.bodies[who] else { return };
        let process = ProcessRef::new(self.plan.id, who);
        if *found < self.script.processes[who].wanted.len() {
            *found += 1;
            let count = *found;
            self.bring(Event::Found { process, count }, Fact::Found(who, count));
        }
        self.executor.handle_event(Event::Printed { process, stream: Stream::Stdout, lines: 1 }, self.now);
    }

    fn answer(&mut self, choice: usize) {
        let Some(step) = self.work.take() else { return };
        let well = !choice.is_multiple_of(16) || self.obedient;
        let result = if well { Ok(()) } else { Err(PlanErrorKind::CallPanicked("oh".to_owned())) };
        self.bring(Event::Done { step, result }, Fact::Answered(step, well));
    }

    /// An answer for a step that is over, or that has not begun.
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

    fn mishap(&mut self, who: usize, choice: usize) {
        if choice.is_multiple_of(64) && !self.obedient {
            let error = Arc::new(io::Error::other("disk full"));
            self.bring(Event::Broken(PlanErrorKind::System { what: "x".to_owned(), error }), Fact::Broken);
        } else if self.killing_all {
            self.exit(who, choice);
        }
    }

    /// Lets time pass to the next deadline, or a little more.
    fn tick(&mut self) {
        if let Some(at) = self.executor.poll_timeout() {
            self.now = self.now.max(at);
            self.history.push(Fact::Ticked);
            self.executor.handle_timeout(self.now);
            assert_eq!(self.executor.poll_timeout(), None, "what was due is due again");
        }
    }

    fn bring(&mut self, event: Event, fact: Fact) {
        self.history.push(fact);
        self.executor.handle_event(event, self.now);
    }

    fn planned(&self, who: usize) -> ProcessRef {
        ProcessRef::new(self.plan.id, who)
    }

    /// Takes what the machine wants, and looks whether it may.
    fn settle(&mut self) {
        while let Some(output) = self.executor.poll_output() {
            assert!(self.over.is_none(), "after the end it wants {output:?}");
            let failed = self.failed.is_some();
            match output {
                Output::Spawn(process) => {
                    let body = &mut self.bodies[process.index()];
                    let before = if body.crashing { State::Gone } else { State::Absent };
                    assert_eq!((failed, body.state), (false, before));
                    *body = Body { state: State::Ordered, found: body.found, ..Body::default() };
                }
                Output::Kill(process) => {
                    let body = &mut self.bodies[process.index()];
                    assert_eq!((failed, body.asked, body.state), (false, false, State::Up));
                    body.asked = true;
                }
                Output::Crash(process) => {
                    let body = &mut self.bodies[process.index()];
                    assert_eq!((failed, body.crashing, body.state), (false, false, State::Up));
                    body.crashing = true;
                }
                // What was done for one that has crashed is done for its successor.
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
                    assert!(!failed && self.is_empty(), "over, and somebody is there");
                    self.over = Some(Verdict::Fine);
                }
                Output::Over(Err((failure, _))) => {
                    assert!(self.is_empty(), "over, and somebody is there");
                    self.over = Some(Verdict::of(failure));
                    assert_eq!(self.over, self.failed);
                }
            }
        }
        // It knows at once, and knows the same as the oracle.
        let known = self.over.clone().or_else(|| self.failed.clone());
        if self.judged.0 != self.history.len() {
            self.judged = (self.history.len(), verdict(&self.script, &self.history));
        }
        // What a crash leads to it does not know.
        if !self.executor.crashed_process().is_some() {
            assert_eq!(known, self.judged.1, "{}\n{:?}", self.plan, self.history);
        }
        let open = self.current.filter(|_| known.is_none());
        assert_eq!(self.executor.poll_timeout(), open.map(|step| self.began + self.script.timeout(step)));
    }

    fn is_empty(&self) -> bool {
        self.bodies.iter().all(|body| matches!(body.state, State::Absent | State::Gone))
    }

    /// Left to itself it comes to its end.
    fn come_to_rest(&mut self) -> Verdict {
        for round in 0.. {
            if let Some(verdict) = self.over.take() {
                return verdict;
            }
            assert!(round < 100, "no end\n{}\n{:?}", self.plan, self.history);
            for who in 0..self.bodies.len() {
                self.start(who, 1);
                self.settle();
                self.print(who);
                self.settle();
                if self.obedient || self.killing_all {
                    self.exit(who, 1);
                    self.settle();
                }
                self.vanish(who, 1);
                self.settle();
            }
            self.answer(1);
            self.settle();
            if self.killing_all && self.is_empty() {
                self.executor.handle_event(Event::Cleared(None), self.now);
            } else if !self.obedient && round > 20 {
                self.tick();
            }
            self.settle();
        }
        unreachable!("a hundred rounds are enough")
    }
}
