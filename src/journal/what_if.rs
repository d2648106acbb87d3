//! What would have happened with other definitions.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::mem;
use std::time::Duration;

use super::recorded_runs::RecordedRuns;
use super::resumed::Resumed;
use super::{Journal, Program, Record};
use crate::machine::{Definition, Input, Name};
use crate::testkit::rehearse::{Behaviour, Happening, ProcessReport, Scenario, Tallies};

/// A recorded journal, to be rehearsed with other definitions.
///
/// The commands are given again at their times. The n-th run of a process does what its n-th recorded run
/// did: the time that its start took, when it became ready or unhealthy, when and how it exited, and how long
/// its stop took. Only the decisions are made anew.
///
/// ```
/// use std::time::Duration;
/// use childminder::Policy;
/// use childminder::journal::{Journal, Program, WhatIf};
/// use childminder::machine::Definition;
/// use childminder::testkit::rehearse::{Behaviour, Scenario};
///
/// // A recording, here of a rehearsal: a program that dies at once.
/// let mut inputs = Vec::new();
/// let scenario = Scenario::new()
///     .length(Duration::from_secs(3600))
///     .process("web".parse()?, Definition::new(()))
///     .behaves("web", Behaviour::new().lives(Duration::from_millis(10)));
/// let program = |()| Program::new("serve", 1);
/// scenario.observe(|moment| inputs.push((moment.at, moment.input.clone().map_spec(program))))?;
/// let journal = Journal::from_inputs(0, inputs);
///
/// let mut what_if = WhatIf::new(&journal)?;
/// what_if.change("web", |definition| definition.policy = Policy::supervisord());
/// let rehearsal = what_if.scenario().run()?;
/// assert_eq!(what_if.recorded()[0].restarts, 11);
/// assert_eq!(rehearsal.process("web").map(|web| (web.restarts, web.given_up.len())), Some((3, 1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Assumptions
///
/// - A run does not depend on the time at which it starts, nor on other runs. What failed because a disk was
///   full at noon fails in the same run, whenever that is.
/// - A run beyond the recorded ones does what the last recorded one did.
/// - A run that was stopped would have lived on, and one that was never stopped stops like another run of its
///   process, or at once.
/// - A process that was killed because it did not stop in time never stops by itself.
/// - A run is over when its program has exited: processes that are left behind take no time. Of signals, the
///   stop signal and KILL have an effect.
/// - If the beginning of the journal is gone, the rehearsal begins [at its checkpoint](Self::began_at): the
///   processes that ran then, and those that waited for their next start, are started at that moment, with
///   delays and counts of failures from the beginning. Those that had completed, had failed for good or were
///   given up stay down until a command starts them.
#[derive(Clone, Debug)]
pub struct WhatIf {
    seed: u64,
    length: Duration,
    began_at: Option<Duration>,
    /// With the changes made so far.
    commands: Vec<(Duration, Input<()>)>,
    runs: RecordedRuns,
    recorded: Vec<ProcessReport>,
}

impl WhatIf {
    /// Takes the commands and the runs from a journal.
    ///
    /// # Errors
    ///
    /// [`WhatIfError`] if a part in the middle of the journal is missing, since entries could not be written,
    /// or if the machine of this version refuses an input.
    pub fn new(journal: &Journal) -> Result<Self, WhatIfError> {
        let (mut commands, mut runs) = (Vec::new(), RecordedRuns::default());
        let (mut tallies, length) = (Tallies::default(), journal.length());
        let (mut replay, mut began_at, mut parked) = (journal.replay(), None, Vec::new());
        let mut is_first = true;
        while let Some(step) = replay.step() {
            let at = step.entry.at;
            let is_beginning = mem::take(&mut is_first);
            let missing = |problem| Err(WhatIfError { line: step.entry.line, at, problem });
            match &step.entry.record {
                Record::Checkpoint(machine) if is_beginning => {
                    let resumed = Resumed::new(machine);
                    resumed.observe(at, journal.begin + at, &mut tallies, &mut runs);
                    let without_spec = |command: Input<Program>| (at, command.map_spec(|_| ()));
                    commands.extend(resumed.commands.into_iter().map(without_spec));
                    (parked, began_at) = (resumed.parked, Some(at));
                }
                // It is the state that was reached, as nothing was lost.
                Record::Checkpoint(_) => {}
                Record::Lost { entries } => return missing(Problem::Lost(*entries)),
                Record::Input(_) if step.refused.is_some() => return missing(Problem::Refused),
                Record::Input(input) => {
                    tallies.input(at, input);
                    runs.input(at, input);
                    for output in step.outputs {
                        tallies.output(at, output);
                        runs.output(at, output);
                    }
                    // What was held in place of a rest is started as if it had only rested.
                    let is_released = |name: &Name| match &**input {
                        Input::Start { name: started } => name == started,
                        Input::StartService => true,
                        _ => false,
                    };
                    let released = parked.extract_if(.., |name| is_released(name));
                    commands.extend(released.map(|name| (at, Input::Release { name })));
                    if !matches!(**input, Input::Event(_) | Input::Timeout) {
                        commands.push((at, (**input).clone().map_spec(|_| ())));
                    }
                }
                _ => {}
            }
        }
        tallies.measure(length, replay.machine());
        let recorded = tallies.into_reports();
        Ok(Self { seed: journal.header().seed, length, began_at, commands, runs, recorded })
    }

