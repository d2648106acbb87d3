//! The steps of an exploration, and how they are written.

use std::fmt;

use crate::machine::{Exit, Name};

/// The kinds of steps: commands of a user, events of the world, and the passing of time.
///
/// An [`Explorer`](super::Explorer) takes every step that is possible in a state: only a process that runs
/// can exit, and only one that has a condition for its readiness becomes ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StepKind {
    /// Command: the service starts.
    StartService,
    /// Command: the service stops.
    StopService,
    /// Command: the service is killed.
    KillService,
    /// Command: every process is restarted.
    RestartAll,
    /// Command: a process that was removed is added again.
    Add,
    /// Command: a process is removed.
    Remove,
    /// Command: a process is started by force.
    Start,
    /// Command: a process is stopped.
    Stop,
    /// Command: a process is held.
    Hold,
    /// Command: a process is released.
    Release,
    /// A start succeeds.
    Started,
    /// A start fails.
    FailsToStart,
    /// A process exits, with one of the [exits](super::Explorer::exits).
    Exits,
    /// A process exits, and another process of its family lives on.
    LeavesFamily,
    /// The last process of a family exits, after its leader.
    FamilyExits,
    /// A process that was killed dies.
    Dies,
    /// The output of a process ends, before or after its exit. Without this kind, the output ends with the
    /// process.
    Closes,
    /// A process becomes ready.
    Ready,
    /// A process is found to be not ready.
    NotReady,
    /// A process is found to be unhealthy.
    Unhealthy,
    /// A stop command ends.
    StopCommandEnds,
    /// A stop command fails.
    StopCommandFails,
    /// Every event of the previous run of a process arrives once more.
    LateEvents,
    /// Time passes until something is due. It does not pass while a start is unanswered or a process that
    /// was killed is alive.
    Time,
    /// Time passes although a start is unanswered or a process that was killed is alive.
    SlowTime,
    /// Everything works for a while: starts succeed, processes become ready and stay, one-shots that others
    /// wait for complete, and time passes until nothing is due.
    Recovers,
    /// A process is found to be ready because another process answers in its place. Only possible with
    /// [`ready_by_any_process`](super::Explorer::ready_by_any_process).
    StaleReady,
}

impl StepKind {
    /// All kinds.
    pub const ALL: [Self; 27] = [
        Self::StartService,
        Self::StopService,
        Self::KillService,
        Self::RestartAll,
        Self::Add,
        Self::Remove,
        Self::Start,
        Self::Stop,
        Self::Hold,
        Self::Release,
        Self::Started,
        Self::FailsToStart,
        Self::Exits,
        Self::LeavesFamily,
        Self::FamilyExits,
        Self::Dies,
        Self::Closes,
        Self::Ready,
        Self::NotReady,
        Self::Unhealthy,
        Self::StopCommandEnds,
        Self::StopCommandFails,
        Self::LateEvents,
        Self::Time,
        Self::SlowTime,
        Self::Recovers,
        Self::StaleReady,
    ];

    /// The kinds that a search takes only if it is asked to.
    pub(super) const RARE: [Self; 4] = [Self::Closes, Self::SlowTime, Self::Recovers, Self::StaleReady];

    /// Whether it is about the service and not about one process.
    fn is_general(self) -> bool {
        use StepKind::{KillService, Recovers, RestartAll, SlowTime, StartService, StopService, Time};
        matches!(self, StartService | StopService | KillService | RestartAll | Time | SlowTime | Recovers)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kinds(u32);

impl Kinds {
    pub(super) fn contains(self, kind: StepKind) -> bool {
        self.0 & 1 << kind as u32 != 0
    }
}

impl FromIterator<StepKind> for Kinds {
    fn from_iter<I: IntoIterator<Item = StepKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u32))
    }
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Step {
    pub(super) kind: StepKind,
    /// The index of the process, if the step is about one.
    pub(super) process: u8,
    /// The index of the exit, if it is one.
    pub(super) exit: u8,
}

