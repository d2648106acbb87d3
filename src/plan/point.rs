//! A point of a run at which a process can be made to crash.

use super::planned::Planned;
use crate::machine::Stream;

/// Where in a run a process crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CrashPoint {
    /// When this step begins; the first one is 1.
    Step(usize),
    /// When it has written so many lines to this stream.
    Line {
        /// Which of its streams.
        stream: Stream,
        /// How many lines.
        line: u64,
    },
}

/// Who crashes, where, and what then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crash {
    pub(super) process: Planned,
    pub(super) point: CrashPoint,
    pub(super) after: After,
}

/// What becomes of a process that has crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It is started again at once, and stands for the one that has crashed.
    Restart,
    /// It stays dead, and whatever end is expected of it, this one will do.
    StaysDead,
}
