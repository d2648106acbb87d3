//! What happened in a run of a scenario, in the same words for every supervisor.

use std::fmt;
use std::time::Duration;

/// The longest time between two looks of a measurement that counts.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// The program begins to run; reported by itself.
    Start {
        /// Its process id.
        pid: u32,
    },
    /// The program has received TERM; reported by itself.
    Term {
        /// Its process id.
        pid: u32,
    },
    /// The program is about to exit; reported by itself.
    Exit {
        /// Its process id.
        pid: u32,
    },
    /// The program does not exist any more.
    Gone {
        /// Its process id.
        pid: u32,
    },
    /// The supervisor has logged that it cannot start the program.
    FailedStart,
    /// The supervisor is asked for something.
    Asked {
        /// The step, such as `stop`.
        step: &'static str,
    },
    /// A start is over, as far as the supervisor says.
    Started {
        /// Whether it was successful.
        success: bool,
    },
    /// A stop was requested, and the supervisor has no way to wait for its end.
    NotAwaited,
    /// A stop is over, as far as the supervisor says.
    Returned {
        /// Whether it was successful.
        success: bool,
        /// The number of processes that are alive at this moment.
        left: usize,
    },
    /// The scenario is over.
    Over {
        /// The number of processes that are alive.
        left: usize,
        /// The number of them that come from a run that is over.
        strays: usize,
        /// The exit status of the supervisor as a shell sees it, unless it is alive.
        supervisor: Option<i32>,
        /// The state of the program that the supervisor reports.
        state: Option<String>,
    },
}

/// Something that happened, with its time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The seconds since the supervisor was started.
    pub at: f64,
    /// The event.
    pub what: What,
}

/// Everything that happened, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    events: Vec<Event>,
    longest_pause: Duration,
}

impl Timeline {
    /// Adds an event, which may be reported late.
    pub fn add(&mut self, at: f64, what: What) {
        let place = self.events.partition_point(|event| event.at <= at);
        self.events.insert(place, Event { at, what });
    }

    /// Records the time between two looks at the processes.
    pub(crate) fn pause(&mut self, pause: Duration) {
        self.longest_pause = self.longest_pause.max(pause);
    }

    /// Whether the machine was too busy for a measurement: the observer itself had to wait.
    pub fn is_doubtful(&self) -> bool {
        self.longest_pause > LONGEST_PAUSE
    }

    /// Returns the longest time between two looks at the processes.
    pub fn longest_pause(&self) -> Duration {
        self.longest_pause
    }

    /// Returns the events in the order of their times.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Returns the number of starts.
    pub fn starts(&self) -> usize {
        self.count(|what| matches!(what, What::Start { .. }))
    }

    /// Returns the number of received TERM signals.
    pub fn terms(&self) -> usize {
        self.count(|what| matches!(what, What::Term { .. }))
    }

    fn count(&self, counts: impl Fn(&What) -> bool) -> usize {
        self.events.iter().filter(|event| counts(&event.what)).count()
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Event { at, what } in &self.events {
            write!(f, "{at:9.2} s  ")?;
            match what {
                What::Start { pid } => writeln!(f, "{pid} starts")?,
                What::Term { pid } => writeln!(f, "{pid} gets TERM")?,
                What::Exit { pid } => writeln!(f, "{pid} exits")?,
                What::Gone { pid } => writeln!(f, "{pid} is gone")?,
                What::FailedStart => writeln!(f, "a start fails")?,
                What::Asked { step } => writeln!(f, "{step}")?,
                What::Started { success: true } => writeln!(f, "it succeeds")?,
                What::Started { success: false } => writeln!(f, "it fails")?,
                What::NotAwaited => writeln!(f, "it does not wait")?,
                What::Returned { success, left } => {
                    let end = if *success { "returns" } else { "fails" };
                    writeln!(f, "it {end}; alive: {left}")?;
                }
                What::Over { left, strays, supervisor, state } => {
                    let state = state.as_deref().unwrap_or("unknown");
                    write!(f, "over; alive: {left}, of earlier runs: {strays}, state: {state}")?;
                    match supervisor {
                        Some(status) => writeln!(f, ", the supervisor has exited with {status}")?,
                        None => writeln!(f)?,
                    }
                }
            }
        }
        Ok(())
    }
}
