//! How a service ended.

use std::fmt;
use std::time::Duration;

use futures_lite::StreamExt;

use crate::machine::{Exit, LastRun, Name, NoticeKind};
use crate::monitor::Notices;

/// How a service ended: what a stop returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceExit {
    /// How its process ended.
    pub exit: Exit,
    /// How long it had lived.
    pub lived: Duration,
    /// Whether it had been asked to end. If not, it died by itself.
    pub asked: bool,
    /// Whether KILL was needed: it, or one of its group, was still there at the kill time.
    pub killed: bool,
    /// Who of its group it had left behind when it died by itself; they were killed.
    pub left_behind: Vec<u32>,
    /// Whether something that has left its group still holds its output. It was not waited for, and lives on.
    pub leaked: bool,
}

impl ServiceExit {
    /// Hears out what is told of a run, up to its end: all its output has been handed on then. `None` if nothing was told.
    pub(super) async fn hear(notices: &mut Notices) -> Option<Self> {
        let (mut killed, mut left_behind, mut leaked) = (false, Vec::new(), false);
        loop {
            let notice = match notices.next().await? {
                Ok(notice) => notice,
                // Of one process there are never so many; but what was missed cannot be told.
                Err(_) => continue,
            };
            match notice.kind {
                NoticeKind::Killed => killed = true,
                NoticeKind::LeftBehind { pids } => left_behind = pids,
                NoticeKind::Leaked { .. } => leaked = true,
                NoticeKind::Exited { exit, lived, asked } => {
                    return Some(Self { exit, lived, asked, killed, left_behind, leaked });
                }
                NoticeKind::SpawnFailed { .. } => return None,
                NoticeKind::Started { .. }
                | NoticeKind::Stopping { .. }
                | NoticeKind::SignalFailed { .. }
                | NoticeKind::Restarting { .. }
                | NoticeKind::Survived { .. } => {}
            }
        }
    }
}

/// A service is not there any more, though nobody has stopped it (SV-7). It shows all there is to know, with `{}` and with
/// `{:?}` alike.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServiceDied {
    /// Which service.
    pub name: Name,
    /// How its process ended.
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

/// The same as shown with `{}`: this is what a test shows that ends with the error.
impl fmt::Debug for ServiceDied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ServiceDied {}

/// The last lines of output, as they stand at the end of an error.
pub(super) fn write_tail(f: &mut fmt::Formatter<'_>, tail: &[String]) -> fmt::Result {
    if tail.is_empty() {
        return write!(f, "\n  it has printed nothing");
    }
    write!(f, "\n  its last lines:")?;
    tail.iter().try_for_each(|line| write!(f, "\n    {line}"))
}
