//! The world of a rehearsal: a machine, scripted processes, and the time.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::actor::Actor;
use super::due::{Act, Agenda, What};
use super::error::{Problem, RehearsalError};
use super::rehearsal::Rehearsal;
use super::scenario::{Happening, Moment, Scenario};
use super::tally::Tallies;
use crate::machine::{
    Containment, DefinitionError, Event, Input, Machine, Name, Notice, Output, RunId, SurvivalReason,
    SurvivingProcess, UnknownName,
};
use crate::testkit::clock::origin;

/// The process id of every scripted process.
const PID: u32 = 1;

/// The reason for everything that a script says.
const REASON: &str = "so says the scenario";

/// The number of inputs at one instant, for each process, after which time is taken to stand still.
const STANDSTILL: u64 = 10_000;

/// A machine with scripted processes.
pub(super) struct World<'a> {
    scenario: &'a Scenario,
    observer: Option<&'a mut dyn FnMut(&Moment<'_>)>,
    machine: Machine<()>,
    epoch: Instant,
    now: Duration,
    actors: Vec<Actor<'a>>,
    by_name: HashMap<&'a Name, usize>,
    /// The processes of the runs that are not over.
    by_run: HashMap<RunId, usize>,
    agenda: Agenda,
    outputs: Vec<Output<()>>,
    tallies: Tallies,
    /// The inputs at this instant.
    standing: u64,
    rehearsal: Rehearsal,
}

/// Running a scenario.
impl Scenario {
    /// Runs the scenario.
    ///
    /// # Errors
    ///
    /// [`RehearsalError`] if a process cannot be added, if the service cannot be started, or if a name of a
    /// behaviour or an event is not that of a process. A command that is refused later is no error, but
    /// [listed](Rehearsal::refused).
    pub fn run(&self) -> Result<Rehearsal, RehearsalError> {
        self.check()?;
        World::new(self, None).run()
    }

    /// Runs the scenario, and shows `observer` each input of the machine.
    ///
    /// ```
    /// use childminder::machine::{Definition, Machine};
    /// use childminder::testkit::rehearse::Scenario;
    ///
    /// let mut inputs = Vec::new();
    /// let scenario = Scenario::new().process("web".parse()?, Definition::new(()));
    /// scenario.observe(|moment| inputs.push((moment.at, moment.input.clone())))?;
    ///
    /// // Another machine decides the same.
    /// let (mut machine, epoch) = (Machine::new(), std::time::Instant::now());
    /// for (at, input) in inputs {
    ///     machine.handle_input(input, epoch + at)?;
    /// }
    /// assert!(machine.is_settled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn observe(&self, mut observer: impl FnMut(&Moment<'_>)) -> Result<Rehearsal, RehearsalError> {
        self.check()?;
        World::new(self, Some(&mut observer)).run()
    }
}

impl fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now).finish_non_exhaustive()
    }
}

