//! How far one part of a condition has come.

use std::fmt;
use std::time::Duration;

/// One part of a [`Condition`](crate::Condition) that was or is waited for.
///
/// Its text is one line: `port 5432: missing after 15s (Connection refused (os error 111))`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConditionStatus {
    /// What is waited for, such as `port 5432` or `output "ready"`.
    pub what: String,
    /// Whether it has come.
    pub state: ConditionState,
    /// What else is known: why the last attempt failed, how often the text was seen, what the server says of itself.
    pub remark: Option<String>,
}

/// Whether something that is waited for has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionState {
    /// It came this long after the start.
    Met {
        /// How long after.
        after: Duration,
    },
    /// It has not come in all that time.
    Missing {
        /// How long after the start that was said.
        after: Duration,
    },
}

impl ConditionStatus {
    /// Whether it has come.
    pub fn is_met(&self) -> bool {
        matches!(self.state, ConditionState::Met { .. })
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.state)?;
        match &self.remark {
            Some(remark) => write!(f, " ({remark})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ConditionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Met { after } => write!(f, "met after {after:.1?}"),
            Self::Missing { after } => write!(f, "missing after {after:.1?}"),
        }
    }
}
