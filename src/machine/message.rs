//! The events and outputs of the machine.

use std::sync::Arc;

use super::{
    Containment, Exit, Name, Notice, RunId, Signal, SignalTarget, SpawnError, StopCommandError,
    SurvivingProcess,
};

/// Something that happened to a run, for [`Machine::handle_event`](super::Machine::handle_event).
#[derive(Clone, Debug)]
pub enum Event {
    /// The program was started: an answer to [`Output::Spawn`].
    Started {
        /// The run.
        run: RunId,
        /// The process id.
        pid: u32,
        /// The reliability with which its descendants are found.
        containment: Containment,
    },
    /// The program could not be started, and no process of it exists: an answer to [`Output::Spawn`].
    SpawnFailed {
        /// The run.
        run: RunId,
        /// The step that failed, and the cause.
        error: SpawnError,
    },
    /// The leader, which is the process that was started, has died. It need not be reaped yet.
    Exited {
        /// The run.
        run: RunId,
        /// The exit of the leader.
        exit: Exit,
        /// The live processes of the run, without the leader.
        remaining: Vec<u32>,
    },
    /// The answer to [`Output::ListFamily`].
    Family {
        /// The run.
        run: RunId,
        /// The live processes of the run, without the leader.
        remaining: Vec<u32>,
    },
    /// The stop command has ended, or could not be started: the answer to [`Output::RunStopCommand`].
    StopCommandEnded {
        /// The run.
        run: RunId,
        /// The result of the command.
        result: Result<(), StopCommandError>,
    },
    /// The answer to [`Output::DescribeSurvivors`].
    Survivors {
        /// The run.
        run: RunId,
        /// The processes that are still alive.
        processes: Vec<SurvivingProcess>,
    },
    /// The run has become ready, or is ready again after [`NotReady`](Self::NotReady).
    Ready {
        /// The run.
        run: RunId,
    },
    /// Before the run was ready: it will never be ready, so it is stopped, which counts as a failure. After
    /// that: it is no longer ready, and runs on.
    NotReady {
        /// The run.
        run: RunId,
        /// The reason, for people.
        reason: Arc<str>,
    },
    /// The run is unhealthy: it is stopped, which counts as a failure.
    Unhealthy {
        /// The run.
        run: RunId,
        /// The reason, for people.
        reason: Arc<str>,
    },
    /// Both output streams have been read to their end.
    Closed {
        /// The run.
        run: RunId,
    },
}

impl Event {
    /// Returns the run to which this happened.
    pub fn run(&self) -> RunId {
        match *self {
            Self::Started { run, .. }
            | Self::SpawnFailed { run, .. }
            | Self::Exited { run, .. }
            | Self::Family { run, .. }
            | Self::StopCommandEnded { run, .. }
            | Self::Survivors { run, .. }
            | Self::Ready { run }
            | Self::NotReady { run, .. }
            | Self::Unhealthy { run, .. }
            | Self::Closed { run } => run,
        }
    }
}

/// Something to be done, from [`Machine::poll_output`](super::Machine::poll_output).
#[derive(Clone, Debug)]
pub enum Output<S> {
    /// Start a process, and answer with [`Event::Started`] or [`Event::SpawnFailed`].
    Spawn {
        /// The run that begins.
        run: RunId,
        /// The name of the process.
        name: Name,
        /// The spec in its [`Definition`](super::Definition).
        spec: S,
    },
    /// Send a signal.
    Signal {
        /// The run.
        run: RunId,
        /// The processes of the run that receive it.
        target: SignalTarget,
        /// The signal.
        signal: Signal,
    },
    /// List the live processes of the run, and answer with [`Event::Family`].
    ListFamily {
        /// The run.
        run: RunId,
    },
    /// Start the stop command, and answer with [`Event::StopCommandEnded`] when it has ended or could not be
    /// started.
    RunStopCommand {
        /// The run to be stopped.
        run: RunId,
    },
    /// Kill the stop command with everything it has started. There is no answer.
    KillStopCommand {
        /// The run to be stopped.
        run: RunId,
    },
    /// Describe those of `pids` that are alive, and answer with [`Event::Survivors`].
    DescribeSurvivors {
        /// The run.
        run: RunId,
        /// The processes that have outlived KILL so far.
        pids: Vec<u32>,
    },
    /// The run is over: pass on what its pipes still hold, flush partial lines, close the pipes, reap the
    /// leader.
    Reap {
        /// The run.
        run: RunId,
    },
    /// Publish a notice.
    Notice(Notice),
}