impl<'a> World<'a> {
    /// Creates a world at the beginning of a scenario, whose names were checked.
    pub(super) fn new(scenario: &'a Scenario, observer: Option<&'a mut dyn FnMut(&Moment<'_>)>) -> Self {
        let names = scenario.names();
        let actors: Vec<Actor<'a>> = names.iter().map(|name| Actor::new(name, scenario)).collect();
        let rehearsal = Rehearsal {
            length: scenario.length,
            processes: Vec::new(),
            notices: Vec::new(),
            omitted: 0,
            inputs: 0,
            cut: None,
            stop: None,
            refused: Vec::new(),
        };
        let mut world = Self {
            scenario,
            observer,
            machine: Machine::with_seed(scenario.seed),
            epoch: origin(),
            now: Duration::ZERO,
            by_name: names.into_iter().enumerate().map(|(index, name)| (name, index)).collect(),
            actors,
            by_run: HashMap::new(),
            agenda: Agenda::default(),
            outputs: Vec::new(),
            tallies: Tallies::default(),
            standing: 0,
            rehearsal,
        };
        for (index, (at, _)) in scenario.happenings.iter().enumerate() {
            if *at <= scenario.length {
                world.agenda.add(*at, What::Happens(index));
            }
        }
        world
    }

    /// Runs the scenario to its end.
    pub(super) fn run(mut self) -> Result<Rehearsal, RehearsalError> {
        for (name, definition) in &self.scenario.processes {
            let input = Input::Add { name: name.clone(), definition: Box::new(definition.clone()) };
            self.give(input)
                .map_err(|error| RehearsalError::new(Problem::Definition { name: name.clone(), error }))?;
        }
        for name in &self.scenario.held {
            // It may be one that is added later, which cannot be held from the beginning.
            let unknown = |_| Problem::Unknown { name: UnknownName::new(name), nearest: None };
            self.give(Input::Hold { name: name.clone() })
                .map_err(|error| RehearsalError::new(unknown(error)))?;
        }
        if self.scenario.runs_service {
            self.give(Input::StartService).map_err(|error| match error {
                DefinitionError::Dependency(error) => RehearsalError::new(Problem::Start(error)),
                _ => unreachable!("a start fails because of dependencies only"),
            })?;
        }
        let length = self.scenario.length;
        self.pass_time(|world, at| at > length || world.is_cut());
        self.now = if self.rehearsal.cut.is_some() { self.now } else { length };
        self.tallies.measure(self.now, &self.machine);
        if self.scenario.runs_service && self.rehearsal.cut.is_none() {
            let stopped_at = self.now;
            let latest = stopped_at + self.machine.stop_bound();
            let _ = self.give(Input::StopService);
            self.pass_time(|world, at| world.machine.is_settled() || at > latest || world.is_cut());
            self.rehearsal.stop = Some(self.now - stopped_at);
        }
        self.rehearsal.processes = self.tallies.into_reports();
        Ok(self.rehearsal)
    }

    /// Lets everything happen that is due, until nothing is or `is_over`, which gets the time of the next
    /// event.
    fn pass_time(&mut self, is_over: impl Fn(&mut Self, Duration) -> bool) {
        loop {
            let event = self.agenda.next();
            let deadline = self.machine.poll_timeout().map(|at| at.saturating_duration_since(self.epoch));
            let Some(next) = event.into_iter().chain(deadline).min() else { break };
            if is_over(self, next) {
                break;
            }
            if next > self.now {
                (self.now, self.standing) = (next, 0);
            }
            // Events come before the time, as in a driver: a process that exits exactly at its kill time has
            // exited by itself.
            match self.agenda.pop(next) {
                Some(what) => self.happen(what),
                None => drop(self.give(Input::Timeout)),
            }
        }
    }

    /// Whether the rehearsal ends early, because it would take too long.
    fn is_cut(&mut self) -> bool {
        let processes = self.actors.len() as u64;
        let is_cut = self.rehearsal.inputs >= self.scenario.max_inputs
            || self.standing >= STANDSTILL.saturating_mul(processes + 1);
        if is_cut {
            self.rehearsal.cut = Some(self.now);
        }
        is_cut
    }

    fn schedule(&mut self, after: Duration, actor: usize, start: u64, act: Act) {
        self.agenda.add(self.now.saturating_add(after), What::Run { actor, start, act });
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Run { actor, start, act } => self.act(actor, start, act),
            What::Happens(index) => {
                let scenario = self.scenario;
                let happening = &scenario.happenings[index].1;
                if let Happening::Command(input) = happening {
                    if let Err(error) = self.give(input.clone()) {
                        self.rehearsal.refused.push((self.now, error.to_string()));
                    }
                } else if let Some(&actor) = happening.name().and_then(|name| self.by_name.get(name)) {
                    self.happen_to(actor, happening);
                }
            }
        }
    }

    /// Lets something happen to a process.
    fn happen_to(&mut self, index: usize, happening: &Happening) {
        let actor = &mut self.actors[index];
        if let Happening::Breaks { exit, lasts, .. } = happening {
            actor.broken = Some((self.now.saturating_add(*lasts), *exit));
        }
        let Some(start) = actor.run.as_ref().map(|run| run.start) else { return };
        match happening {
            Happening::Command(_) => {}
            Happening::Exits { exit, .. } | Happening::Breaks { exit, .. } => {
                self.act(index, start, Act::Exits(*exit));
            }
            Happening::Ready { .. } => self.change_readiness(index, true),
            Happening::NotReady { .. } => self.change_readiness(index, false),
            Happening::Unhealthy { .. } => self.act(index, start, Act::BecomesUnhealthy),
        }
    }

