//! What happens to processes, counted while it happens.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::rehearsal::{GivenUp, ProcessReport};
use crate::machine::{ExitSet, Input, Machine, Name, Notice, NoticeKind, Output, Phase};

/// The counts of all processes of a machine, from its inputs and outputs.
///
/// A [`Rehearsal`](super::Rehearsal) has these counts already. This counts what a machine does that is driven
/// in another way.
///
/// ```
/// use std::time::{Duration, Instant};
/// use childminder::machine::{Definition, Input, Machine};
/// use childminder::testkit::rehearse::Tallies;
///
/// let (mut machine, mut tallies, epoch) = (Machine::new(), Tallies::default(), Instant::now());
/// let definition = Box::new(Definition::new(()));
/// for input in [Input::StartService, Input::Add { name: "web".parse()?, definition }] {
///     machine.handle_input(input.clone(), epoch)?;
///     tallies.input(Duration::ZERO, &input);
///     while let Some(output) = machine.poll_output() {
///         tallies.output(Duration::ZERO, &output);
///     }
/// }
/// // Its start is not answered, so it is down all the time.
/// tallies.measure(Duration::from_secs(3), &machine);
/// assert_eq!(tallies.into_reports()[0].downtime.as_secs(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Tallies {
    by_name: HashMap<Name, usize>,
    /// In the order in which they were added first.
    list: Vec<Tally>,
    /// Whether the last command about the service was to start it.
    service_is_wanted: bool,
}

impl Tallies {
    /// Counts an input that the machine has accepted, before its outputs.
    pub fn input<S>(&mut self, at: Duration, input: &Input<S>) {
        match input {
            Input::Event(_) | Input::Timeout | Input::RestartAll => {}
            Input::StartService => {
                self.service_is_wanted = true;
                self.list.iter_mut().for_each(|tally| tally.service_starts(at));
            }
            Input::StopService | Input::KillService => {
                self.service_is_wanted = false;
                self.list.iter_mut().for_each(|tally| tally.update(at, false));
            }
            _ => {
                let Some(name) = input.name() else { return };
                let index = match self.by_name.get(name) {
                    Some(index) => *index,
                    None => {
                        self.by_name.insert(name.clone(), self.list.len());
                        self.list.push(Tally::new(name.clone()));
                        self.list.len() - 1
                    }
                };
                self.list[index].commanded(input);
            }
        }
    }

    /// Counts an output.
    pub fn output<S>(&mut self, at: Duration, output: &Output<S>) {
        let name = match output {
            Output::Spawn { name, .. } => name,
            Output::Notice(notice) => &notice.name,
            _ => return,
        };
        let Some(&index) = self.by_name.get(name) else { return };
        match output {
            Output::Notice(notice) => self.list[index].noticed(notice, at, self.service_is_wanted),
            _ => self.list[index].started(),
        }
    }

    /// Ends the counts of outages. From now on only stops are counted.
    pub fn measure<S: Clone>(&mut self, at: Duration, machine: &Machine<S>) {
        for tally in &mut self.list {
            let phase = machine.status(&tally.report.name).map(|status| status.phase);
            tally.measured(at, phase);
        }
        self.service_is_wanted = false;
    }

    /// Returns the counts.
    pub fn into_reports(self) -> Vec<ProcessReport> {
        self.list.into_iter().map(|tally| tally.report).collect()
    }
}

impl fmt::Debug for Tallies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list.iter().map(|tally| &tally.report)).finish()
    }
}

/// The counts of one process.
#[derive(Debug)]
struct Tally {
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
    fn new(name: Name) -> Self {
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

    /// Takes over what a command changes about the process.
    fn commanded<S>(&mut self, input: &Input<S>) {
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
    fn started(&mut self) {
        self.report.starts += 1;
        self.report.restarts = self.report.starts - 1;
    }

    /// Counts a notice.
    fn noticed(&mut self, notice: &Notice, at: Duration, service_is_wanted: bool) {
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
    fn service_starts(&mut self, at: Duration) {
        self.is_completed = false;
        self.update(at, true);
    }

    /// Begins or ends an outage.
    fn update(&mut self, at: Duration, service_is_wanted: bool) {
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
    fn measured(&mut self, at: Duration, phase: Option<Phase>) {
        let last = self.last_outage.take();
        self.count_outage(last);
        let current = self.outage.take();
        self.count_outage(current.map(|since| (since, at)));
        self.report.phase = phase.unwrap_or(Phase::Down);
    }
}
