//! What a rehearsal has shown.

use std::fmt;
use std::time::Duration;

use crate::machine::{Name, Notice, Phase};

/// The result of a [`Scenario`](super::Scenario).
///
/// Displayed with one line for each process.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    pub(super) length: Duration,
    pub(super) processes: Vec<ProcessReport>,
    pub(super) notices: Vec<(Duration, Notice)>,
    pub(super) omitted: u64,
    pub(super) inputs: u64,
    pub(super) cut: Option<Duration>,
    pub(super) stop: Option<Duration>,
    pub(super) refused: Vec<(Duration, String)>,
}

/// The counts of a process in a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessReport {
    /// The name of the process.
    pub name: Name,
    /// The number of its starts, also of those that failed.
    pub starts: u64,
    /// The number of its starts after the first one.
    pub restarts: u64,
    /// The number of its failures: exits without being asked to that are no
    /// [success](crate::Policy::success), starts that failed, runs that were not ready in time, and runs that
    /// became unhealthy.
    pub failures: u64,
    /// When it was ready for the first time.
    pub first_ready: Option<Duration>,
    /// The time in which it was wanted and not ready. A process is wanted from the start of the service to
    /// its stop by a command, unless it is held or has completed. So this includes the time until its first
    /// readiness, and the time after it was given up.
    pub downtime: Duration,
    /// The number of separate periods in `downtime`.
    pub outages: u64,
    /// The longest of these periods.
    pub longest_outage: Duration,
    /// When the longest of these periods began.
    pub longest_outage_at: Option<Duration>,
    /// Each time that it was given up.
    pub given_up: Vec<GivenUp>,
    /// The number of times that its supervisor has sent KILL.
    pub kills: u64,
    /// The longest time from a stop signal or KILL to the end of a run.
    pub longest_stop: Option<Duration>,
    /// Its phase after the [length](super::Scenario::length) of the scenario, before the service is stopped.
    pub phase: Phase,
}

/// A process that is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GivenUp {
    /// When it was given up.
    pub at: Duration,
    /// The notice, without the name, such as `is given up after 3 failures in a row`.
    pub notice: String,
    /// The notice of its last failure, such as `exited with code 1 after 40 ms`.
    pub last: String,
}

impl Rehearsal {
    /// Returns the time that was rehearsed.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Returns the processes, in the order in which they were added.
    pub fn processes(&self) -> &[ProcessReport] {
        &self.processes
    }

    /// Returns a process; `None` if there was none with this name.
    pub fn process(&self, name: &str) -> Option<&ProcessReport> {
        self.processes.iter().find(|process| process.name == *name)
    }

    /// Returns the notices that an operator would have seen, with their times. At most
    /// [`max_notices`](super::Scenario::max_notices) are kept, the first ones.
    pub fn notices(&self) -> &[(Duration, Notice)] {
        &self.notices
    }

    /// Returns the number of notices that were not kept.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Returns the notices as text, each on a line with its time.
    pub fn log(&self) -> String {
        self.notices.iter().map(|(at, notice)| format!("{} {notice}\n", Clock(*at))).collect()
    }

    /// Returns the number of inputs that the machine has handled.
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Returns when the rehearsal ended early, because processes die and are restarted without a delay;
    /// `None` if it did not.
    pub fn cut(&self) -> Option<Duration> {
        self.cut
    }

    /// Returns the time from the stop of the service to the end of the last run; `None` if the scenario is
    /// [without a service](super::Scenario::without_service) or was cut.
    pub fn stop_time(&self) -> Option<Duration> {
        self.stop
    }

    /// Returns the commands of the scenario that the machine has refused, with their times and the reasons.
    pub fn refused(&self) -> &[(Duration, String)] {
        &self.refused
    }
}

impl fmt::Display for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, process) in self.processes.iter().enumerate() {
            write!(f, "{}{process}", if index == 0 { "" } else { "\n" })?;
        }
        match self.cut {
            Some(at) => write!(f, "\nends at {}, as processes die and restart without a delay", Clock(at)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ProcessReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, restarts, failures, downtime, longest_outage, given_up, phase, .. } = self;
        write!(f, "{name}: {phase}, {restarts} restarts, {failures} failures, down for {downtime:?}")?;
        if !longest_outage.is_zero() {
            write!(f, ", at most {longest_outage:?} at a time")?;
        }
        for GivenUp { at, notice, .. } in given_up {
            write!(f, ", {notice} at {}", Clock(*at))?;
        }
        Ok(())
    }
}

/// Displays a time since the beginning of a rehearsal, such as `00:00:40.000` or `1d 07:30:00.000`. A
/// fraction of a millisecond is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clock(pub Duration);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        if days > 0 {
            write!(f, "{days}d ")?;
        }
        write!(f, "{hours:02}:{minutes:02}:{:02}.{:03}", seconds % 60, self.0.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_with_days_only_if_there_are_any() {
        for (millis, expected) in
            [(0, "00:00:00.000"), (40_007, "00:00:40.007"), (113_400_000, "1d 07:30:00.000")]
        {
            assert_eq!(Clock(Duration::from_millis(millis)).to_string(), expected);
        }
    }
}
