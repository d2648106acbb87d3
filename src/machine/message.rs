//! The events and outputs of the machine.

use std::fmt;

use super::{
    Containment, Name, Notice, Signal, SignalTarget, SpawnError, StopCommandError, SurvivingProcess,
};

/// The id of one run of one process, from its start to its end.
///
/// An id is used once in a monitor, so an event of an old run cannot be mistaken for one of its successor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId {
    /// The number of the run in its monitor, from 1.
    number: u64,
    /// The index of its process in the machine's table.
    slot: u32,
}

impl RunId {
    pub(super) fn new(number: u64, slot: usize) -> Self {
        let slot = u32::try_from(slot).expect("fewer than four billion processes");
        Self { number, slot }
    }

    /// Creates an id that no monitor knows: for a [`LoggingProtocol`](crate::output::LoggingProtocol) of your
    /// own, or to test a [`Sink`](crate::Sink).
    pub fn unmanaged(number: u64) -> Self {
        Self { number, slot: u32::MAX }
    }

    pub(super) fn slot(self) -> usize {
        self.slot as usize
    }

    /// Returns the number that is displayed after the `#`. The runs of one monitor are numbered from 1,
    /// across all its processes.
    pub fn number(self) -> u64 {
        self.number
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

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

/// The end of a process: an exit code, or a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// It was ended by a signal.
    Signal {
        /// The signal.
        signal: Signal,
        /// Whether it left a core dump.
        core: bool,
    },
    /// It ended, but its status was collected by other code: a `waitpid` in this program, or an ignored
    /// SIGCHLD.
    Lost,
}

impl Exit {
    /// Returns exit code 0.
    pub const fn success() -> Self {
        Self::Code(0)
    }

    /// Returns whether this is exit code 0.
    pub fn is_success(self) -> bool {
        self == Self::success()
    }

    /// Returns the exit code; `None` if the process did not exit by itself.
    ///
    /// ```
    /// use childminder::{Exit, Signal};
    ///
    /// assert_eq!(Exit::Code(3).code(), Some(3));
    /// let killed = Exit::Signal { signal: Signal::KILL, core: false };
    /// assert_eq!((killed.code(), killed.signal()), (None, Some(Signal::KILL)));
    /// ```
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal { .. } | Self::Lost => None,
        }
    }

    /// Returns the signal that ended the process; `None` if it exited by itself.
    pub fn signal(self) -> Option<Signal> {
        match self {
            Self::Signal { signal, .. } => Some(signal),
            Self::Code(_) | Self::Lost => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "code {code}"),
            Self::Signal { signal, core: false } => write!(f, "signal {signal}"),
            Self::Signal { signal, core: true } => write!(f, "signal {signal} (core dumped)"),
            Self::Lost => write!(f, "status lost"),
        }
    }
}

/// An output stream of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Stream {
    /// Both streams, in the order of their descriptors.
    pub const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}
