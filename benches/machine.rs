//! The pure machine on one core: decisions without processes and without a clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use childminder::machine::{Containment, Definition, Dependency, Event, Machine, OnEnd, Output};
use childminder::testkit::explore::{Explorer, StepKind};
use childminder::testkit::rehearse::{Behaviour, Scenario};
use childminder::{Exit, Name, Policy, Until};

use super::figures::median;
use super::table::{Row, Target, Unit};
use super::{Bench, Outcome, clock};

const PROCESSES: usize = 10_000;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let events = bench.sample(5_000_000, 500_000);
    let mut rates = Vec::new();
    for _ in 0..bench.sample(5, 1) {
        // Without delays there is always an event or a deadline.
        let mut loops = CrashLoops::start(Policy { threshold: Duration::ZERO, ..Policy::default() })?;
        let before = clock::now();
        while loops.events < events {
            loops.turn(Duration::from_micros(1));
        }
        rates.push(loops.events as f64 / before.elapsed().as_secs_f64());
    }
    let mut loops = CrashLoops::start(Policy::default())?;
    let before = clock::now();
    loops.run(Duration::from_secs(3600));
    let hour = before.elapsed().as_secs_f64();
    let decision = in_a_graph()?;
    let explored = explored(bench)?;
    let (rehearsed, day) = rehearsed(bench)?;
    Ok(vec![
        Row::alone("machine, events", Unit::Rate, median(&rates), Target::AtLeast(8e6)),
        Row::alone("machine, 10,000 crash loops for 1 h", Unit::Time, hour, Target::AtMost(10.0)),
        Row::alone("machine, decision with 30,000 edges", Unit::Time, decision, Target::AtMost(10e-6)),
        Row::alone("rehearsal, events", Unit::Rate, rehearsed, Target::AtLeast(1e6)),
        Row::alone("rehearsal, day of 10 processes", Unit::Time, day, Target::AtMost(1.0)),
        Row::alone("explore, states of 5 processes", Unit::Rate, explored, Target::AtLeast(1e5)),
    ])
}

/// Returns the mean time of a decision while ten thousand processes, each of which waits for three earlier
/// ones, start and are stopped again.
fn in_a_graph() -> Outcome<f64> {
    let (mut machine, now) = (Machine::new(), clock::now());
    for number in 0..PROCESSES {
        // The distances are different for each, and at most as long as there are earlier processes.
        let distances = [1, 1 + number % 97, 1 + number % 1009].into_iter().filter(|back| *back <= number);
        let names = distances.map(|back| (number - back).to_string().parse());
        let names = names.collect::<Result<Vec<Name>, _>>()?;
        let after = names.into_iter().map(|on| Dependency::new(on, Until::Started)).collect();
        machine.add_process(number.to_string().parse()?, Definition { after, ..Definition::new(()) }, now)?;
    }
    machine.start_service(now)?;
    let (mut pending, mut decisions) = (VecDeque::new(), 0_u32);
    let before = clock::now();
    let mut drain = |machine: &mut Machine<()>| loop {
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Spawn { run, .. } => {
                    pending.push_back(Event::Started { run, pid: 1, containment: Containment::Group });
                }
                Output::Signal { run, signal: childminder::Signal::TERM, .. } => {
                    pending.push_back(Event::Closed { run });
                    pending.push_back(Event::Exited { run, exit: Exit::Code(0), remaining: Vec::new() });
                }
                _ => {}
            }
        }
        let Some(event) = pending.pop_front() else { break };
        decisions += 1;
        machine.handle_event(event, now);
    };
    drain(&mut machine);
    machine.stop_service(now);
    drain(&mut machine);
    Ok(before.elapsed().as_secs_f64() / f64::from(decisions))
}

/// Returns the number of states in a second of a search through five processes that depend on each other.
fn explored(bench: &Bench) -> Outcome<f64> {
    let names = ["a", "b", "c", "d", "e"];
    let mut explorer = Explorer::new().depth(bench.sample(6, 5));
    for (index, name) in names.into_iter().enumerate() {
        let on = index.checked_sub(2).map(|index| names[index].parse());
        let after = on
            .transpose()?
            .map(|on| Dependency { on_end: OnEnd::Restart, ..Dependency::new(on, Until::Ready) });
        let ready = index.is_multiple_of(2).then_some(Duration::from_secs(10));
        let definition = Definition { after: after.into_iter().collect(), ready, ..Definition::new(()) };
        explorer = explorer.process(name.parse()?, definition);
    }
    let rare = [StepKind::Closes, StepKind::SlowTime, StepKind::Recovers];
    let kinds = StepKind::ALL.into_iter().filter(|kind| !rare.contains(kind));
    let before = clock::now();
    let explored = explorer.steps(kinds).run()?;
    Ok(explored.states as f64 / before.elapsed().as_secs_f64())
}

/// Returns the number of events in a second of a rehearsal, and the time of a rehearsal of one day in which
/// each of ten processes dies about every 40 s.
fn rehearsed(bench: &Bench) -> Outcome<(f64, f64)> {
    let mut scenario = Scenario::new();
    for number in 0..10 {
        let (min, max) = (Duration::from_secs(30), Duration::from_secs(50));
        let name = number.to_string();
        scenario = scenario.process(name.parse()?, Definition { ready: Some(max), ..Definition::new(()) });
        scenario = scenario.behaves(name, Behaviour::new().ready_after(min / 10).lives_between(min, max));
    }
    let before = clock::now();
    scenario.run()?;
    let day = before.elapsed().as_secs_f64();
    let days = u32::try_from(bench.sample(20, 2))?;
    let scenario = scenario.length(Duration::from_secs(24 * 60 * 60) * days);
    let before = clock::now();
    let rehearsal = scenario.run()?;
    Ok((rehearsal.inputs() as f64 / before.elapsed().as_secs_f64(), day))
}

/// Ten thousand processes that die immediately after each start.
struct CrashLoops {
    machine: Machine<()>,
    now: Instant,
    /// The events that the machine has yet to handle.
    pending: VecDeque<Event>,
    /// The number of events handled and of deadlines passed.
    events: usize,
}

impl CrashLoops {
    fn start(policy: Policy) -> Outcome<Self> {
        let (mut machine, now) = (Machine::new(), clock::now());
        for number in 0..PROCESSES {
            let name: Name = number.to_string().parse()?;
            machine.add_process(name, Definition { policy, ..Definition::new(()) }, now)?;
        }
        machine.start_service(now)?;
        Ok(Self { machine, now, pending: VecDeque::new(), events: 0 })
    }

    /// Jumps from deadline to deadline until `span` has passed.
    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.turn(Duration::ZERO);
            match self.machine.poll_timeout() {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ if self.pending.is_empty() => return,
                _ => {}
            }
        }
    }

    /// Handles one event, or the timeout if there is none, and carries out all outputs.
    fn turn(&mut self, step: Duration) {
        self.now += step;
        match self.pending.pop_front() {
            Some(event) => {
                self.events += 1;
                self.machine.handle_event(event, self.now);
            }
            None => self.machine.handle_timeout(self.now),
        }
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Spawn { run, .. } => {
                    // Its delay has passed.
                    self.events += 1;
                    self.pending.extend([
                        Event::Started { run, pid: 1, containment: Containment::Group },
                        Event::Closed { run },
                        Event::Exited { run, exit: Exit::Code(1), remaining: Vec::new() },
                    ]);
                }
                Output::ListFamily { run } => {
                    self.pending.push_back(Event::Family { run, remaining: Vec::new() })
                }
                _ => {}
            }
        }
    }
}
