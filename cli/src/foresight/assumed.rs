//! What a rehearsal assumes without a scenario: programs do what they did in a journal, or they work, with
//! two troubles for each of them.

use std::time::Duration;

use childminder::journal::WhatIf;
use childminder::testkit::rehearse::{Behaviour, Clock, Happening, Scenario};
use childminder::{Exit, Name, Restart, Signal};

use super::rehearse::{Plot, definition};
use crate::file::setting::Until;
use crate::file::{File, Process};
use crate::values::duration;

const START: Duration = Duration::from_millis(10);
const STOP: Duration = Duration::from_millis(100);
const READY: Duration = Duration::from_secs(1);
/// The time that a program takes which ends by itself.
const TASK: Duration = Duration::from_secs(10);
/// The longest time for which every start of a program fails.
const OUTAGE: Duration = Duration::from_secs(5 * 60);

/// The assumptions about recorded runs.
const RECORDED: [&str; 2] = [
    "the n-th run of a program does what its n-th recorded run did, and a further one what the last one did",
    "a run that was stopped would have lived on, and none depends on the time at which it starts",
];

/// The exit of a program that is killed by the system or by a person.
pub(super) const KILLED: Exit = Exit::Signal { signal: Signal::KILL, core: false };
/// The exit of a program that fails.
pub(super) const FAILED: Exit = Exit::Code(1);

/// The behaviour that is assumed of a process, and what is assumed of it in words: each with the key of a
/// scenario that says otherwise.
#[derive(Debug)]
pub(super) struct Assumed {
    /// The behaviours of the first, second and further runs.
    pub(super) behaviours: Vec<Behaviour>,
    facts: Vec<(&'static str, String)>,
    is_task: bool,
    /// The number of its runs in the journal.
    recorded: usize,
}

impl Assumed {
    /// Returns what is assumed of a process of `file`: what it did, or that it works.
    pub(super) fn of(process: &Process, file: &File, runs: Option<&WhatIf>) -> Self {
        match runs.map(|runs| runs.behaviours(&process.name)) {
            Some(behaviours) if !behaviours.is_empty() => {
                let recorded = behaviours.len();
                Self { behaviours, facts: Vec::new(), is_task: false, recorded }
            }
            _ => Self::works(process, file),
        }
    }

    fn works(process: &Process, file: &File) -> Self {
        let mut behaviour = Behaviour::new().start_takes(START).stop_takes(STOP);
        let mut facts = Vec::new();
        if let Some(timeout) = definition(process).and_then(|definition| definition.ready) {
            let ready = READY.min(timeout / 2);
            behaviour = behaviour.ready_after(ready);
            facts.push(("ready-after", format!("is ready {} after its start", duration::text(ready))));
        }
        let mut dependencies = file.entries.iter().flat_map(|entry| entry.after());
        let is_awaited =
            dependencies.any(|after| after.until == Until::Completed && *after.on.value == *process.name);
        let policy = process.spec.get_policy().unwrap_or_default();
        let is_task = policy.restart == Restart::Never || is_awaited;
        if is_task {
            behaviour = behaviour.lives(TASK).exits(Exit::success());
            facts.push(("lives", format!("exits with code 0 after {}", duration::text(TASK))));
        }
        Self { behaviours: vec![behaviour], facts, is_task, recorded: 0 }
    }

    /// Returns what is assumed, without that for which the scenario has a key: one of `said`.
    pub(super) fn in_words(&self, name: &Name, said: &[String]) -> Option<String> {
        let but = if said.is_empty() { String::new() } else { format!(", but for {}", said.join(", ")) };
        let is_said = |key: &str| said.iter().any(|said| said == key);
        let lasts = !is_said("lives") && self.behaviours.last().is_some_and(Behaviour::runs_until_stopped);
        let (which, last) = match self.recorded {
            0 => (String::new(), ""),
            1 => ("recorded run".to_owned(), ", which does not end by itself"),
            count => (format!("{count} recorded runs"), ", of which the last one does not end by itself"),
        };
        if self.recorded > 0 {
            return Some(format!("{name} does as in its {which}{}{but}", if lasts { last } else { "" }));
        }
        let facts = self.facts.iter().filter(|(key, _)| !is_said(key)).map(|(_, fact)| &**fact);
        let facts: Vec<&str> = facts.collect();
        (!facts.is_empty()).then(|| format!("{name} {}", facts.join(", ")))
    }
}

/// Returns what is assumed of all processes together.
pub(super) fn of_all(assumed: &[Assumed], has_scenario: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let is_recorded = |assumed: &Assumed| assumed.recorded > 0;
    let has_recorded = assumed.iter().any(is_recorded);
    if has_recorded {
        lines.extend(RECORDED.map(str::to_owned));
    }
    if !assumed.iter().all(is_recorded) {
        let whose = if has_recorded { " of a program without recorded runs" } else { "" };
        let unless = if has_scenario { ", if the scenario says nothing else" } else { "" };
        let (start, stop) = (duration::text(START), duration::text(STOP));
        lines.push(format!("every start{whose} takes {start}, and every stop {stop}{unless}"));
    }
    lines
}

/// Makes each process without recorded runs crash once, and fail for a while later, one after the other.
pub(super) fn plot(
    mut scenario: Scenario,
    assumed: Vec<Assumed>,
    processes: &[Process],
    length: Duration,
) -> Plot {
    let is_troubled =
        |process: &Process, assumed: &Assumed| !assumed.is_task && !process.hold && assumed.recorded == 0;
    let troubled = processes.iter().zip(&assumed).filter(|(process, assumed)| is_troubled(process, assumed));
    let slot = length / u32::try_from(2 * troubled.count() + 1).unwrap_or(u32::MAX);
    let outage = OUTAGE.min(slot / 2);
    let mut time = slot / 2;
    let mut assumptions = of_all(&assumed, false);
    for (process, mut assumed) in processes.iter().zip(assumed) {
        let name = process.name.clone();
        if process.hold {
            assumed.facts.push(("", "is held".to_owned()));
        } else if is_troubled(process, &assumed) {
            let (crash, breaks) = (time, time + slot);
            time = breaks + slot;
            scenario = scenario
                .at(crash, Happening::Exits { name: name.clone(), exit: KILLED })
                .at(breaks, Happening::Breaks { name: name.clone(), exit: FAILED, lasts: outage });
            assumed.facts.push(("", format!("is killed at {}", Clock(crash))));
            let lasts = duration::text(outage);
            assumed.facts.push(("", format!("cannot run from {} for {lasts}", Clock(breaks))));
        }
        assumptions.extend(assumed.in_words(&name, &[]));
        for behaviour in assumed.behaviours {
            scenario = scenario.behaves(&*name, behaviour);
        }
    }
    Plot { scenario, length, seed: 0, assumptions }
}
