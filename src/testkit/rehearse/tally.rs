//! What happens to one process, counted while it happens.

use std::time::Duration;

use super::rehearsal::{GivenUp, ProcessReport};
use crate::machine::{ExitSet, Input, Name, Notice, NoticeKind, Phase};

/// The counts of one process.
#[derive(Debug)]
pub(super) struct Tally {
    report: ProcessReport,
    /// Whether it is ready when it is started.
    ready_at_start: bool,
    success: ExitSet,
    is_defined: bool,
    is_held: bool,
    is_completed: bool,
    is_ready: bool,
    /// Whether the current run was ready.
    was_ready: bool,
    /// Since when it is wanted and not ready.
    outage: Option<Duration>,
    /// The last outage that is over and not counted yet.
    last_outage: Option<(Duration, Duration)>,
    stopping_since: Option<Duration>,
    last_failure: Option<NoticeKind>,
}

impl Tally {
    pub(super) fn new(name: Name) -> Self {
        let report = ProcessReport {
            name,
            starts: 0,
            restarts: 0,
            failures: 0,
            first_ready: None,
            downtime: Duration::ZERO,
            outages: 0,
            longest_outage: Duration::ZERO,
            longest_outage_at: None,
            given_up: Vec::new(),
            kills: 0,
            longest_stop: None,
            phase: Phase::Down,
        };
        Self {
            report,
            ready_at_start: true,
            success: ExitSet::default(),
            is_defined: false,
            is_held: false,
            is_completed: false,
            is_ready: false,
            was_ready: false,
            outage: None,
            last_outage: None,
            stopping_since: None,
            last_failure: None,
        }
    }

    pub(super) fn name(&self) -> &Name {
        &self.report.name
    }

    /// Takes over what a command changes about the process.
    pub(super) fn commanded(&mut self, input: &Input<()>) {
        match input {
            Input::Add { definition, .. } | Input::Replace { definition, .. } => {
                self.ready_at_start = definition.ready.is_none();
                self.success = definition.policy.success;
            }
            Input::SetPolicy { policy, .. } => self.success = policy.success,
            _ => {}
        }
    }

    /// Counts a start that was requested.
    pub(super) fn started(&mut self) {
        self.report.starts += 1;
        self.report.restarts = self.report.starts - 1;
    }

    /// Counts a notice.
    pub(super) fn noticed(&mut self, notice: &Notice, at: Duration, service_is_wanted: bool) {
        match &notice.kind {
            NoticeKind::Added => (self.is_defined, self.is_held, self.is_completed) = (true, false, false),
            NoticeKind::Removed => self.is_defined = false,
            NoticeKind::Held => self.is_held = true,
            NoticeKind::Released => self.is_held = false,
            NoticeKind::Started { .. } => {
                self.is_completed = false;
                (self.is_ready, self.was_ready) = (self.ready_at_start, self.ready_at_start);
            }
            NoticeKind::Ready => (self.is_ready, self.was_ready) = (true, true),
            NoticeKind::NotReady { .. } => {
                if !self.was_ready {
                    self.failed(&notice.kind);
                }
                self.is_ready = false;
            }
            NoticeKind::Unhealthy { .. } => {
                self.failed(&notice.kind);
                self.is_ready = false;
            }
            NoticeKind::SpawnFailed { .. } => self.failed(&notice.kind),
            NoticeKind::Stopping { .. } | NoticeKind::StopCommand { .. } => {
                self.is_ready = false;
                self.stopping_since = Some(at);
            }
            NoticeKind::Killed => {
                self.report.kills += 1;
                self.is_ready = false;
                self.stopping_since.get_or_insert(at);
            }
            NoticeKind::Exited { exit, asked, .. } => {
                if !asked && !self.success.contains(*exit) {
                    self.failed(&notice.kind);
                }
                self.is_ready = false;
                if let Some(since) = self.stopping_since.take() {
                    let took = at - since;
                    self.report.longest_stop = Some(self.report.longest_stop.unwrap_or_default().max(took));
                }
            }
            NoticeKind::Completed => self.is_completed = true,
            NoticeKind::GaveUp { .. } => {
                let last = self.last_failure.take().map(|kind| kind.to_string());
                let given_up =
                    GivenUp { at, notice: notice.kind.to_string(), last: last.unwrap_or_default() };
                self.report.given_up.push(given_up);
            }
            _ => return,
        }
        self.update(at, service_is_wanted);
    }

    fn failed(&mut self, kind: &NoticeKind) {
        self.report.failures += 1;
        self.last_failure = Some(kind.clone());
    }

    /// Notes that the service is started: what has completed is wanted again.
    pub(super) fn service_starts(&mut self, at: Duration) {
        self.is_completed = false;
        self.update(at, true);
    }

    /// Begins or ends an outage.
    pub(super) fn update(&mut self, at: Duration, service_is_wanted: bool) {
        let first_ready = &mut self.report.first_ready;
        if self.is_ready {
            first_ready.get_or_insert(at);
        } else {
            // It was ready for no time at all.
            first_ready.take_if(|first| *first == at);
        }
        let is_wanted = service_is_wanted && self.is_defined && !self.is_held && !self.is_completed;
        match self.outage {
            None if is_wanted && !self.is_ready => {
                // A process that dies at once has not interrupted the outage before it.
                self.outage = match self.last_outage.take() {
                    Some((since, until)) if until == at => Some(since),
                    last => {
                        self.count_outage(last);
                        Some(at)
                    }
                };
            }
            Some(since) if !is_wanted || self.is_ready => {
                self.outage = None;
                self.last_outage = Some((since, at));
            }
            _ => {}
        }
    }

    fn count_outage(&mut self, outage: Option<(Duration, Duration)>) {
        let Some((since, until)) = outage.filter(|(since, until)| since < until) else { return };
        let (length, report) = (until - since, &mut self.report);
        report.downtime += length;
        report.outages += 1;
        if length > report.longest_outage {
            (report.longest_outage, report.longest_outage_at) = (length, Some(since));
        }
    }

    /// Ends the counts of outages. From now on only stops are counted.
    pub(super) fn measured(&mut self, at: Duration, phase: Option<Phase>) {
        let last = self.last_outage.take();
        self.count_outage(last);
        let current = self.outage.take();
        self.count_outage(current.map(|since| (since, at)));
        self.report.phase = phase.unwrap_or(Phase::Down);
    }

    /// Returns the report.
    pub(super) fn into_report(self) -> ProcessReport {
        self.report
    }
}
