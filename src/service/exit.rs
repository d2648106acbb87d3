//! The end of a service.

use std::fmt;
use std::time::Duration;

use futures_lite::StreamExt;

use crate::machine::{Exit, LastRun, Name, NoticeKind, Pids};
use crate::monitor::Notices;

/// The end of a service, as returned by [`RunningService::stop`](crate::RunningService::stop).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceExit {
    /// The exit of its process.
    pub exit: Exit,
    /// The time from the start to the exit.
    pub lived: Duration,
    /// Whether the process was asked to stop. If not, it died by itself.
    pub asked: bool,
    /// Whether KILL was needed because a process of the service was still alive at the kill time.
    pub killed: bool,
    /// The processes that the service left behind when its main process died by itself. They were killed.
    pub left_behind: Vec<u32>,
    /// Whether a process outside the service still holds its output open. It was not waited for and may still
    /// be alive.
    pub leaked: bool,
}

impl ServiceExit {
    /// Reads the notices of a run up to its end, when all its output has been passed on. Returns `None` if
    /// there is no such run.
    pub(super) async fn read(notices: &mut Notices) -> Option<Self> {
        let (mut killed, mut left_behind, mut leaked) = (false, Vec::new(), false);
        loop {
            // One process never causes as many notices as the subscription holds.
            let Ok(notice) = notices.next().await? else { continue };
            match notice.kind {
                NoticeKind::Killed => killed = true,
                NoticeKind::LeftBehind { pids } => left_behind = pids,
                NoticeKind::Leaked { .. } => leaked = true,
                NoticeKind::Exited { exit, lived, asked, .. } => {
                    return Some(Self { exit, lived, asked, killed, left_behind, leaked });
                }
                NoticeKind::SpawnFailed { .. } => return None,
                _ => {}
            }
        }
    }
}

impl ServiceExit {
    /// Describes what a caller that only drops the service should know: that it has died by itself, and which
    /// processes were or are left.
    pub(super) fn describe_unexpected(&self, name: &Name) -> Option<String> {
        let Self { exit, lived, asked, killed: _, left_behind, leaked } = self;
        let mut parts = Vec::new();
        if !asked {
            parts.push(format!("service {name} died before it was stopped: {exit} after {lived:.1?}"));
        }
        if !left_behind.is_empty() {
            parts.push(format!("it left {} behind, which got KILL", Pids(left_behind)));
        }
        if *leaked {
            parts.push(format!(
                "a process outside service {name} holds its output open and may still be running"
            ));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// The error of a service that is gone although it was not stopped. `{}` and `{:?}` both show the whole
/// report.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServiceDied {
    /// The name of the service.
    pub name: Name,
    /// The end of its last run.
    pub last: Option<LastRun>,
    /// Its last lines of output, oldest first.
    pub tail: Vec<String>,
}

impl fmt::Display for ServiceDied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service {} died", self.name)?;
        if let Some(last) = &self.last {
            write!(f, ": it {last}")?;
        }
        write_tail(f, &self.tail)
    }
}

/// Shows the same report as `{}`, since a test that returns the error shows it in this format.
impl fmt::Debug for ServiceDied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ServiceDied {}

/// Appends the last lines of output to an error.
pub(super) fn write_tail(f: &mut fmt::Formatter<'_>, tail: &[String]) -> fmt::Result {
    if tail.is_empty() {
        return write!(f, "\n  it has printed nothing");
    }
    write!(f, "\n  its last lines:")?;
    tail.iter().try_for_each(|line| write!(f, "\n    {line}"))
}
