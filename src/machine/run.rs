//! One run of a process, and how it comes to its end.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    Containment, Dependency, Exit, Name, Notice, NoticeKind, Output, Policy, RunId, Signal, SignalTarget,
    SurvivalReason, SurvivingProcess,
};

/// The maximum time from KILL to the report of a process that is about to die.
pub(super) const MAX_KILL_TIME: Duration = Duration::from_secs(10);

/// A run, from the output that starts it to its end.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) id: RunId,
    /// `None` until it was started, and if its process has no id.
    pub(super) pid: Option<NonZeroU32>,
    pub(super) containment: Option<Containment>,
    pub(super) since: Instant,
    /// Whether both output streams have ended.
    pub(super) closed: bool,
    /// Whether it was asked to end.
    pub(super) asked: bool,
    /// The reason why it was asked to end, if it was not a command.
    pub(super) reason: Option<Box<StopReason>>,
    pub(super) readiness: Readiness,
    /// The stop command, if it was asked to end by one.
    pub(super) stop_command: Option<StopCommand>,
    /// Whether the process is started again as soon as this run is over, without the delay of the policy.
    pub(super) again: bool,
    /// Whether its definition was removed and the name reused: the run does not count for the new
    /// definition.
    pub(super) disowned: bool,
}

/// Whether a run is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Not yet.
    Pending,
    /// Since this time.
    Since(Instant),
    /// No longer.
    Lost,
}

/// The reasons why a run is stopped that are no commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// It has not become ready.
    NotReady(Arc<str>),
    /// It is unhealthy.
    Unhealthy(Arc<str>),
    /// A process that it depends on has ended.
    Dependency(Name),
    /// A member of its restart group has ended.
    Group { group: Name, after: Name },
    /// Its definition was replaced. It is stopped as the old one wanted.
    Replaced(StopWay),
}

impl StopReason {
    /// Whether a run that is stopped for this reason has failed.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::NotReady(_) | Self::Unhealthy(_))
    }
}

/// The part of a definition that is needed to stop a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StopWay {
    pub(super) signal: Signal,
    pub(super) target: SignalTarget,
    pub(super) command: bool,
    pub(super) kill_time: Duration,
}

/// The stop command of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct StopCommand {
    pub(super) is_running: bool,
    /// The target of the stop signal that is sent if the command fails.
    pub(super) target: SignalTarget,
    pub(super) signal: Signal,
}

/// The death of the leader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death {
    pub(super) exit: Exit,
    pub(super) at: Instant,
}

/// The repeated check whether the family of a dead leader is gone.
#[derive(Clone, Debug)]
pub(super) struct FamilyPoll {
    /// When to check next.
    pub(super) at: Instant,
    pub(super) interval: Duration,
    /// The result of the last check.
    pub(super) remaining: Vec<u32>,
}

/// The family of a leader that has died before it while the run was being stopped.
#[derive(Clone, Debug)]
pub(super) struct Orphans {
    pub(super) death: Death,
    pub(super) family: FamilyPoll,
}

/// The state of a run that is dead or killed, and not over.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) run: Run,
    /// `None` if KILL was sent and the leader has not died of it yet.
    pub(super) death: Option<Death>,
    /// `Some` if the rest of the family has not died yet.
    pub(super) family: Option<Box<FamilyPoll>>,
    /// Until when the end of the output is awaited.
    pub(super) close_at: Option<Instant>,
    /// The report of the processes that outlive KILL; `None` if no KILL was needed.
    pub(super) report: Option<Box<SurvivorReport>>,
}

/// The steps on the way to the report of survivors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SurvivorReport {
    /// KILL was sent at `killed_at`. The survivors are checked at `at`.
    Due { at: Instant, killed_at: Instant },
    /// The family is being listed once more.
    Listing { killed_at: Instant },
    /// The survivors are being described.
    Describing { killed_at: Instant },
    /// The survivors were reported.
    Reported,
}

