//! The journal written down: one JSON object for each line, for `grep`, `jq`, and whoever draws something else of it.
//!
//! The objects are flat, and their fields come in one order: when, what, who, and then the rest. So lines can be read
//! by eye, and two journals compared by `diff`. Times are whole microseconds since the beginning of the run.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Journal, JournalEntry, JournalEvent};
use crate::machine::{Exit, Name};

impl Journal {
    /// The journal as JSON lines: first an object with the `plan`, its `steps` and its `processes`, then one for each
    /// entry, each with its line end.
    ///
    /// ```json
    /// {"plan":"round trip","steps":["spawn server"],"processes":["server"]}
    /// {"at_us":0,"event":"step_began","step":1}
    /// {"at_us":812,"event":"started","process":"server","pid":4711}
    /// {"at_us":1234,"event":"exited","process":"server","code":3}
    /// ```
    ///
    /// Each has `at_us`, the microseconds since the beginning of the run, and `event`, the kind of
    /// [`JournalEvent`] in snake case; the other fields have the names of its fields. An end is a `code`, or a `signal` with whether there
    /// was a `core`, or `"lost":true`. A failed start has the `error` as text, and the `os_error` if the system refused.
    pub fn to_jsonl(&self) -> String {
        let mut lines = String::new();
        Object::new("plan", self.plan())
            .with("steps", self.steps())
            .with("processes", names(self.processes()))
            .end(&mut lines);
        for entry in self.entries() {
            object(entry).end(&mut lines);
        }
        lines
    }
}

fn object(JournalEntry { at, happened }: &JournalEntry) -> Object {
    let event = |kind| Object::new("at_us", micros(*at)).with("event", kind);
    match happened {
        JournalEvent::StepBegan { step } => event("step_began").with("step", *step),
        JournalEvent::StepEnded { step } => event("step_ended").with("step", *step),
        JournalEvent::Started { process, pid } => {
            event("started").with("process", &**process).with("pid", *pid)
        }
        JournalEvent::NotStarted { process, error } => {
            let object = event("not_started").with("process", &**process).with("error", error.to_string());
            match error.raw_os_error() {
                Some(code) => object.with("os_error", code),
                None => object,
            }
        }
        JournalEvent::Signalled { process, signal } => {
            event("signalled").with("process", &**process).with("signal", signal.to_string())
        }
        JournalEvent::OutputMatch { process, stream, bytes, lines, until } => event("printed")
            .with("process", &**process)
            .with("stream", stream.to_string())
            .with("bytes", *bytes)
            .with("lines", *lines)
            .with("until_us", micros(*until)),
        JournalEvent::Given { process, bytes } => {
            event("given").with("process", &**process).with("bytes", *bytes)
        }
        JournalEvent::Exited { process, exit } => {
            let object = event("exited").with("process", &**process);
            match exit {
                Exit::Code(code) => object.with("code", *code),
                Exit::Signal { signal, core } => {
                    object.with("signal", signal.to_string()).with("core", *core)
                }
                Exit::Lost => object.with("lost", true),
            }
        }
        JournalEvent::Gone { process } => event("gone").with("process", &**process),
        JournalEvent::Crashed { process } => event("crashed").with("process", &**process),
        JournalEvent::Failed { step, processes, reason } => event("failed")
            .with("step", *step)
            .with("processes", names(processes))
            .with("reason", reason.as_str()),
    }
}

fn names(processes: &[Name]) -> Vec<&str> {
    processes.iter().map(|name| &**name).collect()
}

/// An object whose fields stay in the order in which they are given; a map of `serde_json` would sort them.
struct Object(String);

impl Object {
    fn new(field: &str, value: impl Into<Value>) -> Self {
        Self(format!("{{{}:{}", json!(field), value.into()))
    }

    fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0 += &format!(",{}:{}", json!(field), value.into());
        self
    }

    fn end(self, lines: &mut String) {
        lines.push_str(&self.0);
        lines.push_str("}\n");
    }
}

