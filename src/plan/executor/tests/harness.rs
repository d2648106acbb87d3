//! A harness for the executor alone. A trace is a text: each line has an event, an arrow, and all outputs
//! that follow. The events are played, and the text with the actual outputs is compared.
//!
//! ```text
//! begin     -> begins 1, spawn a
//! a up      -> ends 1, begins 2
//! at 2      ->
//! a exits 1 -> fails at 2: a ended with code 1 instead of code 0, kill all
//! ```

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::drive::StateMachine;
use crate::machine::{
    Exit, Name, RunId, Signal, SpawnError, SpawnStep, Stream, SurvivalReason, SurvivingProcess,
};
use crate::monitor::{StopError, Survivor};
use crate::plan::builder::Plan;
use crate::plan::crash::point::{AfterCrash, Crash, CrashPoint};
use crate::plan::error::{PlanError, PlanErrorKind};
use crate::plan::executor::{Event, Executor, Failure, Output};
use crate::plan::process::ProcessRef;
use crate::plan::script::Script;
use crate::testkit;

/// Returns a plan with the processes `a` to `f`.
pub(super) fn plan(build: impl FnOnce(&mut Plan) -> Result<(), PlanError>) -> Plan {
    let world = testkit::Sim::new();
    for program in ["a", "b", "c", "d", "e", "f"] {
        world.script(program, testkit::Script::new());
    }
    let mut plan = Plan::on(world, "story").expect("a name");
    build(&mut plan).expect("a valid plan");
    plan
}

/// Plays the events of a trace, and compares the outputs.
#[track_caller]
pub(super) fn play(plan: &Plan, trace: &str) {
    compare(Harness::new(plan, None), trace);
}

/// Plays a trace in which the process that is started first crashes.
#[track_caller]
pub(super) fn play_crash(plan: &Plan, point: CrashPoint, after: AfterCrash, trace: &str) {
    let process = ProcessRef::new(plan.id, 0);
    compare(Harness::new(plan, Some(Crash { process, point, after })), trace);
}

#[track_caller]
fn compare(mut harness: Harness, trace: &str) {
    let (mut expected, mut played) = (String::new(), String::new());
    for line in trace.lines().filter(|line| !line.trim().is_empty()) {
        let (event, wanted) = line.split_once("->").expect("a line has an arrow");
        let event = event.trim();
        expected += &format!("{event} -> {}\n", wanted.trim());
        played += &format!("{event} -> {}\n", harness.play(event));
    }
    assert!(expected == played, "expected:\n{expected}\nplayed:\n{played}");
}

struct Harness {
    script: Arc<Script>,
    executor: Executor,
    start: Instant,
    now: Instant,
    plan: Plan,
}

impl Harness {
    fn new(plan: &Plan, crash: Option<Crash>) -> Self {
        let script = Arc::new(plan.script.clone());
        #[expect(clippy::disallowed_methods, reason = "a trace needs an instant to begin at")]
        let now = Instant::now();
        Self { executor: Executor::new(script.clone(), crash), script, start: now, now, plan: plan.clone() }
    }

    /// Plays an event, and returns the outputs that follow.
    fn play(&mut self, event: &str) -> String {
        let words: Vec<&str> = event.split(' ').collect();
        match words[..] {
            ["begin"] => self.executor.begin(self.now),
            // Time passes without a call.
            ["at", seconds] => {
                self.now = self.start + Duration::from_secs_f64(seconds.parse().expect("seconds"))
            }
            ["tick"] => self.executor.handle_timeout(self.now),
            ["due"] => {
                let at = self.executor.poll_timeout();
                return at.map_or_else(|| "never".to_owned(), |at| format!("{:?}", at - self.start));
            }
            ["crashed?"] => return self.executor.crashed_process().is_some().to_string(),
            _ => {
                let event = self.event(&words);
                self.executor.handle_event(event, self.now);
            }
        }
        let mut outputs = Vec::new();
        while let Some(output) = self.executor.poll_output() {
            outputs.push(self.text(output));
        }
        outputs.join(", ")
    }

    fn event(&self, words: &[&str]) -> Event {
        let step = |number: &str| number.parse::<usize>().expect("a step") - 1;
        match *words {
            ["done", number] => Event::Done { step: step(number), result: Ok(()) },
            ["failed", number] => {
                Event::Done { step: step(number), result: Err(PlanErrorKind::CallPanicked("oh".to_owned())) }
            }
            ["broken"] => {
                let error = Arc::new(io::Error::other("disk full"));
                Event::Broken(PlanErrorKind::System { what: "cannot write".to_owned(), error })
            }
            ["cleared"] => Event::Cleared(None),
            ["cleared", "but", name] => {
                let name = Name::new(name).expect("a name");
                let survivor = Survivor {
                    name,
                    run: RunId::unmanaged(1),
                    processes: vec![SurvivingProcess::new(7, "", SurvivalReason::OutOfReach)],
                };
                Event::Cleared(Some(StopError::from(vec![survivor])))
            }
            [name, "up"] => Event::Started(self.process(name)),
            [name, "fails"] => {
                let error = SpawnError::new(SpawnStep::Exec, name, io::Error::other("odd"));
                Event::NotStarted(self.process(name), error)
            }
            [name, "exits", how] => Event::Exited(self.process(name), exit(how)),
            [name, "gone"] => Event::Gone(self.process(name)),
            [name, "gets", "KILL"] => Event::Killed(self.process(name)),
            [name, "found", count] => {
                Event::Found { process: self.process(name), count: count.parse().expect("a count") }
            }
            [name, "prints", lines] => {
                let (process, lines) = (self.process(name), lines.parse().expect("a count"));
                Event::Printed { process, stream: Stream::Stdout, lines }
            }
            _ => panic!("not an event: {words:?}"),
        }
    }

    fn process(&self, name: &str) -> ProcessRef {
        let index = self.script.processes.iter().position(|role| *role.name == *name);
        ProcessRef::new(self.plan.id, index.expect("a process of the script"))
    }

    fn text(&self, output: Output) -> String {
        let name = |process| self.script.name(process);
        match output {
            Output::Spawn(process) => format!("spawn {}", name(process)),
            Output::Kill(process) => format!("kill {}", name(process)),
            Output::Crash(process) => format!("crash {}", name(process)),
            Output::Begin(step) => format!("do {}", step + 1),
            Output::Withhold(step) => format!("withhold {}", step + 1),
            Output::StepBegan(step) => format!("begins {}", step + 1),
            Output::StepEnded(step) => format!("ends {}", step + 1),
            Output::Failed(Failure { step, kind }) => format!("fails at {}: {kind}", step + 1),
            Output::KillAll => "kill all".to_owned(),
            Output::Over(Ok(())) => "over".to_owned(),
            Output::Over(Err((Failure { step, kind }, survivors))) => {
                let survivors = survivors.map_or(String::new(), |survivors| format!("; {survivors}"));
                format!("over, failed at {}: {kind}{survivors}", step + 1)
            }
        }
    }
}

/// Parses a code, a signal, or `lost`.
fn exit(how: &str) -> Exit {
    match (how.parse(), how.parse::<Signal>()) {
        _ if how == "lost" => Exit::Lost,
        (Ok(code), _) => Exit::Code(code),
        (Err(_), Ok(signal)) => Exit::Signal { signal, core: false },
        (Err(_), Err(error)) => panic!("{error}"),
    }
}
