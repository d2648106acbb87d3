//! The look before the start: is the place free where the process is to answer?

use std::fmt;

use crate::host::{Holder, Target};

/// Somebody answers already where the process was to (F-82).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where.
    pub target: Target,
    /// Who it is, as far as that can be found out.
    pub by: Holder,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is taken already", self.target)?;
        match &self.by {
            Holder::Own => Ok(()),
            Holder::Stranger(who) => write!(f, " by {who}"),
            Holder::Unverified(why) => write!(f, "; by whom cannot be told: {why}"),
        }
    }
}

impl std::error::Error for Taken {}
