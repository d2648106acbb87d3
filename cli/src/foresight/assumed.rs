//! What a rehearsal assumes without a scenario: programs that work, and two troubles for each of them.

use std::time::Duration;

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

/// The exit of a program that is killed by the system or by a person.
pub(super) const KILLED: Exit = Exit::Signal { signal: Signal::KILL, core: false };
/// The exit of a program that fails.
pub(super) const FAILED: Exit = Exit::Code(1);

/// The behaviour that is assumed of a process, and what is assumed of it in words: each with the key of a
/// scenario that says otherwise.
#[derive(Debug)]
pub(super) struct Assumed {
    pub(super) behaviour: Behaviour,
    facts: Vec<(&'static str, String)>,
    is_task: bool,
}

impl Assumed {
    /// Returns what is assumed of a process of `file`.
    pub(super) fn of(process: &Process, file: &File) -> Self {
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
        Self { behaviour, facts, is_task }
    }

    /// Returns what is assumed, without that for which `is_said`.
    pub(super) fn in_words(&self, name: &Name, is_said: impl Fn(&str) -> bool) -> Option<String> {
        let facts = self.facts.iter().filter(|(key, _)| !is_said(key)).map(|(_, fact)| &**fact);
        let facts: Vec<&str> = facts.collect();
        (!facts.is_empty()).then(|| format!("{name} {}", facts.join(", ")))
    }
}

/// Returns what is assumed of every process.
pub(super) fn of_all() -> String {
    format!("every start takes {}, and every stop {}", duration::text(START), duration::text(STOP))
}

/// Makes each process crash once, and fail for a while later, one after the other.
pub(super) fn plot(mut scenario: Scenario, file: &File, processes: &[Process], length: Duration) -> Plot {
    let assumed: Vec<Assumed> = processes.iter().map(|process| Assumed::of(process, file)).collect();
    let is_troubled = |process: &Process, assumed: &Assumed| !assumed.is_task && !process.hold;
    let troubled = processes.iter().zip(&assumed).filter(|(process, assumed)| is_troubled(process, assumed));
    let slot = length / u32::try_from(2 * troubled.count() + 1).unwrap_or(u32::MAX);
    let outage = OUTAGE.min(slot / 2);
    let mut time = slot / 2;
    let mut assumptions = vec![of_all()];
    for (process, mut assumed) in processes.iter().zip(assumed) {
        let name = process.name.clone();
        if process.hold {
            assumed.facts.push(("", "is held".to_owned()));
        } else if !assumed.is_task {
            let (crash, breaks) = (time, time + slot);
            time = breaks + slot;
            scenario = scenario
                .at(crash, Happening::Exits { name: name.clone(), exit: KILLED })
                .at(breaks, Happening::Breaks { name: name.clone(), exit: FAILED, lasts: outage });
            assumed.facts.push(("", format!("is killed at {}", Clock(crash))));
            let lasts = duration::text(outage);
            assumed.facts.push(("", format!("cannot run from {} for {lasts}", Clock(breaks))));
        }
        assumptions.extend(assumed.in_words(&name, |_| false));
        scenario = scenario.behaves(&*name, assumed.behaviour);
    }
    Plot { scenario, length, seed: 0, assumptions }
}
