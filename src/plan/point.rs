//! A point of a run at which a process can be made to crash.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::journal::{Journal, JournalEvent};
use super::planned::ProcessRef;
use crate::machine::{Exit, Name, Signal, Stream};

/// Where in a run a process crashes.
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
    /// When this step begins; the first one is 1.
    Step(usize),
    /// When it has written so many lines to this stream.
    Line {
        /// Which of its streams.
        stream: Stream,
        /// How many lines, those of the run before a crash included; at least 1.
        line: u64,
    },
}

/// What is no [`CrashPoint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseCrashPointError {
    text: String,
}

/// Who crashes, where, and what then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crash {
    pub(super) process: ProcessRef,
    pub(super) point: CrashPoint,
    pub(super) after: After,
}

/// What becomes of a process that has crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It is started again at once, and stands for the one that has crashed.
    Restart,
    /// It stays dead, and whatever end is expected of it, this one will do.
    StaysDead,
}

impl CrashPoint {
    /// All points that a run had for this process, in the order in which they came: what happened while it was up.
    pub(super) fn all_in(journal: &Journal, process: &Name) -> Vec<Self> {
        let mut points = Vec::new();
        let mut is_up = false;
        let mut lines = [0; 2];
        for entry in journal.entries() {
            match &entry.happened {
                JournalEvent::Started { process: who, .. } if who == process => is_up = true,
                JournalEvent::Exited { process: who, .. } if who == process => is_up = false,
                JournalEvent::StepBegan { step } if is_up => points.push(Self::Step(*step)),
                JournalEvent::OutputMatch { process: who, stream, lines: more, .. }
                    if who == process && is_up =>
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
                | JournalEvent::OutputMatch { .. }
                | JournalEvent::Given { .. }
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
    /// Whether this is how one ends that crashes. It may have been faster, and have ended by itself.
    pub(super) fn is_end(exit: Exit) -> bool {
        match exit {
            Exit::Signal { signal, core: _ } => signal == Signal::KILL,
            Exit::Lost => true,
            Exit::Code(_) => false,
        }
    }

    /// Whether this process has crashed in a run: it got KILL at the point, and that is what it has died of.
    pub(super) fn has_come(journal: &Journal, process: &Name) -> bool {
        let of_crash = |happened: &JournalEvent| matches!(happened, JournalEvent::Crashed { process: who } if who == process);
        let mut later = journal.entries().iter().map(|entry| &entry.happened).skip_while(|it| !of_crash(it));
        let has_begun = later.next().is_some();
        let end = later.find_map(|happened| match happened {
            JournalEvent::Exited { process: who, exit } if who == process => Some(*exit),
            _ => None,
        });
        has_begun && end.is_none_or(Self::is_end)
    }
}

/// As it stands in a [reproduction](super::CrashFailure::reproduction): `step:4`, `stdout:3`.
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
        write!(f, "`{}` is no point of a run, such as step:4, stdout:3 or stderr:1", self.text.escape_debug())
    }
}

impl Error for ParseCrashPointError {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_point_is_read_as_it_is_written() {
        let line = |stream, line| CrashPoint::Line { stream, line };
        for point in [CrashPoint::Step(1), line(Stream::Stdout, 30), line(Stream::Stderr, u64::MAX)] {
            assert_eq!(point.to_string().parse(), Ok(point));
        }
        for text in ["", "step", "step:", "step:0", "stdout:0", "stdout:-1", "stdin:1", "step:1:2", "Step:1"]
        {
            let error = text.parse::<CrashPoint>().expect_err("no point");
            assert_eq!(
                error.to_string(),
                format!("`{text}` is no point of a run, such as step:4, stdout:3 or stderr:1")
            );
        }
    }

    fn journal(happened: impl IntoIterator<Item = JournalEvent>) -> Journal {
        let mut journal = Journal::new("plan".to_owned(), Vec::new(), Vec::new());
        happened.into_iter().for_each(|happened| journal.push(Duration::ZERO, happened));
        journal
    }

    fn name(name: &str) -> Name {
        Name::new(name).expect("a name")
    }

    fn started(who: &str) -> JournalEvent {
        JournalEvent::Started { process: name(who), pid: 1 }
    }

    fn printed(who: &str, stream: Stream, lines: u64) -> JournalEvent {
        JournalEvent::OutputMatch { process: name(who), stream, bytes: 7, lines, until: Duration::ZERO }
    }

    fn exited(who: &str, exit: Exit) -> JournalEvent {
        JournalEvent::Exited { process: name(who), exit }
    }

    const KILLED: Exit = Exit::Signal { signal: Signal::KILL, core: false };

    #[test]
    fn the_points_are_what_happened_while_it_was_up() {
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
        assert_eq!(CrashPoint::all_in(&journal, &name("nobody")), []);
    }

    #[test]
    fn who_was_faster_than_its_crash_has_not_crashed() {
        let server = name("server");
        let crashed = || JournalEvent::Crashed { process: server.clone() };
        let has_come = |happened: &[JournalEvent]| Crash::has_come(&journal(happened.to_vec()), &server);
        assert!(!has_come(&[started("server"), exited("server", KILLED)]), "it was not to crash");
        assert!(has_come(&[started("server"), crashed()]), "the run has ended before it has");
        assert!(has_come(&[crashed(), exited("client", Exit::Code(0)), exited("server", KILLED)]));
        assert!(has_come(&[crashed(), exited("server", Exit::Lost)]));
        assert!(!has_come(&[crashed(), exited("server", Exit::Code(0))]));
        // How its successor ends says nothing.
        assert!(has_come(&[crashed(), exited("server", KILLED), exited("server", Exit::Code(0))]));
    }
}
