//! The containment tiers: which are available, and what a process needs for each.

use std::sync::Arc;

use rustix::process::{Pid, set_child_subreaper};

use crate::machine::{Containment, ContainmentError};

use super::cgroup::CgroupRoot;
use super::family;

/// A containment tier with what it needs.
#[derive(Clone, Debug)]
pub(in crate::sys) enum Tier {
    Group,
    Family,
    Subreaper,
    Cgroup(Arc<CgroupRoot>),
}

impl Tier {
    /// Prepares the strongest tier that is available, up to `at_most`.
    pub(in crate::sys) fn strongest(has_pidfds: bool, at_most: Containment) -> Self {
        [Containment::Cgroup, Containment::Subreaper, Containment::Family]
            .into_iter()
            .filter(|containment| *containment <= at_most)
            .find_map(|containment| Self::exactly(has_pidfds, containment).ok())
            .unwrap_or(Self::Group)
    }

    /// Prepares this tier.
    ///
    /// # Errors
    ///
    /// It is not available.
    pub(in crate::sys) fn exactly(
        has_pidfds: bool,
        containment: Containment,
    ) -> Result<Self, ContainmentError> {
        let missing = |what: &str| ContainmentError::new(containment, what);
        if containment == Containment::Group {
            return Ok(Self::Group);
        }
        if !has_pidfds {
            return Err(missing("process descriptors (pidfds) of Linux 5.4 that this process may use"));
        }
        if containment == Containment::Cgroup {
            return CgroupRoot::find().map(Arc::new).map(Self::Cgroup).map_err(|what| missing(&what));
        }
        if !family::is_available() {
            return Err(missing("a /proc that shows the PID namespace of this process"));
        }
        if containment == Containment::Subreaper {
            // Any process id stands for "on".
            set_child_subreaper(Pid::from_raw(1))
                .map_err(|errno| missing(&format!("permission to be a subreaper: {errno}")))?;
            return Ok(Self::Subreaper);
        }
        Ok(Self::Family)
    }

    pub(in crate::sys) fn containment(&self) -> Containment {
        match self {
            Self::Group => Containment::Group,
            Self::Family => Containment::Family,
            Self::Subreaper => Containment::Subreaper,
            Self::Cgroup(_) => Containment::Cgroup,
        }
    }
}
