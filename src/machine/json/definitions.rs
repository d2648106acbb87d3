//! Definitions and policies as JSON.

use std::time::Instant;

use super::{Fields, Json, Problem, Text, Value, Words};
use crate::backoff::{Growth, Jitter};
use crate::machine::{
    Definition, Dependency, Exit, ExitSet, GiveUp, LongRun, OnEnd, OnGiveUp, Policy, Restart, RestartGroup,
    Signal, Strategy, Until,
};

/// The parts of one jitter.
const MILLION: f64 = 1_000_000.0;

impl<S: Json> Json for Definition<S> {
    fn write(&self, out: &mut Text) {
        let Self { spec, policy, stop_signal, stop_target, stop_command, after, ready, restart_group } = self;
        out.object()
            .with("spec", spec)
            .with("policy", policy)
            .with("stop_signal", stop_signal)
            .with("stop_target", stop_target)
            .with("stop_command", stop_command)
            .with("after", after)
            .with("ready", ready)
            .with("restart_group", restart_group)
            .end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let definition = Self {
            spec: fields.take("spec")?,
            policy: fields.take("policy")?,
            stop_signal: fields.take("stop_signal")?,
            stop_target: fields.take("stop_target")?,
            stop_command: fields.take("stop_command")?,
            after: fields.take("after")?,
            ready: fields.take("ready")?,
            restart_group: fields.take("restart_group")?,
        };
        fields.end().map(|()| definition)
    }
}

impl Json for Policy {
    fn write(&self, out: &mut Text) {
        let Self {
            threshold,
            kill_time,
            min_restart_delay,
            max_restart_delay,
            leak_timeout,
            restart,
            success,
            growth,
            jitter,
            long_run,
            reset_after_ready,
            give_up,
        } = self;
        out.object()
            .with("threshold", threshold)
            .with("kill_time", kill_time)
            .with("min_restart_delay", min_restart_delay)
            .with("max_restart_delay", max_restart_delay)
            .with("leak_timeout", leak_timeout)
            .with("restart", restart)
            .with("success", success)
            .with("growth", growth)
            .with("jitter", jitter)
            .with("long_run", long_run)
            .with("reset_after_ready", reset_after_ready)
            .with("give_up", give_up)
            .end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let policy = Self {
            threshold: fields.take("threshold")?,
            kill_time: fields.take("kill_time")?,
            min_restart_delay: fields.take("min_restart_delay")?,
            max_restart_delay: fields.take("max_restart_delay")?,
            leak_timeout: fields.take("leak_timeout")?,
            restart: fields.take("restart")?,
            success: fields.take("success")?,
            growth: fields.take("growth")?,
            jitter: fields.take("jitter")?,
            long_run: fields.take("long_run")?,
            reset_after_ready: fields.take("reset_after_ready")?,
            give_up: fields.take("give_up")?,
        };
        fields.end()?;
        // The machine relies on it: a delay of a million years would overflow the clock.
        policy.check().map_err(|error| Problem::new(format!("is not valid: {error}")))?;
        Ok(policy)
    }
}

impl Json for GiveUp {
    fn write(&self, out: &mut Text) {
        let Self { failures, within, then } = self;
        out.object().with("failures", failures).with("within", within).with("then", then).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let give_up = Self {
            failures: fields.take("failures")?,
            within: fields.take("within")?,
            then: fields.take("then")?,
        };
        fields.end().map(|()| give_up)
    }
}

/// The codes and the signals.
impl Json for ExitSet {
    fn write(&self, out: &mut Text) {
        let codes: Vec<i32> = (0..=255).filter(|code| self.contains(Exit::Code(*code))).collect();
        let has = |signal: &Signal| self.contains(Exit::Signal { signal: *signal, core: false });
        let signals: Vec<Signal> = (1..=64).filter_map(Signal::from_number).filter(has).collect();
        out.object().with("codes", &codes).with("signals", &signals).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let codes: Vec<u32> = fields.take("codes")?;
        let signals: Vec<Signal> = fields.take("signals")?;
        fields.end()?;
        let mut set = Self::NONE;
        for code in codes {
            let code = u8::try_from(code);
            set = set.code(code.map_err(|_| Problem::of("codes", "has a number above 255"))?);
        }
        Ok(signals.into_iter().fold(set, Self::signal))
    }
}