    /// Returns the time of the checkpoint with which the rehearsal begins; `None` if it begins with the
    /// journal, whose beginning is there.
    pub fn began_at(&self) -> Option<Duration> {
        self.began_at
    }

    /// Returns the counts of the recorded processes, in the order in which they were added.
    pub fn recorded(&self) -> &[ProcessReport] {
        &self.recorded
    }

    /// Returns the names of the processes that are added, with the changes so far.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        let added = |(_, command): &'_ (Duration, Input<()>)| matches!(command, Input::Add { .. });
        let names = self.commands.iter().filter(move |command| added(command));
        names.filter_map(|(_, command)| command.name())
    }

    /// Returns the time of the last recorded input.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Returns the last definition of a process, with the changes so far; `None` if it was never added.
    pub fn definition(&self, name: &str) -> Option<&Definition<()>> {
        self.commands.iter().rev().find_map(|(_, command)| match command {
            Input::Add { name: known, definition } | Input::Replace { name: known, definition, .. }
                if *known == *name =>
            {
                Some(&**definition)
            }
            _ => None,
        })
    }

    /// Changes every definition of a process, and every policy that a command sets. Nothing is changed if no
    /// process has this name.
    pub fn change(&mut self, name: &str, change: impl Fn(&mut Definition<()>)) {
        for (_, command) in self.commands.iter_mut().filter(|(_, command)| has_name(command, name)) {
            match command {
                Input::Add { definition, .. } | Input::Replace { definition, .. } => change(definition),
                Input::SetPolicy { policy, .. } => {
                    let mut definition = Definition { policy: *policy, ..Definition::new(()) };
                    change(&mut definition);
                    *policy = definition.policy;
                }
                _ => {}
            }
        }
    }

    /// Uses these definitions, and leaves out the changes of definitions that were recorded. A process that
    /// is not among them is not added, and commands about it are left out. One that was not recorded is added
    /// at the beginning, and works.
    pub fn replace_definitions(&mut self, definitions: Vec<(Name, Definition<()>)>) {
        let find = |name: &str| definitions.iter().find(|(known, _)| *known == *name);
        let mut added = Vec::new();
        self.commands.retain_mut(|(_, command)| match command {
            Input::Replace { .. } | Input::SetPolicy { .. } => false,
            Input::Add { name, definition } => match find(name) {
                Some((name, new)) => {
                    **definition = new.clone();
                    added.push(name.clone());
                    true
                }
                None => false,
            },
            command => command.name().is_none_or(|name| find(name).is_some()),
        });
        let new = definitions.into_iter().filter(|(name, _)| !added.contains(name));
        let new = new.map(|(name, definition)| {
            (Duration::ZERO, Input::Add { name, definition: Box::new(definition) })
        });
        self.commands.splice(..0, new.collect::<Vec<_>>());
    }

    /// Returns the scenario: the commands, with the changes, and the behaviour of the recorded runs.
    pub fn scenario(&self) -> Scenario {
        let mut scenario = Scenario::new().length(self.length).seed(self.seed).without_service();
        for (at, command) in &self.commands {
            scenario = scenario.at(*at, Happening::Command(command.clone()));
        }
        let names: BTreeSet<&Name> = self.names().collect();
        for name in names {
            for behaviour in self.behaviours(name) {
                scenario = scenario.behaves(name.as_str(), behaviour);
            }
        }
        scenario
    }

    /// Returns what each recorded run of a process did, in the order of their starts, for
    /// [`Scenario::behaves`]; empty if the process never ran.
    pub fn behaviours(&self, name: &str) -> Vec<Behaviour> {
        self.runs.behaviours(name)
    }
}

fn has_name(command: &Input<()>, name: &str) -> bool {
    command.name().is_some_and(|known| **known == *name)
}

/// The error for a journal of which a part is missing, so that it cannot be rehearsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhatIfError {
    line: usize,
    at: Duration,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Lost(u64),
    Refused,
}

impl WhatIfError {
    /// Returns the number of the line of the journal, from 1; 0 if it was never in a file.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the time since the beginning of the journal.
    pub fn at(&self) -> Duration {
        self.at
    }
}

impl fmt::Display for WhatIfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot rehearse this journal: ")?;
        match self.problem {
            Problem::Lost(entries) => {
                write!(
                    f,
                    "{entries} entries are missing at line {}, because they could not be written",
                    self.line
                )
            }
            Problem::Refused => write!(
                f,
                "this version refuses the input in line {}; compare the decisions with `replay` first",
                self.line
            ),
        }
    }
}

impl Error for WhatIfError {}
