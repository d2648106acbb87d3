//! The pure machine on one core: decisions without processes and without a clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use childminder::machine::{Containment, Definition, Event, Machine, Output};
use childminder::{Exit, Name, Policy};

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
    Ok(vec![
        Row::alone("machine, events", Unit::Rate, median(&rates), Target::AtLeast(5e6)),
        Row::alone("machine, 10,000 crash loops for 1 h", Unit::Time, hour, Target::AtMost(10.0)),
    ])
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
