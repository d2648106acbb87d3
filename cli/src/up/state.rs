//! What the states of the processes mean for the whole: what is waited for, and whether anything can still
//! happen.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use childminder::{Name, Phase, Status, Until};

/// Whether a process is where it is meant to be: ready, completed, or held.
pub(crate) fn is_settled(status: &Status) -> bool {
    match status.phase {
        Phase::Up => status.ready_since.is_some(),
        Phase::Completed | Phase::Held => true,
        _ => false,
    }
}

/// Whether a process is down and is not started again without a command.
pub(crate) fn has_failed(status: &Status) -> bool {
    matches!(status.phase, Phase::Failed | Phase::GaveUp)
}

/// The states of all processes at one time.
#[derive(Debug)]
pub(crate) struct Overview {
    pub(crate) statuses: Vec<Status>,
    now: Instant,
}

impl Overview {
    pub(crate) fn new(statuses: Vec<Status>, now: Instant) -> Self {
        Self { statuses, now }
    }

    /// Whether no process runs or will run without a command. If one is held, a command is expected.
    pub(crate) fn is_over(&self) -> bool {
        let by_name = self.by_name();
        let is_over = |status: &Status| match status.phase {
            Phase::Completed | Phase::Failed | Phase::GaveUp => true,
            Phase::Blocked => self.is_hopeless(status, &by_name, self.statuses.len()),
            _ => false,
        };
        !self.statuses.is_empty() && self.statuses.iter().all(is_over)
    }

    /// Returns the process that makes the start of `name` impossible, if there is one.
    pub(crate) fn obstacle(&self, name: &str) -> Option<&Status> {
        let by_name = self.by_name();
        let status = by_name.get(name)?;
        if status.phase == Phase::Blocked && self.is_hopeless(status, &by_name, self.statuses.len()) {
            let on = status.blocked_on.as_ref()?;
            return by_name.get(on.on.as_str()).copied();
        }
        None
    }

    fn by_name(&self) -> BTreeMap<&str, &Status> {
        self.statuses.iter().map(|status| (status.name.as_str(), status)).collect()
    }

    /// Whether a blocked process waits for something that cannot happen. Dependencies have no circles, so a
    /// chain is at most as long as there are processes.
    fn is_hopeless(&self, status: &Status, by_name: &BTreeMap<&str, &Status>, depth: usize) -> bool {
        let Some(on) = &status.blocked_on else { return false };
        let Some(other) = by_name.get(on.on.as_str()) else { return true };
        match other.phase {
            Phase::Failed | Phase::GaveUp => true,
            Phase::Completed => on.until != Until::Completed,
            Phase::Blocked => depth > 0 && self.is_hopeless(other, by_name, depth - 1),
            _ => false,
        }
    }

    /// Returns a line for each process that is not yet where it is meant to be.
    pub(crate) fn pending(&self) -> Vec<String> {
        let pending = self.statuses.iter().filter(|status| !is_settled(status));
        pending.map(|status| format!("{}: {}", status.name, self.describe(status))).collect()
    }

    /// Returns a line for each process that is not down yet.
    pub(crate) fn stopping(&self) -> Vec<String> {
        let alive = self.statuses.iter().filter(|status| status.run.is_some());
        let describe = |status: &Status| match status.phase {
            Phase::Up | Phase::Starting => "is stopped after those that depend on it".to_owned(),
            _ => self.describe(status),
        };
        alive.map(|status| format!("{}: {}", status.name, describe(status))).collect()
    }

    /// Describes what a process does, and since or until when.
    pub(crate) fn describe(&self, status: &Status) -> String {
        let since = |at: Instant| seconds(self.now.saturating_duration_since(at));
        let until = |at: Instant| seconds(at.saturating_duration_since(self.now));
        match status.phase {
            Phase::Up if status.ready_since.is_some() => "ready".to_owned(),
            Phase::Up => match status.since {
                Some(at) => format!("started {} ago, not ready yet", since(at)),
                None => "not ready yet".to_owned(),
            },
            Phase::Blocked => match &status.blocked_on {
                Some(on) => format!("waits for {on}"),
                None => "blocked".to_owned(),
            },
            Phase::Waiting => {
                let last = status.last.as_ref().map(|last| format!("{last}, ")).unwrap_or_default();
                match status.next_start {
                    Some(at) => format!("{last}starts again in {}", until(at)),
                    None => format!("{last}starts again"),
                }
            }
            Phase::Stopping => match status.kill_at {
                Some(at) => format!("stopping, KILL in {}", until(at)),
                None => "stopping".to_owned(),
            },
            Phase::Failed | Phase::GaveUp => match &status.last {
                Some(last) => format!("{}, {last}", status.phase),
                None => status.phase.to_string(),
            },
            phase => phase.to_string(),
        }
    }
}

/// Formats a time in seconds, with a fraction below ten.
pub(crate) fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// Returns the names with everything that they depend on.
pub(crate) fn with_dependencies(names: &[Name], after: &BTreeMap<Name, Vec<Name>>) -> Vec<Name> {
    let mut all: Vec<Name> = Vec::new();
    let mut rest: Vec<Name> = names.to_vec();
    while let Some(name) = rest.pop() {
        if !all.contains(&name) {
            rest.extend(after.get(&name).into_iter().flatten().cloned());
            all.push(name);
        }
    }
    all
}
