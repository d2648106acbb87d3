//! The limits and priorities of a child, which it sets itself before `exec`.
//!
//! They are set while the process still has the rights of the monitor: root may raise what the user of the
//! program may not. The limits come last, since a low one could make another step fail.

use std::ffi::CString;
use std::io;

use libc::c_int;

use crate::host::{IoPriority, Limit, Resource, Spec};
use crate::machine::{SpawnError, SpawnStep};

use super::platform::calls;
use super::report::{ChildError, check};

/// The attributes of a child, as the system calls need them.
#[derive(Debug)]
pub(super) struct Attributes {
    nice: Option<i32>,
    io_priority: Option<IoPriority>,
    /// The text for the file in `/proc`.
    oom_score: Option<CString>,
    limits: Vec<(Resource, c_int, Limit)>,
}

impl Attributes {
    /// Prepares the attributes of `spec`.
    ///
    /// # Errors
    ///
    /// This system does not have one of them.
    pub(super) fn prepare(spec: &Spec) -> Result<Self, SpawnError> {
        let missing = |step, subject| {
            SpawnError::new(step, subject, io::Error::new(io::ErrorKind::Unsupported, "it needs Linux"))
        };
        if let Some(priority) = spec.get_io_priority().filter(|_| !cfg!(target_os = "linux")) {
            return Err(missing(SpawnStep::IoPriority, priority.to_string()));
        }
        if let Some(score) = spec.get_oom_score_adj().filter(|_| !cfg!(target_os = "linux")) {
            return Err(missing(SpawnStep::OomScore, score.to_string()));
        }
        let limits = spec.get_limits().map(|(resource, limit)| {
            let number =
                number_of(resource).ok_or_else(|| missing(SpawnStep::Limit, resource.to_string()))?;
            Ok((resource, number, limit))
        });
        let oom_score = spec.get_oom_score_adj().map(|score| score.to_string());
        Ok(Self {
            nice: spec.get_nice(),
            io_priority: spec.get_io_priority(),
            oom_score: oom_score.map(|text| CString::new(text).expect("a number has no NUL byte")),
            limits: limits.collect::<Result<_, SpawnError>>()?,
        })
    }

    /// Sets the attributes of the calling process. For the child only.
    pub(super) fn apply(&self) -> Result<(), ChildError> {
        if let Some(nice) = self.nice {
            check(SpawnStep::Nice, calls::set_nice(nice))?;
        }
        if let Some(priority) = self.io_priority {
            check(SpawnStep::IoPriority, calls::set_io_priority(priority))?;
        }
        if let Some(score) = &self.oom_score {
            check(SpawnStep::OomScore, calls::set_oom_score(score))?;
        }
        for ((_, number, limit), item) in self.limits.iter().zip(0..) {
            check(SpawnStep::Limit, calls::set_limit(*number, *limit)).map_err(|error| error.of(item))?;
        }
        Ok(())
    }

    /// Returns the subject of an error of [`apply`](Self::apply).
    pub(super) fn describe(&self, error: ChildError) -> String {
        match error.step {
            SpawnStep::Nice => self.nice.map(|nice| nice.to_string()),
            SpawnStep::IoPriority => self.io_priority.map(|priority| priority.to_string()),
            SpawnStep::OomScore => self.oom_score.as_ref().map(|text| text.to_string_lossy().into_owned()),
            _ => self.limits.get(usize::from(error.item)).map(|(resource, _, limit)| show(*resource, *limit)),
        }
        .unwrap_or_default()
    }
}

/// Returns the number of a resource on this system; `None` if it has no such limit.
fn number_of(resource: Resource) -> Option<c_int> {
    let number = match resource {
        Resource::AddressSpace => libc::RLIMIT_AS,
        Resource::CoreFileSize => libc::RLIMIT_CORE,
        Resource::CpuTime => libc::RLIMIT_CPU,
        Resource::DataSize => libc::RLIMIT_DATA,
        Resource::FileSize => libc::RLIMIT_FSIZE,
        Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
        Resource::OpenFiles => libc::RLIMIT_NOFILE,
        Resource::Processes => libc::RLIMIT_NPROC,
        Resource::StackSize => libc::RLIMIT_STACK,
        Resource::MessageQueues | Resource::Nice | Resource::PendingSignals | Resource::RealtimePriority => {
            return calls::special_resource_number(resource);
        }
    };
    c_int::try_from(number).ok()
}

/// Shows a limit as `nofile=1024:4096`.
fn show(resource: Resource, limit: Limit) -> String {
    let number =
        |limit: u64| if limit == Limit::UNLIMITED { "unlimited".to_owned() } else { limit.to_string() };
    let hard = limit.hard().map(|hard| format!(":{}", number(hard))).unwrap_or_default();
    format!("{resource}={}{hard}", number(limit.soft()))
}
