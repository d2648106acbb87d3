//! Decisions as short texts, which are compared in a replay.
//!
//! They contain everything that was decided, and nothing that depends on the system: a replay on another
//! machine, whose error messages are in other words, finds no difference.

use std::fmt;
use std::time::Duration;

use crate::machine::json::Words;
use crate::machine::{Notice, NoticeKind, Output, Pids, SpawnError, StopCommandError};

/// Displays a decision.
pub(super) struct Decision<'a, S>(pub(super) &'a Output<S>);

impl<S> fmt::Display for Decision<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Output::Spawn { run, name, spec: _ } => write!(f, "spawn {name}{run}"),
            Output::Signal { run, target, signal } => write!(f, "signal {run} {} {signal}", target.word()),
            Output::ListFamily { run } => write!(f, "list-family {run}"),
            Output::RunStopCommand { run } => write!(f, "run-stop-command {run}"),
            Output::KillStopCommand { run } => write!(f, "kill-stop-command {run}"),
            Output::DescribeSurvivors { run, pids } => write!(f, "describe-survivors {run} {}", Pids(pids)),
            Output::Reap { run } => write!(f, "reap {run}"),
            Output::Notice(notice) => write!(f, "notice {}", Canonical(notice)),
        }
    }
}

/// A notice without what differs between systems, and with exact times.
struct Canonical<'a>(&'a Notice);

impl fmt::Display for Canonical<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Notice { at: _, name, run, kind } = self.0;
        let exactly =
            |f: &mut fmt::Formatter<'_>, time: &Duration| write!(f, "{} ({} ns)", self.0, time.as_nanos());
        match kind {
            NoticeKind::Exited { lived, .. } => exactly(f, lived),
            NoticeKind::Restarting { delay, .. } => exactly(f, delay),
            NoticeKind::SpawnFailed { error } => {
                f.write_str(name)?;
                run.iter().try_for_each(|run| write!(f, "{run}"))?;
                write!(f, " not started: {}", Failure(error))
            }
            NoticeKind::StopCommandFailed { error: StopCommandError::SpawnFailed(error), signal } => {
                f.write_str(name)?;
                run.iter().try_for_each(|run| write!(f, "{run}"))?;
                write!(f, " sent {signal}: cannot start the stop command: {}", Failure(error))
            }
            _ => self.0.fmt(f),
        }
    }
}

/// A failed start as its step, what it was about, and the error number.
struct Failure<'a>(&'a SpawnError);

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.0.step().word(), self.0.subject())?;
        match self.0.raw_os_error() {
            Some(errno) => write!(f, " errno {errno}"),
            None => Ok(()),
        }
    }
}