/// A factor is a text, because a number of JSON need not be read exactly.
impl Json for Growth {
    fn write(&self, out: &mut Text) {
        match self {
            Self::Doubling => out.quoted("doubling"),
            Self::Factor(factor) => out.object().text("factor", &factor.to_string()).end(),
            Self::Linear(step) => out.object().with("linear", step).end(),
            Self::Steps(steps) => out.object().with("steps", steps).end(),
            Self::Fixed => out.quoted("fixed"),
            Self::DoublingAfterFirst => out.quoted("doubling-after-first"),
            Self::AtOnce => out.quoted("at-once"),
        }
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        if let Some(word) = value.as_text() {
            return match word {
                "doubling" => Ok(Self::Doubling),
                "fixed" => Ok(Self::Fixed),
                "doubling-after-first" => Ok(Self::DoublingAfterFirst),
                "at-once" => Ok(Self::AtOnce),
                other => Err(Problem::new(format!("is {other:?}, which is not known here"))),
            };
        }
        let mut fields = Fields::new(value, begin)?;
        let growth = if fields.has("factor") {
            let factor: String = fields.take("factor")?;
            Self::Factor(factor.parse().map_err(|_| Problem::of("factor", "is not a number"))?)
        } else if fields.has("linear") {
            Self::Linear(fields.take("linear")?)
        } else {
            Self::Steps(fields.take("steps")?)
        };
        fields.end().map(|()| growth)
    }
}

/// Whole millionths.
impl Json for Jitter {
    fn write(&self, out: &mut Text) {
        out.number((self.fraction() * MILLION).round() as u64);
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let millionths = u32::read(value, begin)?;
        Self::new(f64::from(millionths) / MILLION).map_err(|_| Problem::new("is above a million"))
    }
}

impl Json for Dependency {
    fn write(&self, out: &mut Text) {
        let Self { on, until, on_end } = self;
        out.object().with("on", on).with("until", until).with("on_end", on_end).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let dependency =
            Self { on: fields.take("on")?, until: fields.take("until")?, on_end: fields.take("on_end")? };
        fields.end().map(|()| dependency)
    }
}

impl Json for RestartGroup {
    fn write(&self, out: &mut Text) {
        let Self { name, strategy } = self;
        out.object().with("name", name).with("strategy", strategy).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let group = Self { name: fields.take("name")?, strategy: fields.take("strategy")? };
        fields.end().map(|()| group)
    }
}

impl Words for Restart {
    const ALL: &'static [Self] = &[Self::Always, Self::OnFailure, Self::Never];

    fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnFailure => "on-failure",
            Self::Never => "never",
        }
    }
}

impl Words for LongRun {
    const ALL: &'static [Self] = &[Self::AtOnce, Self::FirstDelay];

    fn word(self) -> &'static str {
        match self {
            Self::AtOnce => "at-once",
            Self::FirstDelay => "first-delay",
        }
    }
}

impl Words for OnGiveUp {
    const ALL: &'static [Self] = &[Self::StayDown, Self::StopAll];

    fn word(self) -> &'static str {
        match self {
            Self::StayDown => "stay-down",
            Self::StopAll => "stop-all",
        }
    }
}

impl Words for Until {
    const ALL: &'static [Self] = &[Self::Started, Self::Ready, Self::Completed];

    fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Completed => "completed",
        }
    }
}

impl Words for OnEnd {
    const ALL: &'static [Self] = &[Self::Stay, Self::Restart];

    fn word(self) -> &'static str {
        match self {
            Self::Stay => "stay",
            Self::Restart => "restart",
        }
    }
}

impl Words for Strategy {
    const ALL: &'static [Self] = &[Self::OneForAll, Self::RestForOne];

    fn word(self) -> &'static str {
        match self {
            Self::OneForAll => "one-for-all",
            Self::RestForOne => "rest-for-one",
        }
    }
}
