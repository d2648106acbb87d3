//! The words: what goes into the machine, and what it wants done.

use std::fmt;

use super::{Containment, Name, Notice, Signal, SignalTarget, SpawnError};

/// One run of one process: from a start to its end. Never used twice in a monitor, so news of an old run cannot be
/// taken for news of its successor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId {
    /// Counts the runs of the whole monitor, from 1.
    number: u64,
    /// Where in the machine's table its process is.
    slot: u32,
}

impl RunId {
    pub(super) fn new(number: u64, slot: usize) -> Self {
        let slot = u32::try_from(slot).expect("fewer than four billion processes");
        Self { number, slot }
    }

    /// A run that no monitor started: for a [`LoggingProtocol`](crate::output::LoggingProtocol) of your own, or to test a
    /// [`Sink`](crate::Sink). No monitor knows it.
    pub fn unmanaged(number: u64) -> Self {
        Self { number, slot: u32::MAX }
    }

    pub(super) fn slot(self) -> usize {
        self.slot as usize
    }

    /// The number behind the `#`: runs of one monitor are counted from 1, whichever process they are of.
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

/// News of a run, for [`Machine::handle_event`](super::Machine::handle_event).
#[derive(Clone, Debug)]
pub enum Event {
    /// The program runs.
    Started {
        /// The run that [`Output::Spawn`] asked for.
        run: RunId,
        /// Its process id.
        pid: u32,
        /// How reliably its descendants are found.
        containment: Containment,
    },
    /// The program could not be started; nothing of it is left.
    SpawnFailed {
        /// The run that [`Output::Spawn`] asked for.
        run: RunId,
        /// Which step failed, and why.
        error: SpawnError,
    },
    /// The process itself, the leader of its group, has died. It need not be reaped yet.
    Exited {
        /// The run.
        run: RunId,
        /// How it ended.
        exit: Exit,
        /// The live processes of the run, without the leader.
        left: Vec<u32>,
    },
    /// The answer to [`Output::Look`].
    Group {
        /// The run.
        run: RunId,
        /// The live processes of the run, without the leader.
        left: Vec<u32>,
    },
    /// All its output has been read: both streams are at their end.
    Closed {
        /// The run.
        run: RunId,
    },
}

impl Event {
    /// The run that this is news of.
    pub fn run(&self) -> RunId {
        match *self {
            Self::Started { run, .. }
            | Self::SpawnFailed { run, .. }
            | Self::Exited { run, .. }
            | Self::Group { run, .. }
            | Self::Closed { run } => run,
        }
    }
}

/// What the machine wants done, in this order.
#[derive(Clone, Debug)]
pub enum Output<S> {
    /// Start it, and answer with [`Event::Started`] or [`Event::SpawnFailed`].
    Spawn {
        /// The run that begins.
        run: RunId,
        /// Whose run it is.
        name: Name,
        /// What was given when the process was added.
        spec: S,
    },
    /// Send this signal.
    Signal {
        /// The run.
        run: RunId,
        /// Which of its processes receive it.
        target: SignalTarget,
        /// The signal.
        signal: Signal,
    },
    /// Look for live processes of the run, and answer with [`Event::Group`].
    Look {
        /// The run.
        run: RunId,
    },
    /// The run is over: hand over what its pipes still hold, flush partial lines, close the pipes, reap the process.
    Reap {
        /// The run.
        run: RunId,
    },
    /// Tell whoever wants to know.
    Notice(Notice),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It returned, or called `exit`, with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// Which one.
        signal: Signal,
        /// Whether it left a core dump.
        core: bool,
    },
    /// It is gone, but somebody else collected its status: another `waitpid` in this program, or an ignored SIGCHLD
    /// (F-19).
    Lost,
}

impl Exit {
    /// Exit code 0.
    pub const fn success() -> Self {
        Self::Code(0)
    }

    /// Returns whether this is exit code 0.
    pub fn is_success(self) -> bool {
        self == Self::success()
    }

    /// Returns the exit code; `None` if the process did not exit by itself.
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

/// One of the two streams a process writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Stream {
    /// Both, in the order of their descriptors.
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
