//! A process and its state.

use std::sync::Arc;
use std::time::Instant;

use crate::machine::child::{Child, Last};
use crate::machine::definition::Settings;
use crate::machine::give_up::{Failures, Window};
use crate::machine::json::{Fields, Json, Problem, Text, Value, Words};
use crate::machine::run::{Orphans, Run, StopReason};
use crate::machine::state::{Blockage, Goal, Rest, State, StopMode};
use crate::machine::{Event, Exit, LastRun, Policy, RunId};

impl<S> Child<S> {
    /// Returns a copy with another spec.
    pub(super) fn with_spec<T>(&self, spec: T) -> Child<T> {
        let Self { name, order, settings, goal, state, failures, starts, last } = self;
        let Settings { spec: _, policy, ready, stop_signal, stop_target, stop_command } = settings;
        Child {
            name: name.clone(),
            order: *order,
            settings: Settings {
                spec,
                policy: policy.clone(),
                ready: *ready,
                stop_signal: *stop_signal,
                stop_target: *stop_target,
                stop_command: *stop_command,
            },
            goal: *goal,
            state: state.clone(),
            failures: failures.clone(),
            starts: *starts,
            last: last.clone(),
        }
    }
}

impl<S: Json> Json for Child<S> {
    fn write(&self, out: &mut Text) {
        let Self { name, order, settings, goal, state, failures, starts, last } = self;
        out.object()
            .with("name", name)
            .with("order", order)
            .with("settings", settings)
            .with("goal", goal)
            .with("state", state)
            .with("failures", failures)
            .with("starts", starts)
            .with("last", last)
            .end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let child = Self {
            name: fields.take("name")?,
            order: fields.take("order")?,
            settings: fields.take("settings")?,
            goal: fields.take("goal")?,
            state: fields.take("state")?,
            failures: fields.take("failures")?,
            starts: fields.take("starts")?,
            last: fields.take("last")?,
        };
        fields.end().map(|()| child)
    }
}

impl<S: Json> Json for Settings<S> {
    fn write(&self, out: &mut Text) {
        let Self { spec, policy, ready, stop_signal, stop_target, stop_command } = self;
        out.object()
            .with("spec", spec)
            .with::<Policy>("policy", policy)
            .with("ready", ready)
            .with("stop_signal", stop_signal)
            .with("stop_target", stop_target)
            .with("stop_command", stop_command)
            .end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let settings = Self {
            spec: fields.take("spec")?,
            policy: Arc::new(fields.take("policy")?),
            ready: fields.take("ready")?,
            stop_signal: fields.take("stop_signal")?,
            stop_target: fields.take("stop_target")?,
            stop_command: fields.take("stop_command")?,
        };
        fields.end().map(|()| settings)
    }
}

impl Json for Last {
    fn write(&self, out: &mut Text) {
        let Self { result, lived, asked, reason } = self;
        let object = match result {
            LastRun::Exited(exit) => out.object().with("exited", exit),
            LastRun::SpawnFailed(error) => out.object().with("spawn_failed", error),
        };
        object.with("lived", lived).with("asked", asked).optional("reason", reason.as_deref()).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let result = if fields.has("exited") {
            LastRun::Exited(fields.take("exited")?)
        } else {
            LastRun::SpawnFailed(fields.take("spawn_failed")?)
        };
        let reason: Option<StopReason> = fields.take("reason")?;
        let last = Self {
            result,
            lived: fields.take("lived")?,
            asked: fields.take("asked")?,
            reason: reason.map(Box::new),
        };
        fields.end().map(|()| last)
    }
}

impl Json for Failures {
    fn write(&self, out: &mut Text) {
        let Self { growths, row, window } = self;
        let window = window.as_deref().map(|Window(times)| times.iter().copied().collect::<Vec<Instant>>());
        out.object().with("growths", growths).with("row", row).with("window", &window).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let window: Option<Vec<Instant>> = fields.take("window")?;
        let failures = Self {
            growths: fields.take("growths")?,
            row: fields.take("row")?,
            window: window.map(|times| Box::new(Window(times.into()))),
        };
        fields.end().map(|()| failures)
    }
}

impl Json for State {
    fn write(&self, out: &mut Text) {
        match self {
            Self::Down(rest) => out.object().with("down", rest).end(),
            Self::Starting { run, unwanted, exit } => {
                // Only the exit of the leader is kept here.
                let exit = match exit.as_deref() {
                    Some(Event::Exited { run: _, exit, remaining }) => Some((*exit, remaining.clone())),
                    _ => None,
                };
                let (exit, remaining) = exit.unzip();
                out.object()
                    .with("starting", run)
                    .with("unwanted", unwanted)
                    .with("exit", &exit)
                    .with("remaining", &remaining)
                    .end();
            }
            Self::Up(run) => out.object().with("up", run).end(),
            Self::Stopping { run, kill_at, orphans } => out
                .object()
                .with("stopping", run)
                .with("kill_at", kill_at)
                .optional("orphans", orphans.as_deref())
                .end(),
            Self::Ending(ending) => out.object().with("ending", ending).end(),
            Self::Waiting { until } => out.object().with("waiting", until).end(),
            Self::Blocked(blockage) => out.object().with("blocked", blockage).end(),
        }
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let state = if fields.has("down") {
            Self::Down(fields.take("down")?)
        } else if fields.has("starting") {
            let run: Run = fields.take("starting")?;
            let (exit, remaining): (Option<Exit>, Option<Vec<u32>>) =
                (fields.take("exit")?, fields.take("remaining")?);
            let exited = |exit| {
                let (run, remaining): (RunId, _) = (run.id, remaining.unwrap_or_default());
                Box::new(Event::Exited { run, exit, remaining })
            };
            let exit = exit.map(exited);
            Self::Starting { run, unwanted: fields.take("unwanted")?, exit }
        } else if fields.has("up") {
            Self::Up(fields.take("up")?)
        } else if fields.has("stopping") {
            let orphans: Option<Orphans> = fields.take("orphans")?;
            Self::Stopping {
                run: fields.take("stopping")?,
                kill_at: fields.take("kill_at")?,
                orphans: orphans.map(Box::new),
            }
        } else if fields.has("ending") {
            Self::Ending(fields.take("ending")?)
        } else if fields.has("waiting") {
            Self::Waiting { until: fields.take("waiting")? }
        } else {
            Self::Blocked(fields.take("blocked")?)
        };
        fields.end().map(|()| state)
    }
}

impl Words for Goal {
    const ALL: &'static [Self] = &[Self::Keep, Self::Hold, Self::Gone];

    fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Hold => "hold",
            Self::Gone => "gone",
        }
    }
}

impl Words for Rest {
    const ALL: &'static [Self] = &[Self::Idle, Self::Completed, Self::Failed, Self::GaveUp];

    fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::GaveUp => "gave-up",
        }
    }
}

impl Words for StopMode {
    const ALL: &'static [Self] = &[Self::Graceful, Self::Forced];

    fn word(self) -> &'static str {
        match self {
            Self::Graceful => "graceful",
            Self::Forced => "forced",
        }
    }
}

impl Words for Blockage {
    const ALL: &'static [Self] = &[Self::Published, Self::Silent];

    fn word(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Silent => "silent",
        }
    }
}
