//! What is wrong with the processes themselves, although every decision is right.

use std::fmt;

use super::search::Explored;
use crate::machine::Name;

/// The kinds of problems that processes may have with each other or with their policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FindingKind {
    /// A process is wanted and will never be ready again, although everything works from now on. Most often
    /// it waits for a process that has ended and is not restarted. A process that waits for one that was
    /// given up is not reported: that was a decision.
    NeverReady,
    /// A process was given up although it has failed only while a process that it depends on was down, and
    /// that one has recovered.
    GivenUp,
    /// A process is restarted more than once a second without limit.
    RestartsForever,
    /// A stop may take longer than the [limit](super::Explorer::stop_limit).
    LongStop,
    /// A process is started because another one counts as ready, whose own run is not ready.
    StaleReadiness,
}

impl FindingKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::NeverReady, Self::GivenUp, Self::RestartsForever, Self::LongStop, Self::StaleReadiness];

    /// Returns the name, such as `never-ready`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverReady => "never-ready",
            Self::GivenUp => "given-up",
            Self::RestartsForever => "restarts-forever",
            Self::LongStop => "long-stop",
            Self::StaleReadiness => "stale-readiness",
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NeverReady => "never ready again",
            Self::GivenUp => "given up although what it depends on has recovered",
            Self::RestartsForever => "restarted without limit and without a delay that helps",
            Self::LongStop => "a stop takes too long",
            Self::StaleReadiness => "started on the readiness of another process",
        })
    }
}

/// A problem of the processes, with the shortest known way to it.
///
/// [`Explorer::findings`](super::Explorer::findings) returns these. Displayed as a scenario that can be run
/// again, with the rest as comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub(super) kind: FindingKind,
    pub(super) processes: Vec<Name>,
    pub(super) on: Option<Name>,
    pub(super) text: String,
    pub(super) steps: Vec<String>,
}

impl Finding {
    /// Returns the kind.
    pub fn kind(&self) -> FindingKind {
        self.kind
    }

    /// Returns the processes that have the problem. There is at least one.
    pub fn processes(&self) -> &[Name] {
        &self.processes
    }

    /// Returns the process that the first of [these](Self::processes) depends on, if that is the cause.
    pub fn on(&self) -> Option<&Name> {
        self.on.as_ref()
    }

    /// Returns what happens, as a sentence without a full stop.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the steps that lead to it.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// Returns the steps as text, for [`Explorer::review`](super::Explorer::review).
    pub fn scenario(&self) -> String {
        self.steps.join("\n")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.processes.iter().map(Name::as_str).collect();
        write!(f, "# {}: {}", names.join(", "), self.kind)?;
        for step in &self.steps {
            write!(f, "\n{step}")?;
        }
        write!(f, "\n# {}", self.text)
    }
}

/// The result of a search for [findings](super::Explorer::findings).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Survey {
    /// The findings, those with the fewest steps first. Each process that has a kind of problem is in one of
    /// them.
    pub findings: Vec<Finding>,
    /// The extent of the search.
    pub explored: Explored,
}

/// The limits of a search for [findings](super::Explorer::findings).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The maximum number of states. When they are reached, the search goes no deeper. Default: 100,000.
    pub states: u64,
    /// The number of random walks, which go beyond the depth of the search. Default: 200.
    pub walks: u64,
    /// The number of steps of each walk. Default: 40.
    pub length: usize,
    /// The seed of the walks. Default: 0.
    pub seed: u64,
}

impl Default for Reach {
    fn default() -> Self {
        Self { states: 100_000, walks: 200, length: 40, seed: 0 }
    }
}
