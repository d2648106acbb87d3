//! The findings of a check, with their places in the file.

use std::fmt;
use std::ops::Range;

use childminder::Name;

use crate::file::File;
use crate::file::setting::Entry;

/// The weight of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// It may be intended.
    Info,
    /// It is probably a mistake.
    Warning,
    /// The process cannot work.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// The kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FindingKind {
    /// A key has no effect on a process that is never restarted.
    NeverRestarted,
    /// The program is killed without time to stop.
    NoKillTime,
    /// The process is never given up.
    NeverGivesUp,
    /// The process would be given up, but not if each run fails in a certain way.
    UnreachableGiveUp,
    /// Restarts have no delay.
    NoDelay,
    /// Every run counts as long.
    NoThreshold,
    /// The longest delay has no effect.
    UselessMaximum,
    /// A time of being ready, without a condition for that.
    ResetWithoutReady,
    /// The program needs more time to stop.
    ShortKillTime,
    /// The program stops in order on another signal.
    StopSignal,
    /// A port is in use.
    OccupiedPort,
    /// A file does not exist.
    MissingFile,
    /// The directory of a log file does not exist.
    MissingLogDirectory,
    /// The condition of a process cannot be met.
    NeverReady,
    /// A process waits for one that can never become ready.
    WaitsForNeverReady,
    /// A process waits for one that is held.
    WaitsForHeld,
    /// A process waits for the readiness of one that has no condition.
    WaitsWithoutReady,
    /// Two processes have the same port.
    SamePort,
    /// A condition looks at the port of another process.
    PortOfOther,
}

impl FindingKind {
    /// Returns the name that programs see.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NeverRestarted => "never-restarted",
            Self::NoKillTime => "no-kill-time",
            Self::NeverGivesUp => "never-gives-up",
            Self::UnreachableGiveUp => "unreachable-give-up",
            Self::NoDelay => "no-delay",
            Self::NoThreshold => "no-threshold",
            Self::UselessMaximum => "useless-maximum",
            Self::ResetWithoutReady => "reset-without-ready",
            Self::ShortKillTime => "short-kill-time",
            Self::StopSignal => "stop-signal",
            Self::OccupiedPort => "occupied-port",
            Self::MissingFile => "missing-file",
            Self::MissingLogDirectory => "missing-log-directory",
            Self::NeverReady => "never-ready",
            Self::WaitsForNeverReady => "waits-for-never-ready",
            Self::WaitsForHeld => "waits-for-held",
            Self::WaitsWithoutReady => "waits-without-ready",
            Self::SamePort => "same-port",
            Self::PortOfOther => "port-of-other",
        }
    }
}

/// One finding about one process.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) kind: FindingKind,
    pub(crate) level: Level,
    pub(crate) process: Name,
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// The findings about a file.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    file: &'a File,
    list: Vec<Finding>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(file: &'a File) -> Self {
        Self { file, list: Vec::new() }
    }

    /// Adds a finding about a key of a process.
    pub(crate) fn add(
        &mut self,
        kind: FindingKind,
        level: Level,
        entry: &Entry,
        key: &str,
        message: impl Into<String>,
    ) {
        self.add_at(kind, level, entry, entry.span_of(key), message);
    }

    /// Adds a finding about a place in the table of a process.
    pub(crate) fn add_at(
        &mut self,
        kind: FindingKind,
        level: Level,
        entry: &Entry,
        span: &Range<usize>,
        message: impl Into<String>,
    ) {
        let line = self.file.line_of(span);
        let (process, message) = (entry.name.clone(), message.into());
        self.list.push(Finding { kind, level, process, line, message });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn f_328_every_kind_of_finding_has_a_file_that_triggers_it() {
        let this =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check/finding.rs")).unwrap();
        let kinds = this.split_once("pub(crate) enum FindingKind {").unwrap().1.split_once("\n}").unwrap().0;
        let variants: Vec<&str> = kinds
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("///"))
            .collect();
        // `name` matches all variants, so the number of its arms is that of the kinds.
        let names = this.split_once("fn name(self)").unwrap().1.split_once("\n    }").unwrap().0;
        let names: Vec<&str> = names.lines().filter_map(|line| line.split('"').nth(1)).collect();
        assert!(variants.len() == names.len() && names.len() >= 19, "{variants:?} {names:?}");
        for name in names {
            // The integration tests run a check of each file, and find the kind of its name.
            let file =
                Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/findings/check-{name}.toml"));
            assert!(file.exists(), "{} is missing: add a file that triggers this finding", file.display());
        }
    }
}
