//! What the states of the processes mean for the whole: what is waited for, and whether anything can still
//! happen.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};

use childminder::{Name, Phase, Status, Until};

/// The shortest time between two looks at all processes, so that the start of many of them is not slowed.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

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

/// The number of processes that are named in a report. The others are counted.
const LISTED: usize = 8;

/// The conditions under which processes are ready, as texts.
pub(crate) type Conditions = BTreeMap<Name, String>;

/// The states of all processes at one time.
#[derive(Debug)]
pub(crate) struct Overview {
    pub(crate) statuses: Vec<Status>,
    conditions: Rc<Conditions>,
    now: Instant,
}

impl Overview {
    pub(crate) fn new(statuses: Vec<Status>, conditions: Rc<Conditions>, now: Instant) -> Self {
        Self { statuses, conditions, now }
    }

    /// Whether no process runs or will run without a command. If one is held, a command is expected.
    pub(crate) fn is_over(&self) -> bool {
        let mut obstacles = Obstacles::new(&self.statuses);
        let mut statuses = self.statuses.iter();
        !self.statuses.is_empty()
            && statuses.all(|status| match status.phase {
                Phase::Completed | Phase::Failed | Phase::GaveUp => true,
                Phase::Blocked => obstacles.find(status).is_some(),
                _ => false,
            })
    }

