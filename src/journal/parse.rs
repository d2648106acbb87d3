//! One line of a journal, from JSON to a record.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::{Header, JournalProblem, Program, Record, RunOutput, format};
use crate::machine::json::{Fields, Problem, events};
use crate::machine::{Input, Machine};

/// A line whose contents are not known yet.
#[derive(Debug)]
pub(super) struct Line {
    /// Its number in the recording, if it has one.
    pub(super) number: Option<u64>,
    fields: Fields,
}

/// The record of a line, and its time if it has one.
pub(super) type Said = (Option<Duration>, Record);

impl Line {
    /// Takes a line apart.
    ///
    /// # Errors
    ///
    /// The column and the problem.
    pub(super) fn new(line: &[u8], begin: Instant) -> Result<Self, (usize, JournalProblem)> {
        let text = std::str::from_utf8(line).map_err(|error| {
            let message = "it is not valid UTF-8".to_owned();
            (error.valid_up_to() + 1, JournalProblem::Syntax { message })
        })?;
        let value: Value = serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            // Its position is added by the caller.
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            (error.column().max(1), JournalProblem::Syntax { message })
        })?;
        if !format::is_sum_right(line) {
            return Err((1, JournalProblem::Checksum));
        }
        let read = || {
            let mut fields = Fields::new(value, begin)?;
            if fields.has("sum") {
                let _: String = fields.take("sum")?;
            }
            let number = if fields.has("n") { Some(fields.take("n")?) } else { None };
            Ok(Self { number, fields })
        };
        read().map_err(|problem| located(text, problem))
    }

    /// Reads a header.
    ///
    /// # Errors
    ///
    /// The column and the problem.
    pub(super) fn header(mut self, line: &str) -> Result<Header, (usize, JournalProblem)> {
        let is_journal = self.fields.has("journal")
            && self.fields.take::<String>("journal").is_ok_and(|magic| magic == format::MAGIC);
        if !is_journal {
            return Err((1, JournalProblem::OtherProgram));
        }
        let version = self.fields.take("version").map_err(|problem| located(line, problem))?;
        if version > format::VERSION {
            let program = self.fields.take("program").unwrap_or_default();
            return Err((column(line, "version"), JournalProblem::NewerVersion { version, program }));
        }
        self.known_header().map_err(|problem| located(line, problem))
    }

    fn known_header(mut self) -> Result<Header, Problem> {
        let began: Option<Duration> = self.fields.take("began_unix_ns")?;
        let header = Header {
            program: self.fields.take("program")?,
            began: began.and_then(|began| SystemTime::UNIX_EPOCH.checked_add(began)),
            seed: self.fields.take("seed")?,
            segment: self.fields.take("segment")?,
        };
        self.fields.end().map(|()| header)
    }

    /// Reads any other line.
    ///
    /// # Errors
    ///
    /// The column and the problem.
    pub(super) fn record(self, line: &str) -> Result<Said, (usize, JournalProblem)> {
        self.known_record().map_err(|problem| located(line, problem))
    }

    fn known_record(self) -> Result<Said, Problem> {
        let mut fields = self.fields;
        let at = if fields.has("t") {
            let begin = fields.begin;
            let at: Instant = fields.take("t")?;
            Some(at.saturating_duration_since(begin))
        } else {
            None
        };
        let record = match at {
            None if fields.has("decided") => {
                Record::Decision(fields.take::<String>("decided")?.into_boxed_str())
            }
            None if fields.has("output") => Record::Output(Box::new(RunOutput {
                name: fields.take("output")?,
                run: fields.take("run")?,
                lines: fields.take("lines")?,
                bytes: fields.take("bytes")?,
                last: fields.take("last")?,
            })),
            None if fields.has("lost") => Record::Lost { entries: fields.take("lost")? },
            None => return Err(Problem::of("t", "is missing, or the line is of an unknown kind")),
            Some(_) if fields.has("checkpoint") => {
                let state = fields.remove("checkpoint").unwrap_or_default();
                Record::Checkpoint(Box::new(Machine::read_checkpoint(state, fields.begin)?))
            }
            Some(_) if fields.has("end") => {
                let _: bool = fields.take("end")?;
                Record::End
            }
            Some(_) => Record::Input(Box::new(input(&mut fields)?)),
        };
        fields.end().map(|()| (at, record))
    }
}

fn input(fields: &mut Fields) -> Result<Input<Program>, Problem> {
    if fields.has("event") {
        return events::read(fields).map(Input::Event);
    }
    const COMMANDS: [&str; 11] = [
        "timeout",
        "add",
        "remove",
        "start",
        "stop",
        "hold",
        "release",
        "signal",
        "set_policy",
        "replace",
        "service",
    ];
    let Some(command) = COMMANDS.into_iter().find(|command| fields.has(command)) else {
        return Err(Problem::new("is of an unknown kind"));
    };
    Ok(match command {
        "timeout" => {
            let _: bool = fields.take(command)?;
            Input::Timeout
        }
        "service" => {
            let verb: String = fields.take(command)?;
            match &*verb {
                "start" => Input::StartService,
                "stop" => Input::StopService,
                "kill" => Input::KillService,
                "restart" => Input::RestartAll,
                _ => return Err(Problem::of(command, format!("is {verb:?}, which is not known here"))),
            }
        }
        _ => {
            let name = fields.take(command)?;
            match command {
                "add" => Input::Add { name, definition: Box::new(fields.take("definition")?) },
                "remove" => Input::Remove { name },
                "start" => Input::Start { name },
                "stop" => Input::Stop { name },
                "hold" => Input::Hold { name },
                "release" => Input::Release { name },
                "signal" => Input::Signal { name, signal: fields.take("number")? },
                "set_policy" => Input::SetPolicy { name, policy: fields.take("policy")? },
                _ => Input::Replace {
                    name,
                    definition: Box::new(fields.take("definition")?),
                    restart: fields.take("restart")?,
                },
            }
        }
    })
}

fn located(line: &str, problem: Problem) -> (usize, JournalProblem) {
    let Problem { field, message } = problem;
    (column(line, &field), JournalProblem::Value { field, message })
}

/// Returns the column of a field.
fn column(line: &str, field: &str) -> usize {
    line.find(&format!("\"{field}\"")).map_or(1, |index| index + 1)
}
