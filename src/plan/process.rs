//! The processes of a plan while it is built: references to them, and how they are expected to end.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::machine::{Exit, Signal};

/// A reference to a process of a [`Plan`](crate::Plan), returned by [`spawn`](crate::Plan::spawn) and taken
/// by later steps.
///
/// It is a small number that can be copied. A plan rejects the references of other plans.
///
/// ```
/// use childminder::plan::ProcessRef;
/// use childminder::{Exit, Plan};
///
/// let mut plan = Plan::new("example")?;
/// let hello: ProcessRef = plan.spawn(["echo", "hello"])?;
/// plan.wait(hello, Exit::success())?;
/// # Ok::<(), childminder::PlanError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessRef {
    plan: PlanId,
    index: usize,
}

/// A number that no other plan of this program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PlanId(u64);

/// The exit status that a plan expects of a process. It is exact: code 0 and no other code, TERM and no other
/// signal.
///
/// Exit codes, signals and exit statuses convert to it:
///
/// ```
/// use childminder::plan::Expected;
/// use childminder::{Exit, Signal};
///
/// assert_eq!(Expected::from(0), Expected::from(Exit::success()));
/// assert!(Expected::from(Signal::TERM).is_met_by(Exit::Signal { signal: Signal::TERM, core: false }));
/// assert!(!Expected::from(Signal::TERM).is_met_by(Exit::Code(0)));
/// assert!(Exit::any().is_met_by(Exit::Code(3)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expected {
    /// Any exit status.
    Any,
    /// This exit code.
    Code(i32),
    /// Death by this signal, with or without a core dump.
    Signal(Signal),
}

impl PlanId {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl ProcessRef {
    pub(super) fn new(plan: PlanId, index: usize) -> Self {
        Self { plan, index }
    }

    pub(super) fn plan(self) -> PlanId {
        self.plan
    }

    /// Returns the index of the process in the script.
    pub(super) fn index(self) -> usize {
        self.index
    }
}

impl Expected {
    /// Returns whether a process that ended with `exit` ended as expected.
    pub fn is_met_by(self, exit: Exit) -> bool {
        match (self, exit) {
            (Self::Any, _) => true,
            (Self::Code(expected), Exit::Code(code)) => expected == code,
            (Self::Signal(expected), Exit::Signal { signal, core: _ }) => expected == signal,
            (Self::Code(_) | Self::Signal(_), _) => false,
        }
    }
}

impl Exit {
    /// Returns the expectation that accepts any exit status, for a [`Plan`](crate::Plan) in which only the
    /// end of a process matters.
    pub fn any() -> Expected {
        Expected::Any
    }
}

impl From<i32> for Expected {
    fn from(code: i32) -> Self {
        Self::Code(code)
    }
}

impl From<Signal> for Expected {
    fn from(signal: Signal) -> Self {
        Self::Signal(signal)
    }
}

/// Expects the same status. A lost status cannot be compared, so it becomes [`Expected::Any`].
impl From<Exit> for Expected {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Self::Code(code),
            Exit::Signal { signal, core: _ } => Self::Signal(signal),
            Exit::Lost => Self::Any,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any exit status"),
            Self::Code(code) => write!(f, "code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}