/// Half a million years fit.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::machine::{Signal, SpawnError, SpawnStep, Stream};

    fn journal(plan: &str, steps: &[&str]) -> (Journal, Name) {
        let process: Name = "server".parse().unwrap();
        let steps = steps.iter().map(|&step| step.to_owned()).collect();
        (Journal::new(plan.to_owned(), steps, vec![process.clone()]), process)
    }

    #[test]
    fn every_kind_of_entry_has_its_line() {
        let (mut journal, process) = journal("round trip", &["spawn server", "wait for server"]);
        let error =
            SpawnError::new(SpawnStep::Exec, "/bin/server", io::Error::from_raw_os_error(libc::EACCES));
        let unknown = SpawnError::new(SpawnStep::Find, "server", io::Error::other("no such program"));
        let exits = [Exit::Code(3), Exit::Signal { signal: Signal::KILL, core: false }, Exit::Lost];
        let mut at = 0;
        let mut happens = |happened| {
            journal.push(Duration::from_nanos(at), happened);
            at += 500_600;
        };
        happens(JournalEvent::StepBegan { step: 1 });
        happens(JournalEvent::Started { process: process.clone(), pid: 4711 });
        happens(JournalEvent::StepEnded { step: 1 });
        happens(JournalEvent::NotStarted { process: process.clone(), error });
        happens(JournalEvent::NotStarted { process: process.clone(), error: unknown });
        happens(JournalEvent::Signalled { process: process.clone(), signal: Signal::TERM });
        happens(JournalEvent::OutputMatch {
            process: process.clone(),
            stream: Stream::Stderr,
            bytes: 120,
            lines: 2,
            until: Duration::from_millis(4),
        });
        happens(JournalEvent::Given { process: process.clone(), bytes: 5 });
        for exit in exits {
            happens(JournalEvent::Exited { process: process.clone(), exit });
        }
        happens(JournalEvent::Gone { process: process.clone() });
        happens(JournalEvent::Crashed { process: process.clone() });
        let reason = "server exited with code 3".to_owned();
        happens(JournalEvent::Failed { step: 2, processes: vec![process], reason });

        let expected = r#"{"plan":"round trip","steps":["spawn server","wait for server"],"processes":["server"]}
{"at_us":0,"event":"step_began","step":1}
{"at_us":500,"event":"started","process":"server","pid":4711}
{"at_us":1001,"event":"step_ended","step":1}
{"at_us":1501,"event":"not_started","process":"server","error":"cannot execute /bin/server: Permission denied (os error 13)","os_error":13}
{"at_us":2002,"event":"not_started","process":"server","error":"cannot find the program server: no such program"}
{"at_us":2503,"event":"signalled","process":"server","signal":"TERM"}
{"at_us":3003,"event":"printed","process":"server","stream":"stderr","bytes":120,"lines":2,"until_us":4000}
{"at_us":3504,"event":"given","process":"server","bytes":5}
{"at_us":4004,"event":"exited","process":"server","code":3}
{"at_us":4505,"event":"exited","process":"server","signal":"KILL","core":false}
{"at_us":5006,"event":"exited","process":"server","lost":true}
{"at_us":5506,"event":"gone","process":"server"}
{"at_us":6007,"event":"crashed","process":"server"}
{"at_us":6507,"event":"failed","step":2,"processes":["server"],"reason":"server exited with code 3"}
"#;
        assert_eq!(journal.to_jsonl(), expected);
    }

    #[test]
    fn whatever_a_text_has_in_it_each_line_is_one_object_and_the_text_survives() {
        let nasty = "say \"hi\"\nto C:\\tmp\t\u{0}\u{1b}[31m\u{7f}\u{85}\u{2028} ä \u{1f980}";
        let (mut journal, _) = journal(nasty, &[nasty, ""]);
        let failed = JournalEvent::Failed { step: 1, processes: Vec::new(), reason: nasty.to_owned() };
        journal.push(Duration::MAX, failed);

        let text = journal.to_jsonl();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        assert_eq!(
            lines,
            [
                json!({ "plan": nasty, "steps": [nasty, ""], "processes": ["server"] }),
                json!({ "at_us": u64::MAX, "event": "failed", "step": 1, "processes": [], "reason": nasty }),
            ]
        );
    }
}
