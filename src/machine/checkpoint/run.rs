//! A run, and how it comes to its end.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::machine::json::{Fields, Json, Problem, Text, Value};
use crate::machine::run::{
    Death, Ending, FamilyPoll, Orphans, Readiness, Run, StopCommand, StopReason, StopWay, SurvivorReport,
};

impl Json for Run {
    fn write(&self, out: &mut Text) {
        let Self {
            id,
            pid,
            containment,
            since,
            closed,
            asked,
            reason,
            readiness,
            stop_command,
            again,
            disowned,
        } = self;
        out.object()
            .with("id", id)
            .with("pid", &pid.map(NonZeroU32::get))
            .with("containment", containment)
            .with("since", since)
            .with("closed", closed)
            .with("asked", asked)
            .optional("reason", reason.as_deref())
            .with("readiness", readiness)
            .with("stop_command", stop_command)
            .with("again", again)
            .with("disowned", disowned)
            .end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let pid: Option<u32> = fields.take("pid")?;
        let reason: Option<StopReason> = fields.take("reason")?;
        let run = Self {
            id: fields.take("id")?,
            pid: pid.and_then(NonZeroU32::new),
            containment: fields.take("containment")?,
            since: fields.take("since")?,
            closed: fields.take("closed")?,
            asked: fields.take("asked")?,
            reason: reason.map(Box::new),
            readiness: fields.take("readiness")?,
            stop_command: fields.take("stop_command")?,
            again: fields.take("again")?,
            disowned: fields.take("disowned")?,
        };
        fields.end().map(|()| run)
    }
}

impl Json for Readiness {
    fn write(&self, out: &mut Text) {
        match self {
            Self::Pending => out.quoted("pending"),
            Self::Since(at) => out.object().with("since", at).end(),
            Self::Lost => out.quoted("lost"),
        }
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        match value.as_text() {
            Some("pending") => return Ok(Self::Pending),
            Some("lost") => return Ok(Self::Lost),
            _ => {}
        }
        let mut fields = Fields::new(value, begin)?;
        let since = fields.take("since")?;
        fields.end().map(|()| Self::Since(since))
    }
}

impl Json for StopReason {
    fn write(&self, out: &mut Text) {
        match self {
            Self::NotReady(reason) => out.object().with("not_ready", reason).end(),
            Self::Unhealthy(reason) => out.object().with("unhealthy", reason).end(),
            Self::Dependency(name) => out.object().with("dependency", name).end(),
            Self::Group { group, after } => out.object().with("group", group).with("after", after).end(),
            Self::Replaced(way) => out.object().with("replaced", way).end(),
        }
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let reason = if fields.has("not_ready") {
            Self::NotReady(fields.take("not_ready")?)
        } else if fields.has("unhealthy") {
            Self::Unhealthy(fields.take("unhealthy")?)
        } else if fields.has("dependency") {
            Self::Dependency(fields.take("dependency")?)
        } else if fields.has("group") {
            Self::Group { group: fields.take("group")?, after: fields.take("after")? }
        } else {
            Self::Replaced(fields.take("replaced")?)
        };
        fields.end().map(|()| reason)
    }
}

impl Json for StopWay {
    fn write(&self, out: &mut Text) {
        let Self { signal, target, command, kill_time } = self;
        out.object()
            .with("signal", signal)
            .with("target", target)
            .with("command", command)
            .with("kill_time", kill_time)
            .end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let way = Self {
            signal: fields.take("signal")?,
            target: fields.take("target")?,
            command: fields.take("command")?,
            kill_time: fields.take("kill_time")?,
        };
        fields.end().map(|()| way)
    }
}

impl Json for StopCommand {
    fn write(&self, out: &mut Text) {
        let Self { is_running, target, signal } = self;
        out.object().with("is_running", is_running).with("target", target).with("signal", signal).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let command = Self {
            is_running: fields.take("is_running")?,
            target: fields.take("target")?,
            signal: fields.take("signal")?,
        };
        fields.end().map(|()| command)
    }
}

impl Json for Death {
    fn write(&self, out: &mut Text) {
        let Self { exit, at } = self;
        out.object().with("exit", exit).with("at", at).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let death = Self { exit: fields.take("exit")?, at: fields.take("at")? };
        fields.end().map(|()| death)
    }
}

impl Json for FamilyPoll {
    fn write(&self, out: &mut Text) {
        let Self { at, interval, remaining } = self;
        out.object().with("at", at).with("interval", interval).with("remaining", remaining).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let interval: Duration = fields.take("interval")?;
        if interval > Self::LONGEST {
            return Err(Problem::of("interval", "is too long"));
        }
        let poll = Self { at: fields.take("at")?, interval, remaining: fields.take("remaining")? };
        fields.end().map(|()| poll)
    }
}

impl Json for Orphans {
    fn write(&self, out: &mut Text) {
        let Self { death, family } = self;
        out.object().with("death", death).with("family", family).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let orphans = Self { death: fields.take("death")?, family: fields.take("family")? };
        fields.end().map(|()| orphans)
    }
}

impl Json for Ending {
    fn write(&self, out: &mut Text) {
        let Self { run, death, family, close_at, report } = self;
        out.object()
            .with("run", run)
            .with("death", death)
            .optional("family", family.as_deref())
            .with("close_at", close_at)
            .optional("report", report.as_deref())
            .end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let family: Option<FamilyPoll> = fields.take("family")?;
        let report: Option<SurvivorReport> = fields.take("report")?;
        let ending = Self {
            run: fields.take("run")?,
            death: fields.take("death")?,
            family: family.map(Box::new),
            close_at: fields.take("close_at")?,
            report: report.map(Box::new),
        };
        fields.end().map(|()| ending)
    }
}

impl Json for SurvivorReport {
    fn write(&self, out: &mut Text) {
        match self {
            Self::Due { at, killed_at } => out.object().with("due", at).with("killed_at", killed_at).end(),
            Self::Listing { killed_at } => out.object().with("listing", killed_at).end(),
            Self::Describing { killed_at } => out.object().with("describing", killed_at).end(),
            Self::Reported => out.object().with("reported", &true).end(),
        }
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let report = if fields.has("due") {
            Self::Due { at: fields.take("due")?, killed_at: fields.take("killed_at")? }
        } else if fields.has("listing") {
            Self::Listing { killed_at: fields.take("listing")? }
        } else if fields.has("describing") {
            Self::Describing { killed_at: fields.take("describing")? }
        } else {
            let _: bool = fields.take("reported")?;
            Self::Reported
        };
        fields.end().map(|()| report)
    }
}