impl Step {
    /// Creates a step of a process; the index does not matter for one of the service or of time.
    pub(super) fn of(kind: StepKind, process: usize) -> Self {
        Self { kind, process: u8::try_from(process).expect("few processes"), exit: 0 }
    }

    /// Returns the step that is written like this.
    pub(super) fn parse(text: &str, names: &[Name], exits: &[Exit]) -> Option<Self> {
        StepKind::ALL.into_iter().find_map(|kind| {
            let processes = if kind.is_general() { 1 } else { names.len() };
            let exits_of = if kind == StepKind::Exits { exits.len() } else { 1 };
            let all = (0..processes).flat_map(|process| (0..exits_of).map(move |exit| (process, exit)));
            all.map(|(process, exit)| Self { exit: exit as u8, ..Self::of(kind, process) })
                .find(|step| Written { step: *step, names, exits }.to_string() == text)
        })
    }
}

/// Displays a step as a line of a scenario.
pub(super) struct Written<'a> {
    pub(super) step: Step,
    pub(super) names: &'a [Name],
    pub(super) exits: &'a [Exit],
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step: Step { kind, process, exit }, names, exits } = self;
        let name = &names[usize::from(*process)];
        match kind {
            StepKind::StartService => write!(f, "start the service"),
            StepKind::StopService => write!(f, "stop the service"),
            StepKind::KillService => write!(f, "kill the service"),
            StepKind::RestartAll => write!(f, "restart all"),
            StepKind::Add => write!(f, "add {name}"),
            StepKind::Remove => write!(f, "remove {name}"),
            StepKind::Start => write!(f, "start {name}"),
            StepKind::Stop => write!(f, "stop {name}"),
            StepKind::Hold => write!(f, "hold {name}"),
            StepKind::Release => write!(f, "release {name}"),
            StepKind::Started => write!(f, "{name} is started"),
            StepKind::FailsToStart => write!(f, "{name} fails to start"),
            StepKind::Exits => write!(f, "{name} exits with {}", exits[usize::from(*exit)]),
            StepKind::LeavesFamily => write!(f, "{name} exits and leaves a process behind"),
            StepKind::FamilyExits => write!(f, "{name}: the process left behind exits"),
            StepKind::Dies => write!(f, "{name} dies"),
            StepKind::Closes => write!(f, "{name} closes its output"),
            StepKind::Ready => write!(f, "{name} is ready"),
            StepKind::NotReady => write!(f, "{name} is not ready"),
            StepKind::Unhealthy => write!(f, "{name} is unhealthy"),
            StepKind::StopCommandEnds => write!(f, "{name}: the stop command ends"),
            StepKind::StopCommandFails => write!(f, "{name}: the stop command fails"),
            StepKind::LateEvents => write!(f, "{name}: late events of its previous run"),
            StepKind::Time => write!(f, "time passes"),
            StepKind::SlowTime => write!(f, "time passes without an answer"),
            StepKind::Recovers => write!(f, "everything works for a while"),
            StepKind::StaleReady => write!(f, "{name} is found ready because another process answers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_step_is_written_in_its_own_way_and_read_again() {
        let names = ["a".parse().unwrap(), "a.b".parse().unwrap()];
        let exits = [Exit::Code(0), Exit::Code(1)];
        let mut seen = HashSet::new();
        for kind in StepKind::ALL {
            let step = Step {
                exit: u8::from(kind == StepKind::Exits),
                ..Step::of(kind, usize::from(!kind.is_general()))
            };
            let text = Written { step, names: &names, exits: &exits }.to_string();
            assert_eq!(Step::parse(&text, &names, &exits), Some(step), "{text}");
            assert!(seen.insert(text));
        }
        assert_eq!(Step::parse("start c", &names, &exits), None);
    }

    #[test]
    fn a_set_contains_what_it_was_made_of() {
        let kinds: Kinds = [StepKind::Start, StepKind::SlowTime].into_iter().collect();
        let found: Vec<StepKind> = StepKind::ALL.into_iter().filter(|kind| kinds.contains(*kind)).collect();
        assert_eq!(found, [StepKind::Start, StepKind::SlowTime]);
    }
}
