//! The points of a run at which a process can be killed.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::plan::journal::{Journal, JournalEvent};

use crate::machine::{Exit, Name, Signal, Stream};
use crate::plan::process::ProcessRef;

/// A point of a run at which a process is killed.
///
/// Its text form is `step:4` or `stdout:3`.
///
/// ```
/// use childminder::machine::Stream;
/// use childminder::plan::CrashPoint;
///
/// assert_eq!("step:4".parse(), Ok(CrashPoint::Step(4)));
/// assert_eq!(CrashPoint::Line { stream: Stream::Stdout, line: 3 }.to_string(), "stdout:3");
/// assert!("stdout:0".parse::<CrashPoint>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CrashPoint {
    /// The beginning of the step with this number, counted from 1.
    Step(usize),
    /// The moment when the process has written this number of lines to a stream.
    Line {
        /// The stream.
        stream: Stream,
        /// The number of lines, at least 1. Lines from before a crash count as well.
        line: u64,
    },
}

/// The error returned when parsing a [`CrashPoint`] fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseCrashPointError {
    text: String,
}

/// A crash that a run is to contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) struct Crash {
    pub(in crate::plan) process: ProcessRef,
    pub(in crate::plan) point: CrashPoint,
    pub(in crate::plan) after: AfterCrash,
}

/// The fate of a process after its crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum AfterCrash {
    /// It is started again at once, and its successor takes its place.
    Restart,
    /// It stays dead, and counts as ended as expected.
    StaysDead,
}

impl CrashPoint {
    /// Returns the points that a run had for this process, in order: the steps that began and the lines that
    /// were printed while it was running.
    pub(in crate::plan) fn all_in(journal: &Journal, process: &Name) -> Vec<Self> {
        let mut points = Vec::new();
        let mut is_up = false;
        let mut lines = [0; 2];
        for entry in journal.entries() {
            match &entry.event {
                JournalEvent::Started { process: name, .. } if name == process => is_up = true,
                JournalEvent::Exited { process: name, .. } if name == process => is_up = false,
                JournalEvent::StepBegan { step } if is_up => points.push(Self::Step(*step)),
                JournalEvent::Printed { process: name, stream, lines: more, .. }
                    if name == process && is_up =>
                {
                    let before = lines[*stream as usize];
                    lines[*stream as usize] += more;
                    points.extend(
                        (before + 1..=before + more).map(|line| Self::Line { stream: *stream, line }),
                    );
                }
                JournalEvent::StepBegan { .. }
                | JournalEvent::StepEnded { .. }
                | JournalEvent::Started { .. }
                | JournalEvent::NotStarted { .. }
                | JournalEvent::Signalled { .. }
                | JournalEvent::Printed { .. }
                | JournalEvent::InputSent { .. }
                | JournalEvent::InputLost { .. }
                | JournalEvent::Exited { .. }
                | JournalEvent::Gone { .. }
                | JournalEvent::Crashed { .. }
                | JournalEvent::Failed { .. } => {}
            }
        }
        points
    }
}

impl Crash {
    /// Returns whether a process with this exit was killed. If not, it was faster than KILL and ended by
    /// itself.
    pub(in crate::plan) fn is_end(exit: Exit) -> bool {
        match exit {
            Exit::Signal { signal, core: _ } => signal == Signal::KILL,
            Exit::Lost => true,
            Exit::Code(_) => false,
        }
    }

    /// Returns whether a run contains the crash of this process: it was sent KILL at the point, and died of
    /// it.
    pub(in crate::plan) fn is_in(journal: &Journal, process: &Name) -> bool {
        let is_crash = |event: &JournalEvent| matches!(event, JournalEvent::Crashed { process: name, .. } if name == process);
        let mut later = journal.entries().iter().map(|entry| &entry.event).skip_while(|it| !is_crash(it));
        let was_killed = later.next().is_some();
        let end = later.find_map(|event| match event {
            JournalEvent::Exited { process: name, exit } if name == process => Some(*exit),
            _ => None,
        });
        was_killed && end.is_none_or(Self::is_end)
    }
}

/// Writes `step:4` or `stdout:3`.
impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step) => write!(f, "step:{step}"),
            Self::Line { stream, line } => write!(f, "{stream}:{line}"),
        }
    }
}

impl FromStr for CrashPoint {
    type Err = ParseCrashPointError;

