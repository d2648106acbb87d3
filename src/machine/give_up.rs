//! When a process that fails repeatedly is given up.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

/// When a process is given up. Part of the [`Policy`](super::Policy).
///
/// A failure is an exit that is not in [`success`](super::Policy::success), a start that failed, a run that
/// was not ready in time, or one that became unhealthy. A run that was asked to end is none. The process is
/// given up at its failure number `failures`:
///
/// - with `within`, if the first of the last `failures` failures was at most `within` ago. Every failure
///   counts, however long the run was.
/// - without it, if there was no success between them, and no run that was long enough to reset the delay. A
///   failure of such a run is the first of a new row with
///   [`LongRun::FirstDelay`](super::LongRun::FirstDelay); with [`LongRun::AtOnce`](super::LongRun::AtOnce) it
///   does not count.
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

/// The consequence when a process is given up.
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

/// The failures of one process.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    /// The number of runs in a row after which the delay has grown.
    pub(super) growths: u32,
    /// The number of failures in a row.
    pub(super) row: u32,
    /// The times of the failures in the window, if the policy has one.
    pub(super) window: Option<Box<Window>>,
}

/// The times of failures, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Window(pub(super) VecDeque<Instant>);

impl Failures {
    /// Lets the delay grow.
    pub(super) fn grow(&mut self) {
        self.growths = self.growths.saturating_add(1);
    }

    /// Notes a run that was long enough: the delay and the failures in a row start over.
    pub(super) fn reset(&mut self) {
        (self.growths, self.row) = (0, 0);
    }

    /// Notes a success.
    pub(super) fn succeeded(&mut self) {
        self.row = 0;
    }

    /// Counts a failure at `at`, if `in_row` also for those in a row. Returns whether the process is given
    /// up.
    pub(super) fn failed(&mut self, give_up: Option<GiveUp>, in_row: bool, at: Instant) -> bool {
        if in_row {
            self.row = self.row.saturating_add(1);
        }
        match give_up {
            None => false,
            Some(GiveUp { failures, within: None, .. }) => self.row >= failures,
            Some(GiveUp { failures, within: Some(within), .. }) => {
                let Window(window) = &mut **self.window.get_or_insert_default();
                while window.front().is_some_and(|first| at.saturating_duration_since(*first) > within) {
                    window.pop_front();
                }
                window.push_back(at);
                window.len() >= failures as usize
            }
        }
    }

    /// Returns the number of failures that count for `give_up`, or in a row.
    pub(super) fn count(&self, give_up: Option<GiveUp>) -> u32 {
        match (give_up.and_then(|give_up| give_up.within), &self.window) {
            (Some(_), Some(window)) => u32::try_from(window.0.len()).unwrap_or(u32::MAX),
            (Some(_), None) => 0,
            (None, _) => self.row,
        }
    }

    /// Starts the count over.
    pub(super) fn start_over(&mut self) {
        self.row = 0;
        self.window = None;
    }
}
