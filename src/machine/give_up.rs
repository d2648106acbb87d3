//! When a process that fails repeatedly is given up.

use std::fmt;
use std::time::Duration;

/// When a process is given up. Part of the [`Policy`](super::Policy).
///
/// A failure is an exit that is not in [`success`](super::Policy::success), a start that failed, a run that
/// was not ready in time, or one that became unhealthy. A run that was asked to end is none. The process is
/// given up at its failure number `failures`:
///
/// - with `within`, if the first of the last `failures` failures was at most `within` ago. Every failure
///   counts, however long the run was.
/// - without it, if there was no success and no run between them that was long enough to reset the delay. A
///   run of that length starts the count over, also if it ends in a failure.
///
/// [`start_process`](super::Machine::start_process) starts a process that was given up, and the count from
/// zero. Starts by hand never count.
///
/// ```
/// use std::time::Duration;
/// use childminder::Policy;
/// use childminder::machine::{GiveUp, OnGiveUp};
///
/// // Given up at the fifth failure in a minute.
/// let give_up = GiveUp { failures: 5, within: Some(Duration::from_secs(60)), then: OnGiveUp::StayDown };
/// let policy = Policy { give_up: Some(give_up), ..Policy::default() };
/// assert!(policy.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GiveUp {
    /// The number of failures, from 1 to [`MAX_FAILURES`](Self::MAX_FAILURES).
    pub failures: u32,
    /// The length of the sliding window in which they count; `None` for failures in a row. It may not be
    /// zero.
    pub within: Option<Duration>,
    /// The consequence.
    pub then: OnGiveUp,
}

impl GiveUp {
    /// The maximum of `failures`: 10,000. The machine keeps the time of each.
    pub const MAX_FAILURES: u32 = 10_000;
}

/// The consequence.when a process is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnGiveUp {
    /// The process stays down, and everything else goes on.
    #[default]
    StayDown,
    /// The service is stopped with all its processes.
    StopAll,
}

impl fmt::Display for OnGiveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::StayDown => "stay-down",
            Self::StopAll => "stop-all",
        })
    }
}