    /// Lets a run do something, if it is not over.
    fn act(&mut self, index: usize, start: u64, act: Act) {
        let actor = &mut self.actors[index];
        let Some(run) = actor.run.as_mut().filter(|run| run.start == start) else { return };
        let (id, behaviour) = (run.id, run.behaviour);
        match act {
            Act::Starts => {
                if let Some(error) = &behaviour.error {
                    actor.run = None;
                    self.by_run.remove(&id);
                    self.report(Event::SpawnFailed { run: id, error: error.clone() });
                    return;
                }
                run.is_alive = true;
                let life = behaviour.life(actor.stream, start);
                let broken = actor.broken.filter(|(until, _)| self.now < *until).map(|(_, exit)| exit);
                let fails = broken.or_else(|| behaviour.fails_at(start).then_some(behaviour.exit));
                let has_condition = actor.has_condition;
                self.report(Event::Started { run: id, pid: PID, containment: Containment::Group });
                if let Some(exit) = fails {
                    self.schedule(Duration::ZERO, index, start, Act::Exits(exit));
                    return;
                }
                if has_condition {
                    match &behaviour.readiness {
                        None => self.change_readiness(index, true),
                        Some(changes) => self.schedule_readiness(index, start, changes, 0, Duration::ZERO),
                    }
                }
                if let Some(after) = behaviour.unhealthy_after {
                    self.schedule(after, index, start, Act::BecomesUnhealthy);
                }
                if let Some(life) = life {
                    self.schedule(life, index, start, Act::Exits(behaviour.exit));
                }
            }
            Act::ChangesReadiness(change) => {
                let Some(changes) = &behaviour.readiness else { return };
                let (at, is_ready) = changes[change];
                self.schedule_readiness(index, start, changes, change + 1, at);
                self.change_readiness(index, is_ready);
            }
            Act::BecomesUnhealthy if run.is_alive => {
                self.report(Event::Unhealthy { run: id, reason: REASON.into() });
            }
            Act::Exits(exit) if run.is_alive => {
                run.is_alive = false;
                let ends_command = std::mem::take(&mut run.runs_stop_command);
                if ends_command {
                    self.report(Event::StopCommandEnded { run: id, result: Ok(()) });
                }
                // In this order the machine ends the run at the exit.
                if behaviour.output_ends_after.is_zero() {
                    self.report(Event::Closed { run: id });
                } else {
                    self.schedule(behaviour.output_ends_after, index, start, Act::EndsOutput);
                }
                self.report(Event::Exited { run: id, exit, remaining: Vec::new() });
            }
            Act::EndsOutput => self.report(Event::Closed { run: id }),
            Act::EndsStopCommand if std::mem::take(&mut run.runs_stop_command) => {
                self.report(Event::StopCommandEnded { run: id, result: Ok(()) });
            }
            Act::ListsFamily => self.report(Event::Family { run: id, remaining: Vec::new() }),
            Act::DescribesSurvivors => {
                let survivor = || SurvivingProcess::new(PID, "", SurvivalReason::KillPending);
                let processes = run.is_alive.then(survivor).into_iter().collect();
                self.report(Event::Survivors { run: id, processes });
            }
            Act::BecomesUnhealthy | Act::Exits(_) | Act::EndsStopCommand => {}
        }
    }

    /// Schedules the change of readiness with this index; the one before was at `last` after the start.
    fn schedule_readiness(
        &mut self,
        index: usize,
        start: u64,
        changes: &[(Duration, bool)],
        change: usize,
        last: Duration,
    ) {
        if let Some((at, _)) = changes.get(change) {
            self.schedule(*at - last, index, start, Act::ChangesReadiness(change));
        }
    }