    /// Returns the processes that can never be started as things are.
    pub(crate) fn obstacles(&self) -> Obstacles<'_> {
        Obstacles::new(&self.statuses)
    }

    /// Returns the number of processes that are not yet where they are meant to be.
    pub(crate) fn count_pending(&self) -> usize {
        self.statuses.iter().filter(|status| !is_settled(status)).count()
    }

    /// Returns a line for each process that is not yet where it is meant to be, as far as they are listed.
    pub(crate) fn pending(&self) -> Vec<String> {
        self.list(self.statuses.iter().filter(|status| !is_settled(status)), Self::describe)
    }

    /// Returns a line for each process that is not down yet, as far as they are listed.
    pub(crate) fn stopping(&self) -> Vec<String> {
        let alive = self.statuses.iter().filter(|status| status.run.is_some());
        self.list(alive, |overview, status| match status.phase {
            Phase::Up | Phase::Starting => "is stopped after those that depend on it".to_owned(),
            _ => overview.describe(status),
        })
    }

    /// Describes the first of these processes, and counts the others.
    pub(crate) fn list<'a>(
        &'a self,
        statuses: impl Iterator<Item = &'a Status>,
        describe: impl Fn(&Self, &Status) -> String,
    ) -> Vec<String> {
        let mut statuses = statuses.peekable();
        let mut lines = Vec::new();
        while lines.len() < LISTED
            && let Some(status) = statuses.next()
        {
            lines.push(format!("{}: {}", status.name, describe(self, status)));
        }
        match statuses.next() {
            // A line about the only other one is as short as its name.
            Some(last) if statuses.peek().is_none() => {
                lines.push(format!("{}: {}", last.name, describe(self, last)));
            }
            Some(_) => lines.push(format!("… and {} more", 1 + statuses.count())),
            None => {}
        }
        lines
    }

    /// Describes what a process does, and since or until when.
    pub(crate) fn describe(&self, status: &Status) -> String {
        let since = |at: Instant| seconds(self.now.saturating_duration_since(at));
        let until = |at: Instant| seconds(at.saturating_duration_since(self.now));
        match status.phase {
            Phase::Up if status.ready_since.is_some() => "ready".to_owned(),
            Phase::Up => {
                let condition = self.conditions.get(&status.name);
                let waits =
                    condition.map_or_else(|| "not ready yet".to_owned(), |on| format!("waits for {on}"));
                match status.since {
                    Some(at) => format!("{waits}, started {} ago", since(at)),
                    None => waits,
                }
            }
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

/// Finds the processes that can never be started as things are, because of what they depend on.
#[derive(Debug)]
pub(crate) struct Obstacles<'a> {
    by_name: HashMap<&'a str, &'a Status>,
    /// Whether a blocked process waits for something that cannot happen, for those that were looked at.
    verdicts: HashMap<&'a str, bool>,
}

impl<'a> Obstacles<'a> {
    fn new(statuses: &'a [Status]) -> Self {
        let by_name = statuses.iter().map(|status| (status.name.as_str(), status)).collect();
        Self { by_name, verdicts: HashMap::new() }
    }

    /// Returns the dependency that makes the start of a process impossible, if there is one: its name, and
    /// its state if it exists.
    pub(crate) fn find(&mut self, status: &'a Status) -> Option<(&'a str, Option<&'a Status>)> {
        let on = status.blocked_on.as_ref().filter(|_| status.phase == Phase::Blocked)?;
        let on = on.on.as_str();
        self.is_hopeless(status).then(|| (on, self.by_name.get(on).copied()))
    }

    /// Follows a chain of blocked processes to its end. All of them share the verdict.
    fn is_hopeless(&mut self, status: &'a Status) -> bool {
        let mut chain = Vec::new();
        let mut current = status;
        let verdict = loop {
            if let Some(known) = self.verdicts.get(current.name.as_str()) {
                break *known;
            }
            chain.push(current.name.as_str());
            let Some(on) = &current.blocked_on else { break false };
            let Some(other) = self.by_name.get(on.on.as_str()).copied() else { break true };
            match other.phase {
                Phase::Failed | Phase::GaveUp => break true,
                Phase::Completed => break on.until != Until::Completed,
                // The monitor has refused circles.
                Phase::Blocked if chain.len() <= self.by_name.len() => current = other,
                _ => break false,
            }
        };
        self.verdicts.extend(chain.into_iter().map(|name| (name, verdict)));
        verdict
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

#[cfg(test)]
mod tests {
    use childminder::testkit::Sim;
    use childminder::{ProcessMonitor, Spec};

    use super::*;

    /// Returns the overview of processes of which each one waits for the one before it. The first one waits
    /// for a process that is not there.
    fn chain(length: usize) -> Overview {
        let (monitor, _driver) = ProcessMonitor::new(Sim::new());
        for number in 0..length {
            monitor.add_process(&format!("p{number}"), Spec::new("x")).unwrap();
        }
        let mut statuses = monitor.statuses();
        for (number, status) in statuses.iter_mut().enumerate() {
            let on = if number == 0 { "none".to_owned() } else { format!("p{}", number - 1) };
            let on = on.parse().unwrap();
            status.phase = Phase::Blocked;
            status.blocked_on = Some(childminder::machine::Dependency::new(on, Until::Ready));
        }
        Overview::new(statuses, Rc::default(), monitor.now())
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a search for each process would take many minutes")]
    fn f_287_what_can_never_start_is_found_without_a_search_for_each_process() {
        let begin = Instant::now();
        let overview = chain(20_000);
        assert!(overview.is_over());
        let mut obstacles = overview.obstacles();
        for status in &overview.statuses {
            let (on, state) = obstacles.find(status).unwrap();
            assert_eq!(
                (on, state.is_some()),
                (status.blocked_on.as_ref().unwrap().on.as_str(), status.name != "p0")
            );
        }
        // A search for each of them takes many minutes.
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    }

    #[test]
    fn a_report_names_some_processes_and_counts_the_others() {
        assert_eq!(chain(2).pending(), ["p0: waits for none (ready)", "p1: waits for p0 (ready)"]);
        for (count, last) in
            [(9, "p8: waits for p7 (ready)"), (10, "… and 2 more"), (1_000, "… and 992 more")]
        {
            let overview = chain(count);
            let pending = overview.pending();
            assert_eq!((pending.len(), pending.last().map(String::as_str)), (LISTED + 1, Some(last)));
            assert_eq!(overview.count_pending(), count);
        }
    }
}
