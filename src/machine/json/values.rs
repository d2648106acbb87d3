//! Names, runs, exits, signals and errors as JSON.

use std::error::Error;
use std::io;
use std::time::Instant;

use super::{Fields, Json, Problem, Text, Value, Words};
use crate::machine::{
    Containment, Exit, Name, RunId, Signal, SignalTarget, SpawnError, SpawnStep, StopCommandError,
    SurvivalReason, SurvivingProcess,
};

impl Json for Name {
    fn write(&self, out: &mut Text) {
        out.quoted(self);
    }

    fn read(value: Value<'_>, _: Instant) -> Result<Self, Problem> {
        Self::new(value.text()?).map_err(|error| Problem::new(format!("is not valid: {error}")))
    }
}

/// Its number, and the slot of its process.
impl Json for RunId {
    fn write(&self, out: &mut Text) {
        out.list(&[self.number(), self.slot() as u64]);
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let wrong = || Problem::new("is not the number and the slot of a run");
        let mut items = value.items()?;
        match (items.next(), items.next(), items.next()) {
            (Some(number), Some(slot), None) => {
                let (number, slot): (u64, u32) = (Json::read(number, begin)?, Json::read(slot, begin)?);
                if slot == u32::MAX { Err(wrong()) } else { Ok(Self::new(number, slot as usize)) }
            }
            _ => Err(wrong()),
        }
    }
}

/// Its number, which is the same on all systems for the signals that have a meaning here.
impl Json for Signal {
    fn write(&self, out: &mut Text) {
        out.number(self.number() as u64);
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let number = i32::read(value, begin)?;
        Self::from_number(number).ok_or_else(|| Problem::new(format!("is {number}, which is no signal")))
    }
}

impl Json for Exit {
    fn write(&self, out: &mut Text) {
        match self {
            Self::Code(code) => out.object().with("code", code).end(),
            Self::Signal { signal, core } => out.object().with("signal", signal).with("core", core).end(),
            Self::Lost => out.object().with("lost", &true).end(),
        }
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let exit = if fields.has("code") {
            Self::Code(fields.take("code")?)
        } else if fields.has("signal") {
            Self::Signal { signal: fields.take("signal")?, core: fields.take("core")? }
        } else {
            let _: bool = fields.take("lost")?;
            Self::Lost
        };
        fields.end().map(|()| exit)
    }
}

impl Json for SpawnError {
    fn write(&self, out: &mut Text) {
        let object = out.object().with("step", &self.step()).text("subject", self.subject());
        match self.raw_os_error() {
            Some(errno) => object.with("errno", &errno).end(),
            None => {
                let cause = self.source().map(ToString::to_string).unwrap_or_default();
                object.text("cause", &cause).end();
            }
        }
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let (step, subject): (SpawnStep, String) = (fields.take("step")?, fields.take("subject")?);
        let cause = if fields.has("errno") {
            io::Error::from_raw_os_error(fields.take("errno")?)
        } else {
            io::Error::other(fields.take::<String>("cause")?)
        };
        fields.end()?;
        Ok(Self::new(step, subject, cause))
    }
}

impl Json for StopCommandError {
    fn write(&self, out: &mut Text) {
        match self {
            Self::SpawnFailed(error) => out.object().with("spawn_failed", error).end(),
            Self::Failed(exit) => out.object().with("failed", exit).end(),
        }
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let error = if fields.has("failed") {
            Self::Failed(fields.take("failed")?)
        } else {
            Self::SpawnFailed(fields.take("spawn_failed")?)
        };
        fields.end().map(|()| error)
    }
}

impl Json for SurvivingProcess {
    fn write(&self, out: &mut Text) {
        let Self { pid, command, reason } = self;
        out.object().with("pid", pid).with("command", command).with("reason", reason).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let (pid, command, reason) = (fields.take("pid")?, fields.take("command")?, fields.take("reason")?);
        fields.end()?;
        Ok(Self { pid, command, reason })
    }
}

impl Words for Containment {
    const ALL: &'static [Self] = &[Self::Group, Self::Family, Self::Subreaper, Self::Cgroup];

    fn word(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Family => "family",
            Self::Subreaper => "subreaper",
            Self::Cgroup => "cgroup",
        }
    }
}

impl Words for SignalTarget {
    const ALL: &'static [Self] = &[Self::Leader, Self::Group, Self::Family];

    fn word(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Group => "group",
            Self::Family => "family",
        }
    }
}

impl Words for SurvivalReason {
    const ALL: &'static [Self] = &[Self::OtherUser, Self::KernelWait, Self::KillPending, Self::OutOfReach];

    fn word(self) -> &'static str {
        match self {
            Self::OtherUser => "other-user",
            Self::KernelWait => "kernel-wait",
            Self::KillPending => "kill-pending",
            Self::OutOfReach => "out-of-reach",
        }
    }
}

impl Words for SpawnStep {
    const ALL: &'static [Self] = &[
        Self::Find,
        Self::Chdir,
        Self::Stdin,
        Self::Notify,
        Self::Pipe,
        Self::Fork,
        Self::Group,
        Self::Cgroup,
        Self::Descriptor,
        Self::Guard,
        Self::Terminal,
        Self::Nice,
        Self::IoPriority,
        Self::OomScore,
        Self::Limit,
        Self::Setgroups,
        Self::Setgid,
        Self::Setuid,
        Self::Exec,
        Self::Watch,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Find => "find",
            Self::Chdir => "chdir",
            Self::Stdin => "stdin",
            Self::Notify => "notify",
            Self::Pipe => "pipe",
            Self::Fork => "fork",
            Self::Group => "group",
            Self::Cgroup => "cgroup",
            Self::Descriptor => "descriptor",
            Self::Guard => "guard",
            Self::Terminal => "terminal",
            Self::Nice => "nice",
            Self::IoPriority => "io-priority",
            Self::OomScore => "oom-score",
            Self::Limit => "limit",
            Self::Setgroups => "setgroups",
            Self::Setgid => "setgid",
            Self::Setuid => "setuid",
            Self::Exec => "exec",
            Self::Watch => "watch",
        }
    }
}
