//! The journal as JSON lines: one object per line, for `grep`, `jq`, and other programs.
//!
//! The objects are flat, and their fields have a fixed order: time, kind, process, and the rest. So the lines
//! are readable by eye, and two journals can be compared with `diff`. Times are whole microseconds since the
//! beginning of the run. The few kinds of values need no serializer: strings, unsigned and signed integers,
//! booleans, and lists of strings.

use std::fmt::{self, Write};
use std::ops::Deref;
use std::time::Duration;

use super::{Journal, JournalEntry, JournalEvent};
use crate::machine::Exit;
use crate::timeline::json::Quoted;

impl Journal {
    /// Returns the journal as JSON lines: first an object with the `plan`, its `steps` and its `processes`,
    /// then one object per entry. Each line ends with a line feed.
    ///
    /// ```json
    /// {"plan":"round trip","steps":["spawn server"],"processes":["server"]}
    /// {"at_us":0,"event":"step_began","step":1}
    /// {"at_us":812,"event":"started","process":"server","pid":4711}
    /// {"at_us":1234,"event":"exited","process":"server","code":3}
    /// ```
    ///
    /// Each entry has `at_us`, the microseconds since the beginning of the run, and `event`, the kind of
    /// [`JournalEvent`] in snake case; the other fields have the names of the event's fields. An exit is a
    /// `code`, or a `signal` with the flag `core`, or `"lost":true`. A failed start has the `error` as text,
    /// and the `os_error` if the system reported one.
    pub fn to_jsonl(&self) -> String {
        let mut lines = String::new();
        Object::new("plan", Quoted(self.plan()))
            .with("steps", List(self.steps()))
            .with("processes", List(self.processes()))
            .end(&mut lines);
        for entry in self.entries() {
            object(entry).end(&mut lines);
        }
        lines
    }
}

fn object(JournalEntry { at, event }: &JournalEntry) -> Object {
    let head = |kind| Object::new("at_us", micros(*at)).with("event", Quoted(kind));
    match event {
        JournalEvent::StepBegan { step } => head("step_began").with("step", *step),
        JournalEvent::StepEnded { step } => head("step_ended").with("step", *step),
        JournalEvent::Started { process, pid } => {
            head("started").with("process", Quoted(process)).with("pid", *pid)
        }
        JournalEvent::NotStarted { process, error } => {
            let object = head("not_started")
                .with("process", Quoted(process))
                .with("error", Quoted(&error.to_string()));
            match error.raw_os_error() {
                Some(code) => object.with("os_error", code),
                None => object,
            }
        }
        JournalEvent::Signalled { process, signal } => {
            head("signalled").with("process", Quoted(process)).with("signal", Quoted(&signal.to_string()))
        }
        JournalEvent::Printed { process, stream, bytes, lines, until } => head("printed")
            .with("process", Quoted(process))
            .with("stream", Quoted(&stream.to_string()))
            .with("bytes", *bytes)
            .with("lines", *lines)
            .with("until_us", micros(*until)),
        JournalEvent::InputSent { process, bytes } => {
            head("input_sent").with("process", Quoted(process)).with("bytes", *bytes)
        }
        JournalEvent::InputLost { process, bytes } => {
            head("input_lost").with("process", Quoted(process)).with("bytes", *bytes)
        }
        JournalEvent::Exited { process, exit } => {
            let object = head("exited").with("process", Quoted(process));
            match exit {
                Exit::Code(code) => object.with("code", *code),
                Exit::Signal { signal, core } => {
                    object.with("signal", Quoted(&signal.to_string())).with("core", *core)
                }
                Exit::Lost => object.with("lost", true),
            }
        }
        JournalEvent::Gone { process } => head("gone").with("process", Quoted(process)),
        JournalEvent::Crashed { process, point } => {
            head("crashed").with("process", Quoted(process)).with("point", Quoted(point))
        }
        JournalEvent::Failed { step, processes, reason } => head("failed")
            .with("step", *step)
            .with("processes", List(processes))
            .with("reason", Quoted(reason)),
    }
}

/// An object whose fields keep the order in which they are added.
struct Object(String);

impl Object {
    fn new(field: &str, value: impl fmt::Display) -> Self {
        Self(format!("{{{}:{value}", Quoted(field)))
    }

    fn with(mut self, field: &str, value: impl fmt::Display) -> Self {
        write!(self.0, ",{}:{value}", Quoted(field)).expect("a string accepts all text");
        self
    }

    fn end(self, lines: &mut String) {
        lines.push_str(&self.0);
        lines.push_str("}\n");
    }
}

/// A list of JSON strings.
struct List<'a, T>(&'a [T]);

impl<T: Deref<Target = str>> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (i, text) in self.0.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { "," }, Quoted(text))?;
        }
        f.write_char(']')
    }
}

/// Returns whole microseconds; the range covers half a million years.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io;

    use serde_json::{Value, json};

    use super::*;
    use crate::machine::{Name, Signal, SpawnError, SpawnStep, Stream};

    fn journal(plan: &str, steps: &[&str]) -> (Journal, Name) {
        let process: Name = "server".parse().unwrap();
        (Journal::new(plan, steps.iter().copied(), [process.clone()]), process)
    }

    #[test]
    fn every_kind_of_entry_has_its_line() {
        let (mut journal, process) = journal("round trip", &["spawn server", "wait for server"]);
        let error =
            SpawnError::new(SpawnStep::Exec, "/bin/server", io::Error::from_raw_os_error(libc::EACCES));
        let unknown = SpawnError::new(SpawnStep::Find, "server", io::Error::other("no such program"));
        let exits = [Exit::Code(3), Exit::Signal { signal: Signal::KILL, core: false }, Exit::Lost];
        let mut at = 0;
        let mut happens = |event| {
            journal.push(Duration::from_nanos(at), event);
            at += 500_600;
        };
        happens(JournalEvent::StepBegan { step: 1 });
        happens(JournalEvent::Started { process: process.clone(), pid: 4711 });
        happens(JournalEvent::StepEnded { step: 1 });
        happens(JournalEvent::NotStarted { process: process.clone(), error });
        happens(JournalEvent::NotStarted { process: process.clone(), error: unknown });
        happens(JournalEvent::Signalled { process: process.clone(), signal: Signal::TERM });
        happens(JournalEvent::Printed {
            process: process.clone(),
            stream: Stream::Stderr,
            bytes: 120,
            lines: 2,
            until: Duration::from_millis(4),
        });
        happens(JournalEvent::InputSent { process: process.clone(), bytes: 5 });
        happens(JournalEvent::InputLost { process: process.clone(), bytes: 6 });
        for exit in exits {
            happens(JournalEvent::Exited { process: process.clone(), exit });
        }
        happens(JournalEvent::Gone { process: process.clone() });
        happens(JournalEvent::Crashed { process: process.clone(), point: "stdout:3".to_owned() });
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
{"at_us":3504,"event":"input_sent","process":"server","bytes":5}
{"at_us":4004,"event":"input_lost","process":"server","bytes":6}
{"at_us":4505,"event":"exited","process":"server","code":3}
{"at_us":5006,"event":"exited","process":"server","signal":"KILL","core":false}
{"at_us":5506,"event":"exited","process":"server","lost":true}
{"at_us":6007,"event":"gone","process":"server"}
{"at_us":6507,"event":"crashed","process":"server","point":"stdout:3"}
{"at_us":7008,"event":"failed","step":2,"processes":["server"],"reason":"server exited with code 3"}
"#;
        assert_eq!(journal.to_jsonl(), expected);
    }

    #[test]
    fn every_text_is_escaped_into_one_line_and_parses_to_itself() {
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
