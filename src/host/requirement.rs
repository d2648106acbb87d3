//! What a spec requires of its runs, as far as a spec itself knows it.
//!
//! Conditions of readiness and health are in a room above, with their searches and probes, which a program
//! that only supervises does not need. A spec carries them as a trait object that can be checked and
//! compared; [`health`](super::health) has the rest.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The readiness and health that are required of each run of a spec.
pub(crate) trait Requirement: Any + fmt::Debug + Send + Sync {
    /// Checks that the requirement can be met at all.
    fn check(&self) -> Result<(), InvalidRequirement>;

    /// Returns whether `other` requires the same.
    fn is_equal(&self, other: &dyn Requirement) -> bool;
}

/// The requirement of a spec, if it has one.
#[derive(Clone, Default)]
pub(super) struct OptionalRequirement(pub(super) Option<Arc<dyn Requirement>>);

/// They are equal if they require the same.
impl PartialEq for OptionalRequirement {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => one.is_equal(&**other),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

impl Eq for OptionalRequirement {}

/// A requirement that can never be met.
#[derive(Clone, Debug)]
pub(crate) struct InvalidRequirement {
    /// The field, named like the method that sets it.
    pub(crate) field: &'static str,
    pub(crate) value: String,
    pub(crate) problem: RequirementProblem,
}

/// The problem of a required condition, or of a time that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequirementProblem {
    /// It is zero.
    Zero,
    /// The condition can never be met, for this reason.
    Condition(String),
    /// The timeout is shorter than this uptime, which the condition requires.
    BelowUptime(Duration),
}

impl fmt::Display for RequirementProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("it is zero"),
            Self::Condition(reason) => f.write_str(reason),
            Self::BelowUptime(uptime) => {
                write!(f, "it is shorter than the uptime of {uptime:?} that the condition requires")
            }
        }
    }
}
