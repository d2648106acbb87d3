//! The world of an exploration: a machine, its environment, and what is expected of both.

use std::time::{Duration, Instant};

use super::config::Config;
use super::problem::{Outcome, ensure};
use super::run::{Process, Readiness, Run};
use super::step::{Step, StepKind};
use crate::machine::key::Key;
use crate::machine::{
    Containment, Event, Exit, Machine, Output, Phase, RunId, Signal, SpawnError, SpawnStep, StopCommandError,
    SurvivalReason, SurvivingProcess,
};

/// A machine and its environment.
pub(super) struct World {
    pub(super) machine: Machine<()>,
    pub(super) now: Instant,
    pub(super) processes: Vec<Process>,
    /// Since when the service is being stopped, and the longest time that it may take.
    pub(super) stopping: Option<(Instant, Duration)>,
    /// The number of additions so far.
    pub(super) additions: u32,
    /// The outputs of the last step.
    pub(super) outputs: Vec<Output<()>>,
    /// The number of steps so far.
    pub(super) steps: u32,
    /// A process that the last step has started because another one counts as ready, and that other one,
    /// whose own run is not ready.
    pub(super) stale_start: Option<(usize, usize)>,
}

/// A copy uses the memory of the world that it replaces.
impl Clone for World {
    fn clone(&self) -> Self {
        let (machine, processes) = (self.machine.clone(), self.processes.clone());
        Self { machine, processes, outputs: self.outputs.clone(), ..*self }
    }

    fn clone_from(&mut self, source: &Self) {
        let Self { machine, now, processes, stopping, additions, outputs, steps, stale_start } = source;
        self.machine.clone_from(machine);
        self.processes.clone_from(processes);
        self.outputs.clone_from(outputs);
        (self.now, self.stopping, self.additions) = (*now, *stopping, *additions);
        (self.steps, self.stale_start) = (*steps, *stale_start);
    }
}

impl World {
    /// Creates a world in which every process is added and the service does not run.
    pub(super) fn new(config: &Config) -> Outcome<Self> {
        let mut world = Self {
            machine: Machine::new(),
            now: config.epoch,
            processes: config.names.iter().map(|_| Process::default()).collect(),
            stopping: None,
            additions: 0,
            outputs: Vec::new(),
            steps: 0,
            stale_start: None,
        };
        for process in 0..config.names.len() {
            world.add(process, config)?;
            if config.natures[process].is_held {
                world.command(StepKind::Hold, process, config)?;
            }
        }
        world.settle(config)?;
        Ok(world)
    }

    /// Replaces `steps` by those that are possible.
    pub(super) fn possible(&self, config: &Config, steps: &mut Vec<Step>) {
        steps.clear();
        self.each_possible(config, |step| steps.push(step));
    }

    /// Whether a step is possible.
    pub(super) fn can_take(&self, step: Step, config: &Config) -> bool {
        let mut can_take = false;
        self.each_possible(config, |other| can_take |= other == step);
        can_take
    }

    fn each_possible(&self, config: &Config, mut found: impl FnMut(Step)) {
        let kinds = config.kinds;
        let mut add = |kind, is_possible: bool, process| {
            if is_possible && kinds.contains(kind) {
                let exits = if kind == StepKind::Exits { config.exits.len() } else { 1 };
                (0..exits as u8).for_each(|exit| found(Step { exit, ..Step::of(kind, process) }));
            }
        };
        let is_running = self.machine.is_running();
        let has_runs = self.processes.iter().any(|process| process.run.is_some());
        add(StepKind::StartService, !is_running, 0);
        add(StepKind::StopService, is_running || has_runs, 0);
        add(StepKind::KillService, has_runs, 0);
        add(StepKind::RestartAll, has_runs, 0);
        let has_answers = self.processes.iter().all(Process::has_answers);
        add(StepKind::Time, has_answers && self.next_time(config).is_some(), 0);
        add(StepKind::SlowTime, !has_answers && self.next_time(config).is_some(), 0);
        if kinds.contains(StepKind::Recovers) {
            add(StepKind::Recovers, is_running && self.helpful(config).is_some(), 0);
        }
        for (index, process) in self.processes.iter().enumerate() {
            let mut add = |kind, is_possible| add(kind, is_possible, index);
            let may_add = !is_running || self.knows_dependencies(index, config);
            add(StepKind::Add, !process.defined && may_add);
            add(StepKind::Remove, process.defined);
            add(StepKind::Start, process.defined);
            add(StepKind::Stop, process.defined);
            add(StepKind::Hold, process.defined && !process.held);
            add(StepKind::Release, process.defined && process.held);
            add(StepKind::LateEvents, process.past.is_some());
            let Some(run) = &process.run else { continue };
            let lives = run.is_alive();
            let runs = lives && !run.killed;
            let has_condition = config.definitions[index].ready.is_some();
            add(StepKind::Started, !run.up);
            add(StepKind::FailsToStart, !run.up);
            add(StepKind::Exits, runs);
            add(StepKind::LeavesFamily, runs);
            add(StepKind::FamilyExits, run.members > 0);
            add(StepKind::Dies, lives && run.killed);
            add(StepKind::Closes, run.up && run.open);
            let is_ready = matches!(run.readiness, Readiness::Since(_));
            add(StepKind::Ready, runs && has_condition && !is_ready);
            add(StepKind::StaleReady, runs && !is_ready && config.natures[index].is_ready_by_any);
            add(StepKind::NotReady, runs && has_condition);
            add(StepKind::Unhealthy, runs);
            add(StepKind::StopCommandEnds, run.command_runs);
            add(StepKind::StopCommandFails, run.command_runs);
        }
    }

