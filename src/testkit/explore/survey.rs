//! The search for findings: what is wrong with the processes themselves.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::time::Duration;

use super::config::Config;
use super::explorer::Explorer;
use super::finding::{Finding, FindingKind, Reach, Survey};
use super::outlook::{LONGEST, Verdict};
use super::problem::{Counterexample, ReplayError};
use super::run::Readiness;
use super::search::{Keys, Search, Unchanged, Visitor, random_of_walk, shrink};
use super::step::{Kinds, Step, StepKind};
use super::world::World;
use crate::machine::Name;

/// The kinds of steps: what processes do by themselves.
const KINDS: [StepKind; 12] = [
    StepKind::Started,
    StepKind::FailsToStart,
    StepKind::Exits,
    StepKind::Dies,
    StepKind::Ready,
    StepKind::NotReady,
    StepKind::Unhealthy,
    StepKind::StopCommandEnds,
    StepKind::StopCommandFails,
    StepKind::Time,
    StepKind::Recovers,
    StepKind::StaleReady,
];

impl Explorer {
    /// Looks for problems of the processes themselves, although every decision is right; see
    /// [`FindingKind`].
    ///
    /// The service is started, and then every order of starts, exits, readiness and probe results is taken up
    /// to the [depth](Self::depth), and random ones beyond it. In each state it is decided what follows if
    /// everything works from now on. No command is given, and checks of the user are not made.
    ///
    /// ```
    /// use childminder::machine::{Definition, Dependency};
    /// use childminder::testkit::explore::{Explorer, FindingKind, Reach};
    /// use childminder::{Policy, Restart, Until};
    ///
    /// let policy = Policy { restart: Restart::Never, ..Policy::default() };
    /// let after = vec![Dependency::new("migrate".parse()?, Until::Completed)];
    /// let explorer = Explorer::new()
    ///     .process("migrate".parse()?, Definition { policy, ..Definition::new(()) })
    ///     .process("web".parse()?, Definition { after, ..Definition::new(()) })
    ///     .depth(3);
    ///
    /// // One failure of the migration, and the server waits without limit.
    /// let survey = explorer.findings(&Reach::default())?;
    /// let [finding] = &survey.findings[..] else { panic!("{survey:?}") };
    /// assert_eq!((finding.kind(), finding.processes()[0].as_str()), (FindingKind::NeverReady, "web"));
    /// assert_eq!(finding.steps(), ["start the service", "migrate fails to start"]);
    /// assert_eq!(explorer.review(&finding.to_string())?, [finding.clone()]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`Counterexample`] if a built-in check does not hold, which is a bug of this library.
    pub fn findings(&self, reach: &Reach) -> Result<Survey, Counterexample> {
        let config = self.surveyed();
        let begin = Step::of(StepKind::StartService, 0);
        let mut judge = Judge::new(self.stop_limit, KINDS);
        self.judge_stop(&mut judge, &config)?;
        let mut search = Search::begin(self, &config, &[begin])?;
        judge.judge(search.root(), &[begin], &config);
        let explored = search.run(self.depth, reach.states, &mut judge)?;
        let first = search.root().clone();
        for walk in 0..reach.walks {
            self.walk_for_findings(&first, walk, reach, &mut judge, &config)?;
        }
        let mut findings = judge.findings;
        findings.sort_by_key(|finding| finding.steps.len());
        Ok(Survey { findings, explored })
    }

    /// Takes the steps of scenarios, one in each line, and returns what is found after the last step of each.
    /// A scenario begins with `start the service`; empty lines, and what follows a `#`, are ignored.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if a line is not a step or not possible, or if there is no step at all.
    pub fn review(&self, scenarios: &str) -> Result<Vec<Finding>, ReplayError> {
        let config = self.surveyed();
        let mut judge = Judge::new(self.stop_limit, StepKind::ALL);
        let mut world: Option<World> = None;
        let mut steps = Vec::new();
        for (number, line) in super::search::lines(scenarios) {
            let not_a_step = || ReplayError::NotAStep { number, line: line.to_owned() };
            let step = Step::parse(line, &config.names, &config.exits).ok_or_else(not_a_step)?;
            if step.kind == StepKind::StartService
                && let Some(world) = world.take()
            {
                judge.judge(&world, &steps, &config);
            }
            let mut next = match world.take() {
                Some(world) => world,
                None => {
                    steps.clear();
                    self.first(&config).map_err(ReplayError::Found)?
                }
            };
            self.check_possible(&next, step, number, &config)?;
            steps.push(step);
            let taken = next.take(step, &config).and_then(|()| next.check(&config));
            taken.map_err(|problem| ReplayError::Found(self.explain(&steps, problem, &config)))?;
            world = Some(next);
        }
        let world = world.ok_or(ReplayError::Empty)?;
        judge.judge(&world, &steps, &config);
        Ok(judge.findings)
    }