    fn change_readiness(&mut self, index: usize, is_ready: bool) {
        let actor = &self.actors[index];
        let Some(run) = actor.run.as_ref().filter(|run| run.is_alive && actor.has_condition) else { return };
        let run = run.id;
        self.report(match is_ready {
            true => Event::Ready { run },
            false => Event::NotReady { run, reason: REASON.into() },
        });
    }

    fn report(&mut self, event: Event) {
        let _ = self.give(Input::Event(event));
    }

    /// Gives an input to the machine, and executes the outputs.
    fn give(&mut self, input: Input<()>) -> Result<(), DefinitionError> {
        self.rehearsal.inputs += 1;
        self.standing += 1;
        let seen = self.observer.is_some().then(|| input.clone());
        let command = (!matches!(input, Input::Event(_) | Input::Timeout)).then(|| input.clone());
        self.machine.handle_input(input, self.epoch + self.now)?;
        if let Some(command) = command {
            self.commanded(&command);
        }
        self.outputs.clear();
        while let Some(output) = self.machine.poll_output() {
            self.tallies.output(self.now, &output);
            self.execute(&output);
            if seen.is_some() {
                self.outputs.push(output);
            }
        }
        if let (Some(observer), Some(input)) = (&mut self.observer, &seen) {
            observer(&Moment { at: self.now, input, outputs: &self.outputs, machine: &self.machine });
        }
        Ok(())
    }

    /// Takes over what a command changes.
    fn commanded(&mut self, command: &Input<()>) {
        self.tallies.input(self.now, command);
        if let Input::Add { name, definition } | Input::Replace { name, definition, .. } = command
            && let Some(&index) = self.by_name.get(name)
        {
            let actor = &mut self.actors[index];
            actor.has_condition = definition.ready.is_some();
            actor.stop_signal = definition.stop_signal;
        }
    }

    fn execute(&mut self, output: &Output<()>) {
        match output {
            Output::Spawn { run, name, spec: () } => {
                let Some(&index) = self.by_name.get(name) else { return };
                self.by_run.insert(*run, index);
                let (start, start_takes) = self.actors[index].start(*run);
                self.schedule(start_takes, index, start, Act::Starts);
            }
            Output::Signal { run, signal, .. } => {
                let Some(&index) = self.by_run.get(run) else { return };
                if let Some((after, start, exit)) = self.actors[index].signalled(*signal) {
                    self.schedule(after, index, start, Act::Exits(exit));
                }
            }
            Output::RunStopCommand { run } => {
                let Some(&index) = self.by_run.get(run) else { return };
                let actor = &mut self.actors[index];
                let Some(live) = &mut actor.run else { return };
                live.runs_stop_command = true;
                let (start, signal) = (live.start, live.stop_signal);
                match actor.signalled(signal) {
                    // The command waits for the exit.
                    Some((after, start, exit)) => self.schedule(after, index, start, Act::Exits(exit)),
                    None => self.schedule(Duration::ZERO, index, start, Act::EndsStopCommand),
                }
            }
            Output::KillStopCommand { run } => {
                let index = self.by_run.get(run);
                let live = index.and_then(|index| self.actors[*index].run.as_mut());
                live.into_iter().for_each(|live| live.runs_stop_command = false);
            }
            Output::ListFamily { run } => self.schedule_answer(*run, Act::ListsFamily),
            Output::DescribeSurvivors { run, .. } => self.schedule_answer(*run, Act::DescribesSurvivors),
            Output::Reap { run } => {
                if let Some(index) = self.by_run.remove(run) {
                    self.actors[index].run = None;
                }
            }
            Output::Notice(notice) => self.noticed(notice),
        }
    }
}

impl World<'_> {
    fn schedule_answer(&mut self, run: RunId, act: Act) {
        let Some(&index) = self.by_run.get(&run) else { return };
        let Some(start) = self.actors[index].run.as_ref().map(|run| run.start) else { return };
        self.schedule(Duration::ZERO, index, start, act);
    }

    fn noticed(&mut self, notice: &Notice) {
        let kept = &mut self.rehearsal.notices;
        if kept.len() < self.scenario.max_notices {
            kept.push((self.now, notice.clone()));
        } else {
            self.rehearsal.omitted += 1;
        }
    }
}
