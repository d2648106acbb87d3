//! The choice between the two ways to hold a process.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use async_io::Async;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, WaitId, WaitIdOptions, getpid, pidfd_open, waitid};

use crate::host::{Process, Spec};
use crate::machine::SpawnError;

use super::super::launch::Launch;
use super::super::portable;
use super::super::streams::Streams;
use super::tier::Tier;
use super::{crew, process};

/// The way in which processes are started and held.
#[derive(Clone, Copy, Debug)]
pub(in crate::sys) enum BackEnd {
    Pidfd,
    Portable,
}

impl BackEnd {
    /// Chooses pidfds if the kernel has them (5.4) and lets this process use them.
    pub(in crate::sys) fn choose() -> Self {
        if cfg!(async_process_force_signal_backend) {
            portable::warm_up();
            return Self::Portable;
        }
        let works = match pidfd_open(getpid(), PidfdFlags::empty()) {
            // A process is never its own child: ECHILD shows that the kernel understood the question.
            Ok(own) => {
                let waited =
                    waitid(WaitId::PidFd(own.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
                // Starts the event loop.
                drop(Async::new_nonblocking(own));
                waited.err() == Some(Errno::CHILD)
            }
            Err(errno) => !matches!(errno, Errno::NOSYS | Errno::PERM | Errno::INVAL),
        };
        if works {
            Self::Pidfd
        } else {
            portable::warm_up();
            Self::Portable
        }
    }

    /// Returns whether processes are held by pidfds.
    pub(in crate::sys) fn has_pidfds(self) -> bool {
        matches!(self, Self::Pidfd)
    }

    pub(in crate::sys) fn start(
        self,
        launch: Launch<'_>,
        streams: Streams,
        tier: &Tier,
    ) -> Result<Box<dyn Process>, SpawnError> {
        match self {
            Self::Pidfd => process::start(launch, streams, tier),
            Self::Portable => portable::start(launch, streams),
        }
    }

    /// Starts several processes, until that time. `None` if it is better to start them one after the other.
    pub(in crate::sys) fn start_all(
        self,
        specs: &[Arc<Spec>],
        tier: &Tier,
        until: Option<Instant>,
    ) -> Option<Vec<Result<Box<dyn Process>, SpawnError>>> {
        match self {
            Self::Pidfd => crew::start_all(specs, tier, until),
            Self::Portable => None,
        }
    }
}