    /// Returns what is explored when findings are looked for.
    fn surveyed(&self) -> Config {
        let mut config = self.connected();
        let always =
            [StepKind::Recovers, StepKind::StaleReady, StepKind::StartService, StepKind::StopService];
        let own = KINDS.into_iter().filter(|kind| config.kinds.contains(*kind));
        config.kinds = own.chain(always).collect();
        config
    }

    /// Stops the service when everything is up.
    fn judge_stop(&self, judge: &mut Judge, config: &Config) -> Result<(), Counterexample> {
        let mut world = self.first(config)?;
        let mut steps = Vec::new();
        for kind in [StepKind::StartService, StepKind::Recovers, StepKind::StopService] {
            let step = Step::of(kind, 0);
            if kind != StepKind::Recovers || world.helpful(config).is_some() {
                steps.push(step);
                let taken = world.take(step, config);
                taken.map_err(|problem| self.explain(&steps, problem, config))?;
            }
        }
        judge.judge(&world, &steps, config);
        Ok(())
    }

    /// Takes one random walk, and shrinks the way to what it finds.
    fn walk_for_findings(
        &self,
        first: &World,
        walk: u64,
        reach: &Reach,
        judge: &mut Judge,
        config: &Config,
    ) -> Result<(), Counterexample> {
        let mut random = random_of_walk(reach.seed, walk);
        let mut world = first.clone();
        let mut steps = vec![Step::of(StepKind::StartService, 0)];
        let mut possible = Vec::new();
        while steps.len() < reach.length {
            world.possible(config, &mut possible);
            possible.retain(|step| judge.is_of_interest(&world, *step, config));
            let Some(step) = random.choice(&possible) else { break };
            steps.push(*step);
            world.take(*step, config).map_err(|problem| self.explain(&steps, problem, config))?;
            let known = judge.findings.len();
            judge.judge(&world, &steps, config);
            for finding in &mut judge.findings[known..] {
                let found = finding.clone();
                // The first step starts the service.
                (_, *finding) =
                    shrink(steps.clone(), found.clone(), 1, |steps| self.find_again(&found, steps, config));
            }
        }
        Ok(())
    }

    /// Takes as many of these steps as are possible, and returns them with the same finding at the end, if it
    /// is there.
    fn find_again(&self, finding: &Finding, steps: &[Step], config: &Config) -> Option<(Vec<Step>, Finding)> {
        let mut world = self.first(config).ok()?;
        let mut taken = Vec::new();
        for step in steps {
            if world.can_take(*step, config) {
                taken.push(*step);
                world.take(*step, config).ok()?;
            }
        }
        let mut judge = Judge::new(self.stop_limit, KINDS);
        judge.judge(&world, &taken, config);
        let is_same = |found: &Finding| found.kind == finding.kind && found.processes == finding.processes;
        judge.findings.into_iter().find(is_same).map(|found| (taken, found))
    }
}

/// Decides about states, and collects the findings.
struct Judge {
    stop_limit: Duration,
    kinds: Kinds,
    findings: Vec<Finding>,
    /// The kinds and processes of the findings so far.
    reported: HashSet<(FindingKind, usize)>,
    /// The states about which it is known what follows if everything works, with the state to which that
    /// leads, as keys.
    judged: HashMap<u64, u64, BuildHasherDefault<Unchanged>>,
    /// The states to which a step of the search has led in which everything works.
    recovered: Keys,
    /// The repetitions that were tried, without the steps of other processes.
    rounds: HashSet<(usize, Vec<Step>)>,
}

impl Judge {
    fn new(stop_limit: Duration, kinds: impl IntoIterator<Item = StepKind>) -> Self {
        Self {
            stop_limit,
            kinds: kinds.into_iter().collect(),
            findings: Vec::new(),
            reported: HashSet::new(),
            judged: HashMap::default(),
            recovered: Keys::default(),
            rounds: HashSet::new(),
        }
    }

    /// Decides about a state and the last of the steps that have led to it.
    fn judge(&mut self, world: &World, steps: &[Step], config: &Config) {
        self.visit(&mut world.clone(), Some(world.key(config)), &|| steps.to_vec(), config);
        if world.stopping.is_some() {
            self.judge_stop(world, steps, config);
        }
    }

    /// Lets everything work from here on.
    fn judge_future(
        &mut self,
        future: &mut World,
        mut key: u64,
        steps: &dyn Fn() -> Vec<Step>,
        config: &Config,
    ) {
        if !future.machine.is_running() || self.judged.contains_key(&key) {
            return;
        }
        let mut way = vec![key];
        let end = loop {
            let Some(step) = future.helpful(config) else { break None };
            if way.len() > LONGEST || future.act(step, config).is_err() {
                return;
            }
            key = future.key(config);
            if let Some(end) = self.judged.get(&key) {
                break Some(*end);
            }
            way.push(key);
        };
        self.judged.extend(way.into_iter().map(|state| (state, end.unwrap_or(key))));
        let verdicts = if end.is_none() { future.verdicts(config) } else { Vec::new() };
        if !verdicts.is_empty() {
            self.report(verdicts, &steps(), config);
        }
    }

