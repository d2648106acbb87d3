//! The difference between a file and what is running, and what a reload does about it.

use childminder::{Name, Phase, Status};

use crate::control::protocol::{Change, Changes, Effect};
use crate::file::setting::Entry;
use crate::file::{Process, is_policy_key};

/// The keys that are about `up` itself, and not about the program or its restarts.
const OF_UP: [&str; 2] = ["log", "hold"];

/// The differences between two versions of a file.
#[derive(Debug)]
pub(crate) struct Comparison {
    added: Vec<Name>,
    removed: Vec<Name>,
    /// The processes with other settings, and the keys of those.
    changed: Vec<(Name, Vec<&'static str>)>,
    unchanged: usize,
}

/// The processes of two versions of a file. Nothing was opened for them.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) old: Vec<Process>,
    pub(crate) new: Vec<Process>,
}

/// The way in which a new version of a process is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// There is nothing to apply to the monitor, or only a hold.
    Nothing,
    /// The new policy is set.
    Policy,
    /// The spec is replaced.
    Spec,
}

impl Way {
    /// Returns the way for settings of which these keys have changed.
    pub(crate) fn of(keys: &[impl AsRef<str>]) -> Self {
        let keys = || keys.iter().map(AsRef::as_ref).filter(|key| !OF_UP.contains(key));
        if keys().next().is_none() {
            Self::Nothing
        } else if keys().all(is_policy_key) {
            Self::Policy
        } else {
            Self::Spec
        }
    }
}

impl Comparison {
    /// Compares two versions of a file. Only the settings count, not their places or comments.
    pub(crate) fn new(old: &[Entry], new: &[Entry]) -> Self {
        let find = |entries: &[Entry], name: &Name| entries.iter().position(|entry| entry.name == *name);
        let mut comparison =
            Self { added: Vec::new(), removed: Vec::new(), changed: Vec::new(), unchanged: 0 };
        for entry in new {
            match find(old, &entry.name).map(|index| old[index].changes(entry)) {
                None => comparison.added.push(entry.name.clone()),
                Some(keys) if keys.is_empty() => comparison.unchanged += 1,
                Some(keys) => comparison.changed.push((entry.name.clone(), keys)),
            }
        }
        let is_gone = |entry: &&Entry| find(new, &entry.name).is_none();
        comparison.removed = old.iter().filter(is_gone).map(|entry| entry.name.clone()).collect();
        comparison
    }

    /// Whether a process of the new version is another one than before.
    pub(crate) fn touches(&self, name: &Name) -> bool {
        self.added.contains(name) || self.changed.iter().any(|(changed, _)| changed == name)
    }

    /// Returns the changes with their effects on processes in their present states.
    pub(crate) fn changes(&self, programs: &Programs, status: impl Fn(&Name) -> Option<Status>) -> Changes {
        let names = |names: &[Name]| names.iter().map(ToString::to_string).collect();
        let change = |(name, keys): &(Name, Vec<&'static str>)| Change {
            name: name.to_string(),
            effect: effect(name, keys, programs, status(name).as_ref()),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        Changes {
            added: names(&self.added),
            removed: names(&self.removed),
            changed: self.changed.iter().map(change).collect(),
            unchanged: self.unchanged,
        }
    }
}

/// Returns what happens to a process when these settings of it change.
fn effect(name: &Name, keys: &[&str], programs: &Programs, status: Option<&Status>) -> Effect {
    let find = |list: &'_ [Process]| list.iter().position(|process| process.name == *name);
    let (Some(old), Some(new)) = (find(&programs.old), find(&programs.new)) else { return Effect::None };
    let (old, new) = (&programs.old[old], &programs.new[new]);
    let has_run = status.is_some_and(|status| status.run.is_some());
    if keys.contains(&"hold") {
        return match new.hold {
            true if has_run => Effect::Stop,
            true => Effect::None,
            false => Effect::Start,
        };
    }
    // Specs with open descriptors are never equal.
    let is_same = !old.opens && !new.opens && old.spec.starts_same_program(&new.spec);
    let is_other = Way::of(keys) == Way::Spec && !is_same;
    let Some(status) = status.filter(|status| is_other && !status.held) else { return Effect::None };
    match status.phase {
        _ if has_run => Effect::Restart,
        // It has not been started yet, and waits for the same as before.
        Phase::Blocked | Phase::Down => Effect::None,
        _ => Effect::Start,
    }
}