/// The parts of the machine that a process uses while it handles an input.
#[derive(Debug)]
pub(super) struct Context<'a, S> {
    pub(super) now: Instant,
    /// Whether the service runs.
    pub(super) running: bool,
    /// The index of the process in the machine's table.
    pub(super) slot: usize,
    pub(super) runs: &'a mut u64,
    pub(super) out: &'a mut VecDeque<Output<S>>,
    /// Whether the process may be started.
    pub(super) gate: Gate<'a>,
    /// The source of the jitter.
    pub(super) seed: u64,
    /// The effect on other processes, if there is one.
    pub(super) effect: Option<Effect>,
}

/// Whether a process may be started, as far as other processes are concerned.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gate<'a> {
    Open,
    /// Not before this condition holds.
    Condition(&'a Dependency),
    /// Not before its restart group has ended.
    Group,
}

/// The effect of an input on other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// A run has ended by itself or has failed, and the process is restarted: so is its group.
    RestartsGroup,
    /// The process was given up, and the service is stopped therefore.
    StopsService,
}

impl<S> Context<'_, S> {
    pub(super) fn next_run(&mut self) -> RunId {
        *self.runs += 1;
        RunId::new(*self.runs, self.slot)
    }

    pub(super) fn push(&mut self, output: Output<S>) {
        self.out.push_back(output);
    }

    pub(super) fn signal(&mut self, run: RunId, target: SignalTarget, signal: Signal) {
        self.push(Output::Signal { run, target, signal });
    }

    /// Sends the stop signal, and CONT so that a stopped process can handle it.
    pub(super) fn stop(&mut self, run: RunId, target: SignalTarget, signal: Signal) {
        self.signal(run, target, signal);
        self.signal(run, SignalTarget::Family, Signal::CONT);
    }

    pub(super) fn kill(&mut self, run: RunId) {
        self.signal(run, SignalTarget::Family, Signal::KILL);
    }

    pub(super) fn publish(&mut self, name: Name, run: impl Into<Option<RunId>>, kind: NoticeKind) {
        self.push(Output::Notice(Notice { at: self.now, name, run: run.into(), kind }));
    }
}

impl Run {
    pub(super) fn new(id: RunId, now: Instant) -> Self {
        Self {
            id,
            pid: None,
            containment: None,
            since: now,
            closed: false,
            asked: false,
            reason: None,
            readiness: Readiness::Pending,
            stop_command: None,
            again: false,
            disowned: false,
        }
    }

    /// Returns the process id, if the process was started and has one.
    pub(super) fn pid(&self) -> Option<u32> {
        self.pid.map(NonZeroU32::get)
    }

    /// Notes that the stop command has ended. Returns it if it was running.
    pub(super) fn stop_command_ended(&mut self) -> Option<StopCommand> {
        let command = self.stop_command.as_mut().filter(|command| command.is_running)?;
        command.is_running = false;
        Some(*command)
    }

    /// Kills the stop command if it is running.
    pub(super) fn kill_stop_command<S>(&mut self, cx: &mut Context<'_, S>) {
        if self.stop_command_ended().is_some() {
            cx.push(Output::KillStopCommand { run: self.id });
        }
    }
}

impl FamilyPoll {
    const FIRST: Duration = Duration::from_millis(2);
    pub(super) const LONGEST: Duration = Duration::from_millis(64);

    /// Begins with `remaining`, the result of a check at `now`.
    pub(super) fn new(remaining: Vec<u32>, now: Instant) -> Self {
        Self { at: now + Self::FIRST, interval: Self::FIRST, remaining }
    }

    /// Requests the next check if it is due. The intervals grow.
    pub(super) fn handle_timeout<S>(&mut self, run: RunId, cx: &mut Context<'_, S>) {
        if self.at <= cx.now {
            self.interval = (self.interval * 2).min(Self::LONGEST);
            self.at = cx.now + self.interval;
            cx.push(Output::ListFamily { run });
        }
    }
}

impl Ending {
    /// Begins when KILL has been sent to the family.
    pub(super) fn killed(run: Run, orphans: Option<Orphans>, leak_timeout: Duration, now: Instant) -> Self {
        let (death, family) = orphans.map(|Orphans { death, family }| (death, Box::new(family))).unzip();
        let close_at = death.map(|_| now + leak_timeout);
        let report = SurvivorReport::Due { at: now + Policy::KILL_GRACE, killed_at: now };
        Self { run, death, family, close_at, report: Some(Box::new(report)) }
    }