    /// Repeats what has led from one start of a process to the next.
    fn judge_restarts(&mut self, world: &World, steps: &[Step], config: &Config) {
        for (index, process) in world.processes.iter().enumerate() {
            let [earlier, last] = process.begun.map(|step| step as usize);
            if earlier == 0 || last != steps.len() || earlier == last {
                continue;
            }
            let round = &steps[earlier..];
            let is_own = |step: &&Step| step.kind == StepKind::Time || usize::from(step.process) == index;
            if self.reported.contains(&(FindingKind::RestartsForever, index))
                || !self.rounds.insert((index, round.iter().filter(is_own).copied().collect()))
            {
                continue;
            }
            if let Some(pace) = world.pace(index, round, config) {
                let name = &config.names[index];
                let times = |count: usize| if count == 1 { "step" } else { "steps" };
                let text = format!(
                    "if the last {} {} are repeated, {name} is restarted every {pace:?} without limit",
                    round.len(),
                    times(round.len())
                );
                let kind = FindingKind::RestartsForever;
                self.report(vec![Verdict { kind, process: index, on: None, text }], steps, config);
            }
        }
    }

    /// Stops processes that do not obey.
    fn judge_stop(&mut self, world: &World, steps: &[Step], config: &Config) {
        let Ok(ends) = world.stubborn_stop(config) else { return };
        let Some((last, longest)) = ends.last().copied().filter(|(_, longest)| *longest > self.stop_limit)
        else {
            return;
        };
        let ends = ends.iter().map(|(index, time)| format!("{} after {time:?}", config.names[*index]));
        let ends: Vec<String> = ends.collect();
        let text = format!(
            "if no process obeys, the stop takes {longest:?}, which is longer than {:?}: killed are {}",
            self.stop_limit,
            ends.join(", ")
        );
        let verdict = Verdict { kind: FindingKind::LongStop, process: last, on: None, text };
        self.report(vec![verdict], steps, config);
    }

    /// Adds one finding for all processes with a problem of the same kind, if it is new for one of them.
    fn report(&mut self, verdicts: Vec<Verdict>, steps: &[Step], config: &Config) {
        for kind in FindingKind::ALL {
            let all: Vec<&Verdict> = verdicts.iter().filter(|verdict| verdict.kind == kind).collect();
            let known = self.reported.len();
            self.reported.extend(all.iter().map(|verdict| (kind, verdict.process)));
            let Some(first) = all.first().filter(|_| self.reported.len() > known) else { continue };
            let name = |index: usize| -> Name { config.names[index].clone() };
            self.findings.push(Finding {
                kind,
                processes: all.iter().map(|verdict| name(verdict.process)).collect(),
                on: first.on.map(name),
                text: first.text.clone(),
                steps: steps.iter().map(|step| config.write(*step).to_string()).collect(),
            });
        }
    }
}

impl Judge {
    /// Whether this step may happen by itself.
    fn is_of_interest(&self, world: &World, step: Step, config: &Config) -> bool {
        let index = usize::from(step.process);
        let is_ready = || {
            let run = world.processes[index].run.as_ref();
            run.is_some_and(|run| run.readiness != Readiness::Pending)
        };
        self.kinds.contains(step.kind)
            && match step.kind {
                StepKind::Unhealthy => config.natures[index].has_health_check,
                // A run that is ready is watched by its health check.
                StepKind::NotReady => !is_ready(),
                _ => true,
            }
    }
}

impl Visitor for Judge {
    fn takes(&mut self, world: &World, key: u64, step: Step, config: &Config) -> bool {
        // Most states lead to the same few, which need not be found again.
        let is_known = |judge: &mut Self| {
            let end = judge.judged.get(&key).copied();
            end.is_some_and(|end| !judge.recovered.insert(end))
        };
        self.is_of_interest(world, step, config) && !(step.kind == StepKind::Recovers && is_known(self))
    }

    fn visit(&mut self, world: &mut World, new: Option<u64>, steps: &dyn Fn() -> Vec<Step>, config: &Config) {
        if let Some((process, on)) = world.stale_start {
            let (name, other) = (&config.names[process], &config.names[on]);
            let text = format!("{name} is started because {other} counts as ready, but its own run is not");
            let verdict = Verdict { kind: FindingKind::StaleReadiness, process, on: Some(on), text };
            if !self.reported.contains(&(verdict.kind, process)) {
                self.report(vec![verdict], &steps(), config);
            }
        }
        let is_restart = |process: &super::run::Process| {
            let [earlier, last] = process.begun;
            earlier > 0 && last == world.steps && earlier < last
        };
        if world.processes.iter().any(is_restart) {
            self.judge_restarts(world, &steps(), config);
        }
        if let Some(key) = new {
            self.judge_future(world, key, steps, config);
        }
    }
}