    /// Takes a step, which must be possible, and checks the outputs that follow from it.
    pub(super) fn take(&mut self, step: Step, config: &Config) -> Outcome {
        self.steps += 1;
        self.stale_start = None;
        self.act(step, config)
    }

    /// Does what happens in a step, or in a part of one.
    pub(super) fn act(&mut self, step: Step, config: &Config) -> Outcome {
        self.outputs.clear();
        let process = usize::from(step.process);
        let name = config.names[process].as_str();
        let now = self.now;
        match step.kind {
            StepKind::StartService => {
                self.stopping = None;
                let resting = self.processes.iter_mut().filter(|process| process.run.is_none());
                for process in resting {
                    match process.rest {
                        Some(Phase::GaveUp) => process.pardon(),
                        _ => process.rest = None,
                    }
                }
                let mut defined = (0..self.processes.len()).filter(|index| self.processes[*index].defined);
                let complete = defined.all(|index| self.knows_dependencies(index, config));
                let started = self.machine.start_service(now);
                ensure(started.is_ok() == complete, "the service starts if all names are known", || {
                    format!("{started:?}")
                })?;
            }
            StepKind::StopService => self.stop_service(Machine::stop_service),
            StepKind::KillService => {
                self.processes
                    .iter_mut()
                    .filter_map(|process| process.run.as_mut())
                    .for_each(|run| run.hurry = true);
                self.stop_service(Machine::kill_service);
            }
            StepKind::RestartAll => {
                for process in &mut self.processes {
                    process.asked = false;
                    process.run.iter_mut().for_each(|run| run.may_stop = true);
                }
                self.machine.restart_all(now);
            }
            StepKind::Add => self.add(process, config)?,
            StepKind::Remove => {
                self.processes[process].defined = false;
                self.stopped_by_command(process, config);
                let removed = self.machine.remove_process(name, now);
                ensure(removed.is_ok(), "a process that was added is known", || format!("{name} is not"))?;
            }
            StepKind::Start | StepKind::Stop | StepKind::Hold | StepKind::Release => {
                self.command(step.kind, process, config)?
            }
            StepKind::Time | StepKind::SlowTime => {
                if step.kind == StepKind::SlowTime {
                    self.stopping = None;
                }
                self.now = self.next_time(config).expect("time passes");
                if self.machine.poll_timeout().is_some_and(|at| at <= self.now) {
                    self.machine.handle_timeout(self.now);
                }
            }
            StepKind::LateEvents => self.late_events(process, config)?,
            StepKind::Recovers => return self.recover(config),
            _ => self.event(step, config),
        }
        self.settle(config)
    }

    /// Returns the next time at which something is due or a duration of a policy has passed.
    fn next_time(&self, config: &Config) -> Option<Instant> {
        let due = self.machine.poll_timeout().map(|at| at.max(self.now));
        let passes = self.processes.iter().zip(&config.definitions).flat_map(|(process, definition)| {
            let up = process.run.as_ref().filter(|run| run.is_alive());
            let is_long = up.map(|run| run.since + definition.policy.threshold);
            let reset = definition.policy.reset_after_ready;
            let ready = up.and_then(|run| match run.readiness {
                Readiness::Since(at) => Some(at + reset?),
                _ => None,
            });
            let within = definition.policy.give_up.and_then(|give_up| give_up.within);
            // Just after a failure has left the window.
            let counts = |within| process.failures.iter().find(|at| **at + within >= self.now);
            let leaves = within.and_then(|within| Some(*counts(within)? + within));
            let leaves = leaves.map(|at| at + Duration::from_nanos(1));
            [is_long, ready, leaves].into_iter().flatten()
        });
        passes.filter(|at| *at > self.now).chain(due).min()
    }

