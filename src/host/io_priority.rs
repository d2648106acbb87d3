//! The priority of disk accesses.

use std::fmt;

/// The lowest priority within a class.
pub(super) const LOWEST_LEVEL: u8 = 7;

/// The priority of the disk accesses of a process on Linux, as `ionice` sets it. It matters only with an I/O
/// scheduler that knows priorities, such as BFQ.
///
/// ```
/// use childminder::Spec;
/// use childminder::host::IoPriority;
///
/// let backup = Spec::new("backup").io_priority(IoPriority::Idle).nice(19);
/// assert_eq!(backup.get_io_priority(), Some(IoPriority::Idle));
/// assert!(backup.io_priority(IoPriority::BestEffort(8)).check().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IoPriority {
    /// Before all others. The level is from 0, the highest, to 7. Only root may use it.
    RealTime(u8),
    /// In turn with others, which is what processes do without a priority of their own. The level is from 0,
    /// the highest, to 7.
    BestEffort(u8),
    /// Only when no other process accesses the disk.
    Idle,
}

impl IoPriority {
    /// Returns the priority within the class, from 0, the highest.
    pub(crate) fn level(self) -> u8 {
        match self {
            Self::RealTime(level) | Self::BestEffort(level) => level,
            Self::Idle => LOWEST_LEVEL,
        }
    }
}

/// The class and the level.
impl fmt::Display for IoPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RealTime(level) => write!(f, "real-time {level}"),
            Self::BestEffort(level) => write!(f, "best-effort {level}"),
            Self::Idle => f.write_str("idle"),
        }
    }
}
