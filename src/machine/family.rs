//! What is known about the processes of a run besides the one that was started.

use std::fmt;

/// The reliability with which the processes that a program starts are found, and with it the reach of a stop.
///
/// A later variant includes fewer processes than an earlier one, but compares as smaller:
/// `Group < Family < Subreaper < Cgroup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Containment {
    /// The members of the process group. A descendant that changes its group or session is not found.
    Group,
    /// The descendants that `/proc` shows: by their parent, by a session or group that a known member leads,
    /// or by the mark that every run leaves in the environment and in a resource limit of its processes.
    Family,
    /// Like `Family`, and orphans become children of this process instead of init, so that none is reaped
    /// unseen.
    Subreaper,
    /// Every descendant, exactly: the run has a control group of its own.
    Cgroup,
}

impl fmt::Display for Containment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Group => "group",
            Self::Family => "family",
            Self::Subreaper => "subreaper",
            Self::Cgroup => "cgroup",
        })
    }
}

/// A containment tier that was requested and is not available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainmentError {
    requested: Containment,
    missing: String,
}

impl ContainmentError {
    pub(crate) fn new(requested: Containment, missing: impl Into<String>) -> Self {
        Self { requested, missing: missing.into() }
    }

    /// Returns the requested tier.
    pub fn requested(&self) -> Containment {
        self.requested
    }

    /// Returns what the system lacks for it.
    pub fn missing(&self) -> &str {
        &self.missing
    }
}

impl fmt::Display for ContainmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "containment `{}` is not available; missing: {}", self.requested, self.missing)
    }
}

impl std::error::Error for ContainmentError {}

/// Which processes of a run receive a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignalTarget {
    /// Only the process that was started.
    Leader,
    /// The process group, and the leader in case it has left it.
    Group,
    /// Every process of the run that the [`Containment`] finds.
    Family,
}

/// A process of a run that is still alive after KILL, and the reason as far as the system shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SurvivingProcess {
    /// The process id.
    pub pid: u32,
    /// The command line, with control characters escaped; the name in brackets if there is no command line.
    /// Empty if neither can be read.
    pub command: String,
    /// The reason.
    pub reason: SurvivalReason,
}

/// Why a process survives KILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SurvivalReason {
    /// It belongs to another user, whose processes this one may not signal.
    OtherUser,
    /// It waits inside the kernel (state D), for example for a disk or a network file system.
    KernelWait,
    /// KILL is pending, and the process ends when it gets a CPU.
    KillPending,
    /// No reason is visible.
    OutOfReach,
}

impl SurvivingProcess {
    /// Creates a description.
    pub fn new(pid: u32, command: impl Into<String>, reason: SurvivalReason) -> Self {
        Self { pid, command: command.into(), reason }
    }
}

impl fmt::Display for SurvivingProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, command, reason } = self;
        write!(f, "pid {pid}")?;
        if !command.is_empty() {
            write!(f, " `{command}`")?;
        }
        match reason {
            SurvivalReason::OutOfReach => Ok(()),
            reason => write!(f, " ({reason})"),
        }
    }
}

impl fmt::Display for SurvivalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OtherUser => "another user's process",
            Self::KernelWait => "waiting inside the kernel",
            Self::KillPending => "KILL is pending",
            Self::OutOfReach => "out of reach",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiers_are_ordered_by_their_reach() {
        let tiers = [Containment::Group, Containment::Family, Containment::Subreaper, Containment::Cgroup];
        assert!(tiers.is_sorted());
        assert_eq!(tiers.map(|tier| tier.to_string()).join(" "), "group family subreaper cgroup");
    }

    #[test]
    fn a_survivor_is_described_with_what_is_known() {
        let survivor = |command, reason| SurvivingProcess::new(7, command, reason).to_string();
        assert_eq!(survivor("", SurvivalReason::OutOfReach), "pid 7");
        assert_eq!(survivor("nfsd", SurvivalReason::KernelWait), "pid 7 `nfsd` (waiting inside the kernel)");
    }
}
