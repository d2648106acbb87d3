//! Events as JSON: the fields of an object.

use super::{Fields, Object, Problem};
use crate::machine::{Event, StopCommandError};

/// Adds the kind of an event, its run and what it brings.
pub(crate) fn write<'a>(event: &Event, object: Object<'a>) -> Object<'a> {
    let head = |kind| object.text("event", kind).with("run", &event.run());
    match event {
        Event::Started { run: _, pid, containment } => {
            head("started").with("pid", pid).with("containment", containment)
        }
        Event::SpawnFailed { run: _, error } => head("spawn_failed").with("error", error),
        Event::Exited { run: _, exit, remaining } => {
            head("exited").with("exit", exit).with("remaining", remaining)
        }
        Event::Family { run: _, remaining } => head("family").with("remaining", remaining),
        Event::StopCommandEnded { run: _, result } => {
            head("stop_command_ended").with("error", &result.as_ref().err().cloned())
        }
        Event::Survivors { run: _, processes } => head("survivors").with("processes", processes),
        Event::Ready { run: _ } => head("ready"),
        Event::NotReady { run: _, reason } => head("not_ready").with("reason", reason),
        Event::Unhealthy { run: _, reason } => head("unhealthy").with("reason", reason),
        Event::Closed { run: _ } => head("closed"),
    }
}

/// Reads what [`write()`] has added.
pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Event, Problem> {
    let kind = fields.take_with("event", |kind, _| kind.text())?;
    let run = fields.take("run")?;
    Ok(match kind {
        "started" => {
            Event::Started { run, pid: fields.take("pid")?, containment: fields.take("containment")? }
        }
        "spawn_failed" => Event::SpawnFailed { run, error: fields.take("error")? },
        "exited" => Event::Exited { run, exit: fields.take("exit")?, remaining: fields.take("remaining")? },
        "family" => Event::Family { run, remaining: fields.take("remaining")? },
        "stop_command_ended" => {
            let error: Option<StopCommandError> = fields.take("error")?;
            Event::StopCommandEnded { run, result: error.map_or(Ok(()), Err) }
        }
        "survivors" => Event::Survivors { run, processes: fields.take("processes")? },
        "ready" => Event::Ready { run },
        "not_ready" => Event::NotReady { run, reason: fields.take("reason")? },
        "unhealthy" => Event::Unhealthy { run, reason: fields.take("reason")? },
        "closed" => Event::Closed { run },
        other => return Err(Problem::of("event", format!("is {other:?}, which is not known here"))),
    })
}
