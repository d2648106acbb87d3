//! How the wait for readiness ends: one way or the other, once.

use std::sync::Arc;
use std::time::Duration;

use super::progress::ConditionStatus;
use super::session::Session;
use crate::machine::{Exit, Signal, SpawnError};

/// All that was asked for has come, and the process is alive.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    /// What was asked for, each with the time it came.
    pub(crate) progress: Vec<ConditionStatus>,
    /// How long after the start.
    pub(crate) took: Duration,
    pub(super) session: Arc<Session>,
}

impl Ready {
    /// Sends a signal to the group of the process, before this returns. Returns whether it was there.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        self.session.signal(signal)
    }
}

/// It will not be ready.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    /// What had come and what had not.
    pub(crate) progress: Vec<ConditionStatus>,
    /// How long after the start; zero if there was none.
    pub(crate) took: Duration,
}

/// Why a process did not become ready.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// It could not be started.
    SpawnFailed(SpawnError),
    /// It died before it was ready, with whatever exit; code 0 is no better than another (SV-19).
    Exited(Exit),
    /// It had this much time, counted from its start (SV-20).
    TimedOut(Duration),
    /// Nobody started it: whoever was to do so is gone.
    NeverStarted,
}
