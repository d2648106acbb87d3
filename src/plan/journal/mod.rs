//! The journal of a plan's run: every event, in order, with its time.
//!
//! The record is plain data: `json_lines` writes it, and the picture of a plan is drawn from it.

mod json_lines;

use std::time::Duration;

use crate::machine::{Exit, Name, Signal, SpawnError, Stream};

/// Output that follows earlier output of the same stream within this time, with no other event between,
/// extends its burst.
const BURST: Duration = Duration::from_millis(10);

/// The events of one run of several processes, in order.
///
/// A [`Plan`](crate::Plan) records a journal of each run. [`entries`](Self::entries) returns the events,
/// [`to_jsonl`](Self::to_jsonl) writes them as JSON lines, and [`timeline_svg`](Self::timeline_svg) draws
/// them. A journal can also be filled by hand:
///
/// ```
/// use std::time::Duration;
///
/// use childminder::plan::{Journal, JournalEvent};
/// use childminder::{Exit, Name};
///
/// let server = Name::new("server")?;
/// let mut journal = Journal::new("demo", ["start the server"], [server.clone()]);
/// journal.push(Duration::ZERO, JournalEvent::Started { process: server.clone(), pid: 4711 });
/// journal.push(Duration::from_secs(1), JournalEvent::Exited { process: server, exit: Exit::Code(0) });
/// assert_eq!(journal.entries().len(), 2);
/// assert_eq!(journal.to_jsonl().lines().count(), 3);
/// assert!(journal.timeline_svg().starts_with("<svg"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Journal {
    plan: String,
    steps: Vec<String>,
    processes: Vec<Name>,
    entries: Vec<JournalEntry>,
}

/// An event and its time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JournalEntry {
    /// The time since the beginning of the run.
    pub at: Duration,
    /// The event.
    pub event: JournalEvent,
}

/// An event of a run. Steps are counted from 1.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JournalEvent {
    /// A step began.
    StepBegan {
        /// The number of the step.
        step: usize,
    },
    /// A step was completed.
    StepEnded {
        /// The number of the step.
        step: usize,
    },
    /// A process was started.
    Started {
        /// The name of the process.
        process: Name,
        /// Its process id.
        pid: u32,
    },
    /// A process could not be started.
    NotStarted {
        /// The name of the process.
        process: Name,
        /// The step of the start that failed, and its cause.
        error: SpawnError,
    },
    /// A signal was sent to a process and its descendants.
    Signalled {
        /// The name of the process.
        process: Name,
        /// The signal.
        signal: Signal,
    },
    /// A process wrote a burst of output.
    Printed {
        /// The name of the process.
        process: Name,
        /// The stream it wrote to.
        stream: Stream,
        /// The number of bytes.
        bytes: u64,
        /// The number of line feeds among them.
        lines: u64,
        /// When the last of them was read, since the beginning of the run.
        until: Duration,
    },
    /// A step sent data to the standard input of a process.
    InputSent {
        /// The name of the process.
        process: Name,
        /// The number of bytes.
        bytes: usize,
    },
    /// A step's data was withheld from a process, because the process is killed on purpose before it could
    /// read it.
    InputLost {
        /// The name of the process.
        process: Name,
        /// The number of bytes.
        bytes: usize,
    },
    /// A process exited.
    Exited {
        /// The name of the process.
        process: Name,
        /// Its exit status.
        exit: Exit,
    },
    /// A process and all its descendants are gone, and their output was read to the end.
    Gone {
        /// The name of the process.
        process: Name,
    },
    /// A process was sent KILL on purpose, at a [crash point](crate::plan::CrashPoints).
    Crashed {
        /// The name of the process.
        process: Name,
        /// The crash point, such as `stdout:3`.
        point: String,
    },
    /// The run failed. Later entries describe the cleanup.
    Failed {
        /// The step that failed; one more than the number of steps if the run failed after the last one.
        step: usize,
        /// The processes that caused the failure or were waited for.
        processes: Vec<Name>,
        /// The reason, in one line.
        reason: String,
    },
}

impl Journal {
    /// Returns an empty journal of a run with this name, the texts of its steps, and its processes.
    pub fn new(
        plan: impl Into<String>,
        steps: impl IntoIterator<Item = impl Into<String>>,
        processes: impl IntoIterator<Item = Name>,
    ) -> Self {
        Self {
            plan: plan.into(),
            steps: steps.into_iter().map(Into::into).collect(),
            processes: processes.into_iter().collect(),
            entries: Vec::new(),
        }
    }

    /// Returns the name of the plan.
    pub fn plan(&self) -> &str {
        &self.plan
    }

    /// Returns the text of each step; the first one has number 1.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// Returns all processes of the plan, in the order in which they are first started.
    pub fn processes(&self) -> &[Name] {
        &self.processes
    }

    /// Returns the events, in order.
    pub fn entries(&self) -> &[JournalEntry] {
        &self.entries
    }

    /// Appends an event. Output that continues a burst is added to the entry of that burst, so that a process
    /// that never stops printing does not fill the memory.
    pub fn push(&mut self, at: Duration, event: JournalEvent) {
        if let JournalEvent::Printed { process, stream, bytes, lines, until } = &event
            && let Some(last) = self.entries.last_mut()
            && last.extend_burst(at, process, *stream, (*bytes, *lines), *until)
        {
            return;
        }
        self.entries.push(JournalEntry { at, event });
    }
}

impl JournalEntry {
    /// Adds output to this entry. Returns `false` if it does not continue the burst of this entry.
    fn extend_burst(
        &mut self,
        at: Duration,
        process: &Name,
        stream: Stream,
        (bytes, lines): (u64, u64),
        until: Duration,
    ) -> bool {
        let JournalEvent::Printed { process: last, stream: same, bytes: all, lines: count, until: end } =
            &mut self.event
        else {
            return false;
        };
        let continues = last == process && *same == stream && at <= *end + BURST;
        if continues {
            *all = all.saturating_add(bytes);
            *count = count.saturating_add(lines);
            *end = until.max(at);
        }
        continues
    }
}