    /// Begins when the whole family is dead.
    pub(super) fn dead(run: Run, death: Death, leak_timeout: Duration, now: Instant) -> Self {
        let close_at = Some(now + leak_timeout);
        Self { run, death: Some(death), family: None, close_at, report: None }
    }

    /// Whether a process of the family may be alive.
    pub(super) fn has_survivors(&self) -> bool {
        self.death.is_none() || self.family.is_some()
    }

    /// Whether the family has outlived KILL and was reported.
    pub(super) fn is_unkillable(&self) -> bool {
        self.has_survivors() && self.report.as_deref() == Some(&SurvivorReport::Reported)
    }

    /// Checks and reports the survivors once more if they were reported already: a stop that is requested
    /// only now waits for a report as well.
    pub(super) fn report_again(&mut self, now: Instant) {
        if self.is_unkillable() {
            let report = SurvivorReport::Due { at: now + FamilyPoll::LONGEST, killed_at: now };
            self.report = Some(Box::new(report));
        }
    }

    /// Returns the death of the leader if the run is over: the family is dead, and the output has ended or
    /// was awaited for long enough.
    pub(super) fn is_over(&self) -> Option<Death> {
        self.death.filter(|_| self.family.is_none() && (self.run.closed || self.close_at.is_none()))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let family = self.family.as_ref().map(|poll| poll.at);
        let report = match self.report.as_deref() {
            Some(SurvivorReport::Due { at, .. }) => Some(*at),
            _ => None,
        };
        [family, self.close_at, report].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn handle_timeout<S>(&mut self, cx: &mut Context<'_, S>) {
        if let Some(family) = &mut self.family {
            family.handle_timeout(self.run.id, cx);
        }
        self.close_at.take_if(|at| *at <= cx.now);
        let has_survivors = self.has_survivors();
        let Some(report) = self.report.as_deref_mut() else { return };
        let SurvivorReport::Due { at, killed_at } = *report else { return };
        if at > cx.now {
            return;
        }
        if !has_survivors {
            self.report = None;
            return;
        }
        *report = if self.death.is_some() {
            // The last check may be outdated.
            cx.push(Output::ListFamily { run: self.run.id });
            SurvivorReport::Listing { killed_at }
        } else {
            let pids = self.run.pid().into_iter().collect();
            cx.push(Output::DescribeSurvivors { run: self.run.id, pids });
            SurvivorReport::Describing { killed_at }
        };
    }

    /// Requests the description of the survivors if the family was listed for that.
    pub(super) fn family_listed<S>(&mut self, cx: &mut Context<'_, S>) {
        let Some(report) = self.report.as_deref_mut() else { return };
        if let (SurvivorReport::Listing { killed_at }, Some(family)) = (*report, &self.family) {
            let pids = family.remaining.clone();
            cx.push(Output::DescribeSurvivors { run: self.run.id, pids });
            *report = SurvivorReport::Describing { killed_at };
        }
    }

    /// Decides whether the survivors are reported, and returns them in that case. Processes that only need a
    /// CPU to die are given more time on a loaded system, up to [`MAX_KILL_TIME`].
    pub(super) fn survivors_described(
        &mut self,
        processes: Vec<SurvivingProcess>,
        now: Instant,
    ) -> Option<Vec<SurvivingProcess>> {
        let report = self.report.as_deref_mut()?;
        let SurvivorReport::Describing { killed_at } = *report else { return None };
        // None is alive: the event of their end is on its way.
        let is_dying = processes.iter().all(|process| process.reason == SurvivalReason::KillPending);
        if processes.is_empty() || is_dying && now < killed_at + MAX_KILL_TIME {
            *report = SurvivorReport::Due { at: now + Policy::KILL_GRACE, killed_at };
            return None;
        }
        *report = SurvivorReport::Reported;
        Some(processes)
    }
}