    fn add(&mut self, process: usize, config: &Config) -> Outcome {
        let definition = config.definitions[process].clone();
        let added = self.machine.add_process(config.names[process].clone(), definition, self.now);
        ensure(added.is_ok(), "a process that was removed can be added", || {
            added.map_err(|error| error.to_string()).unwrap_err()
        })?;
        // It belongs to the definition that was removed.
        let run = self.processes[process].run.take().map(|run| Run { own: false, ..run });
        let past = self.processes[process].past.take();
        let order = self.additions;
        self.additions += 1;
        self.processes[process] =
            Process { defined: true, deaths: Some(0), run, past, order, ..Process::default() };
        Ok(())
    }

    fn command(&mut self, kind: StepKind, index: usize, config: &Config) -> Outcome {
        let (name, now) = (config.names[index].as_str(), self.now);
        let process = &mut self.processes[index];
        let result = match kind {
            StepKind::Start => {
                self.stopping = None;
                process.asked |= !process.is_up();
                process.pardon();
                self.machine.start_process(name, now)
            }
            StepKind::Stop => {
                process.asked = false;
                self.stopped_by_command(index, config);
                self.machine.stop_process(name, now)
            }
            StepKind::Hold => {
                (process.held, process.asked) = (true, false);
                self.stopped_by_command(index, config);
                self.machine.hold_process(name, now)
            }
            _ => {
                process.held = false;
                self.machine.release_process(name, now)
            }
        };
        ensure(result.is_ok(), "a process that was added is known", || format!("{name} is not"))
    }

    pub(super) fn stop_service(&mut self, stop: fn(&mut Machine<()>, Instant)) {
        self.service_stops(self.machine.stop_bound());
        self.processes.iter_mut().for_each(|process| process.asked = false);
        stop(&mut self.machine, self.now);
    }

    /// The service is being stopped, by a command or because a process was given up.
    pub(super) fn service_stops(&mut self, bound: Duration) {
        if self.stopping.is_none() && self.processes.iter().all(Process::has_answers) {
            self.stopping = Some((self.now, bound));
        }
        self.processes
            .iter_mut()
            .filter_map(|process| process.run.as_mut())
            .for_each(|run| run.may_stop = true);
    }

    /// Takes a step that is an event of the current run of a process.
    fn event(&mut self, step: Step, config: &Config) {
        let index = usize::from(step.process);
        match step.kind {
            StepKind::Exits | StepKind::LeavesFamily | StepKind::Unhealthy => self.excuse(index, config),
            // No other process can be the reason.
            StepKind::FailsToStart => self.processes[index].is_excused = false,
            _ => {}
        }
        let closes = !config.kinds.contains(StepKind::Closes);
        let now = self.now;
        let Some(run) = &mut self.processes[index].run else { return };
        let id = run.id;
        let reason = || "explored".into();
        let event = match step.kind {
            StepKind::Started => {
                (run.up, run.since) = (true, now);
                Event::Started { run: id, pid: 1, containment: Containment::Group }
            }
            StepKind::FailsToStart => {
                let error = SpawnError::new(SpawnStep::Exec, "x", std::io::ErrorKind::NotFound.into());
                self.processes[index].over(None, now, &config.definitions[index]);
                Event::SpawnFailed { run: id, error }
            }
            StepKind::Exits | StepKind::Dies | StepKind::LeavesFamily => {
                let exit = match step.kind {
                    StepKind::Dies => Exit::Signal { signal: Signal::KILL, core: false },
                    _ => config.exits[usize::from(step.exit)],
                };
                run.members = u8::from(step.kind == StepKind::LeavesFamily);
                (run.leader, run.died, run.exit) = (false, Some(now), Some(exit));
                run.hurry |= run.asked.is_none();
                let remaining = vec![7; run.members.into()];
                let closes = closes && run.open && remaining.is_empty();
                run.open &= !closes;
                self.affect(index, config);
                if closes {
                    self.deliver(Event::Closed { run: id }, config);
                }
                Event::Exited { run: id, exit, remaining }
            }
            StepKind::FamilyExits => {
                // The machine finds out when it lists the family.
                run.members -= 1;
                if closes && run.open {
                    run.open = false;
                    Event::Closed { run: id }
                } else {
                    return;
                }
            }
            StepKind::Closes => {
                run.open = false;
                Event::Closed { run: id }
            }
            StepKind::Ready | StepKind::StaleReady => {
                if run.is_up() {
                    run.readiness = Readiness::Since(now);
                    run.is_stale = step.kind == StepKind::StaleReady;
                }
                Event::Ready { run: id }
            }
            StepKind::NotReady => {
                match run.readiness {
                    _ if !run.is_up() => {}
                    Readiness::Since(_) => run.readiness = Readiness::Lost,
                    Readiness::Pending => run.failed = true,
                    Readiness::Lost => {}
                }
                Event::NotReady { run: id, reason: reason() }
            }
            StepKind::Unhealthy => {
                run.failed |= run.is_up();
                Event::Unhealthy { run: id, reason: reason() }
            }
            StepKind::StopCommandEnds => {
                run.command_runs = false;
                Event::StopCommandEnded { run: id, result: Ok(()) }
            }
            _ => {
                (run.command_runs, run.command_failed) = (false, true);
                Event::StopCommandEnded { run: id, result: Err(StopCommandError::Failed(Exit::Code(1))) }
            }
        };
        self.deliver(event, config);
    }