    fn from_str(text: &str) -> Result<Self, ParseCrashPointError> {
        let point = text.split_once(':').and_then(|(what, number)| {
            let number = number.parse().ok().filter(|number| *number > 0)?;
            let line = |stream| Self::Line { stream, line: number };
            match what {
                "step" => usize::try_from(number).ok().map(Self::Step),
                what => Stream::BOTH.into_iter().find(|stream| stream.to_string() == what).map(line),
            }
        });
        point.ok_or_else(|| ParseCrashPointError { text: text.to_owned() })
    }
}

impl fmt::Display for ParseCrashPointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a crash point, such as step:4, stdout:3 or stderr:1", self.text.escape_debug())
    }
}

impl Error for ParseCrashPointError {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_point_parses_to_itself() {
        let line = |stream, line| CrashPoint::Line { stream, line };
        for point in [CrashPoint::Step(1), line(Stream::Stdout, 30), line(Stream::Stderr, u64::MAX)] {
            assert_eq!(point.to_string().parse(), Ok(point));
        }
        for text in ["", "step", "step:", "step:0", "stdout:0", "stdout:-1", "stdin:1", "step:1:2", "Step:1"]
        {
            let error = text.parse::<CrashPoint>().expect_err("not a point");
            assert_eq!(
                error.to_string(),
                format!("`{text}` is not a crash point, such as step:4, stdout:3 or stderr:1")
            );
        }
    }

    fn journal(events: impl IntoIterator<Item = JournalEvent>) -> Journal {
        let mut journal = Journal::new("plan", [""; 0], []);
        events.into_iter().for_each(|event| journal.push(Duration::ZERO, event));
        journal
    }

    fn name(name: &str) -> Name {
        Name::new(name).expect("a name")
    }

    fn started(process: &str) -> JournalEvent {
        JournalEvent::Started { process: name(process), pid: 1 }
    }

    fn printed(process: &str, stream: Stream, lines: u64) -> JournalEvent {
        JournalEvent::Printed { process: name(process), stream, bytes: 7, lines, until: Duration::ZERO }
    }

    fn exited(process: &str, exit: Exit) -> JournalEvent {
        JournalEvent::Exited { process: name(process), exit }
    }

    const KILLED: Exit = Exit::Signal { signal: Signal::KILL, core: false };

    #[test]
    fn the_points_are_the_steps_and_lines_while_the_process_was_running() {
        let journal = journal([
            JournalEvent::StepBegan { step: 1 },
            started("client"),
            started("server"),
            JournalEvent::StepBegan { step: 2 },
            printed("server", Stream::Stdout, 2),
            printed("client", Stream::Stdout, 5),
            printed("server", Stream::Stderr, 1),
            printed("server", Stream::Stdout, 0),
            printed("server", Stream::Stdout, 1),
            JournalEvent::StepEnded { step: 2 },
            JournalEvent::StepBegan { step: 3 },
            exited("client", Exit::Code(0)),
            JournalEvent::Signalled { process: name("server"), signal: Signal::TERM },
            printed("server", Stream::Stderr, 1),
            exited("server", Exit::Code(0)),
            printed("server", Stream::Stderr, 1),
            JournalEvent::StepBegan { step: 4 },
        ]);
        let points: Vec<String> =
            CrashPoint::all_in(&journal, &name("server")).iter().map(CrashPoint::to_string).collect();
        assert_eq!(points, ["step:2", "stdout:1", "stdout:2", "stderr:1", "stdout:3", "step:3", "stderr:2"]);
        assert_eq!(CrashPoint::all_in(&journal, &name("stranger")), []);
    }

    #[test]
    fn a_process_that_ended_before_kill_was_not_crashed() {
        let server = name("server");
        let crashed = || JournalEvent::Crashed { process: server.clone(), point: "step:2".to_owned() };
        let is_in = |events: &[JournalEvent]| Crash::is_in(&journal(events.to_vec()), &server);
        assert!(!is_in(&[started("server"), exited("server", KILLED)]), "no crash was requested");
        assert!(is_in(&[started("server"), crashed()]), "the run ended first");
        assert!(is_in(&[crashed(), exited("client", Exit::Code(0)), exited("server", KILLED)]));
        assert!(is_in(&[crashed(), exited("server", Exit::Lost)]));
        assert!(!is_in(&[crashed(), exited("server", Exit::Code(0))]));
        // The exit of its successor does not matter.
        assert!(is_in(&[crashed(), exited("server", KILLED), exited("server", Exit::Code(0))]));
    }
}