    /// Events of a run that is over, and a look at the time before anything is due, change nothing.
    fn late_events(&mut self, index: usize, config: &Config) -> Outcome {
        let Some(run) = self.processes[index].past else { return Ok(()) };
        let before = self.key(config);
        for event in [
            Event::Started { run, pid: 9, containment: Containment::Group },
            Event::Ready { run },
            Event::NotReady { run, reason: "late".into() },
            Event::Unhealthy { run, reason: "late".into() },
            Event::Exited { run, exit: Exit::Code(9), remaining: Vec::new() },
            Event::Family { run, remaining: Vec::new() },
            Event::Closed { run },
        ] {
            self.deliver(event, config);
        }
        if self.machine.poll_timeout().is_none_or(|at| at > self.now) {
            self.machine.handle_timeout(self.now);
        }
        let is_faulty = config.driver.is_some();
        ensure(is_faulty || self.key(config) == before, "what comes late changes nothing", || {
            format!("{run} is over")
        })
    }

    fn deliver(&mut self, event: Event, config: &Config) {
        let event = match &config.driver {
            Some(driver) => driver(&self.machine, event),
            None => event,
        };
        self.machine.handle_event(event, self.now);
    }

    /// Executes all outputs, each of which is checked.
    pub(super) fn settle(&mut self, config: &Config) -> Outcome {
        while let Some(output) = self.machine.poll_output() {
            self.execute(&output, config)?;
            self.outputs.push(output);
        }
        Ok(())
    }

    fn execute(&mut self, output: &Output<()>, config: &Config) -> Outcome {
        match output {
            Output::Spawn { run, name, spec: () } => self.spawned(*run, config.index(name), config)?,
            Output::Signal { run, signal, .. } => self.signalled(*run, *signal, config)?,
            Output::ListFamily { run } => {
                let (_, body) = self.find(*run)?;
                let remaining = vec![7; body.members.into()];
                self.deliver(Event::Family { run: *run, remaining }, config);
            }
            Output::RunStopCommand { run } => self.stop_command(*run, config)?,
            Output::KillStopCommand { run } => {
                let (_, body) = self.find(*run)?;
                let runs = std::mem::take(&mut body.command_runs);
                ensure(runs && (body.killed || !body.leader), "a stop command may end", || {
                    format!("that of {run} was killed")
                })?;
            }
            Output::DescribeSurvivors { run, pids } => {
                let (_, body) = self.find(*run)?;
                ensure(body.killed, "survivors are those of KILL", || format!("{run} was not killed"))?;
                let alive = pids.iter().filter(|_| body.leader || body.members > 0);
                let describe = |pid: &u32| SurvivingProcess::new(*pid, "", SurvivalReason::OutOfReach);
                let processes = alive.map(describe).collect();
                self.deliver(Event::Survivors { run: *run, processes }, config);
            }
            Output::Reap { run } => {
                let now = self.now;
                let (index, body) = self.find(*run)?;
                let is_over = !body.leader && body.members == 0;
                ensure(is_over, "I-14: a run is over when its family is gone", || {
                    format!("{run} was reaped and is alive")
                })?;
                ensure(!body.command_runs, "a stop command does not outlive its run", || {
                    format!("that of {run} does")
                })?;
                let died = body.died.unwrap_or(now);
                self.processes[index].over(Some(died), now, &config.definitions[index]);
            }
            Output::Notice(notice) => self.noticed(notice, config)?,
        }
        Ok(())
    }

    /// Returns the run with this id, and the index of its process.
    pub(super) fn find(&mut self, id: RunId) -> Outcome<(usize, &mut Run)> {
        let processes = self.processes.iter_mut().enumerate();
        let mut runs = processes.filter_map(|(index, process)| Some((index, process.run.as_mut()?)));
        match runs.find(|(_, run)| run.id == id) {
            Some(found) => Ok(found),
            None => Err(super::problem::Problem::new(
                "I-4: a run that is over is left alone",
                format!("{id} is over"),
            )),
        }
    }
}

impl World {
    /// Returns the key of this state.
    pub(super) fn key(&self, config: &Config) -> u64 {
        let mut key = Key::new(self.now);
        self.machine.add_to(&mut key, &config.names);
        for (process, definition) in self.processes.iter().zip(&config.definitions) {
            process.add_to(&mut key, definition);
        }
        if let Some((since, bound)) = self.stopping {
            key.add_past(since, bound);
        }
        key.finish()
    }
}
