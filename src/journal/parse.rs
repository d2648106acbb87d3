//! One line of a journal, from JSON to a record.

use std::time::{Duration, Instant, SystemTime};

use super::{Header, JournalProblem, Program, Record, RunOutput, format};
use crate::machine::json::{Fields, Problem, Tape, events};
use crate::machine::{Input, Machine};

/// A line whose contents are not known yet.
#[derive(Debug)]
pub(super) struct Line<'t> {
    /// Its number in the recording, if it has one.
    pub(super) number: Option<u64>,
    text: &'t str,
    fields: Fields<'t>,
}

/// The record of a line, and its time if it has one.
pub(super) type Said = (Option<Duration>, Record);

impl<'t> Line<'t> {
    /// Takes a line apart, on a tape that is used again for each line.
    ///
    /// # Errors
    ///
    /// The column and the problem.
    pub(super) fn new<'a: 't>(
        line: &'a [u8],
        begin: Instant,
        tape: &'t mut Tape<'a>,
    ) -> Result<Self, (usize, JournalProblem)> {
        let text = std::str::from_utf8(line).map_err(|error| {
            let message = "it is not valid UTF-8".to_owned();
            (error.valid_up_to() + 1, JournalProblem::Syntax { message })
        })?;
        let value = tape.fill(text).map_err(|error| {
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
            let number = fields.take_any("n")?;
            fields.take_any_with("sum", |sum, _| sum.text())?;
            Ok(Self { number, text, fields })
        };
        read().map_err(|problem| located(text, problem))
    }

    /// Reads a header.
    ///
    /// # Errors
    ///
    /// The column and the problem.
    pub(super) fn header(mut self) -> Result<Header, (usize, JournalProblem)> {
        let is_journal = self.fields.has("journal")
            && self
                .fields
                .take_with("journal", |magic, _| magic.text())
                .is_ok_and(|magic| magic == format::MAGIC);
        if !is_journal {
            return Err((1, JournalProblem::OtherProgram));
        }
        let line = self.text;
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
    pub(super) fn record(self) -> Result<Said, (usize, JournalProblem)> {
        let line = self.text;
        self.known_record().map_err(|problem| located(line, problem))
    }

    fn known_record(self) -> Result<Said, Problem> {
        let mut fields = self.fields;
        let at: Option<Instant> = fields.take_any("t")?;
        let at = at.map(|at| at.saturating_duration_since(fields.begin));
        let record = if at.is_some() {
            if let Some(machine) = fields.take_any_with("checkpoint", Machine::read_checkpoint)? {
                Record::Checkpoint(Box::new(machine))
            } else if let Some(true | false) = fields.take_any("end")? {
                Record::End
            } else {
                Record::Input(Box::new(input(&mut fields)?))
            }
        } else if let Some(decision) = fields.take_any("decided")? {
            Record::Decision(decision)
        } else if let Some(name) = fields.take_any("output")? {
            Record::Output(Box::new(RunOutput {
                name,
                run: fields.take("run")?,
                lines: fields.take("lines")?,
                bytes: fields.take("bytes")?,
                last: fields.take("last")?,
            }))
        } else if let Some(entries) = fields.take_any("lost")? {
            Record::Lost { entries }
        } else {
            return Err(Problem::of("t", "is missing, or the line is of an unknown kind"));
        };
        fields.end().map(|()| (at, record))
    }
}

fn input(fields: &mut Fields<'_>) -> Result<Input<Program>, Problem> {
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
            let verb = fields.take_with(command, |verb, _| verb.text())?;
            match verb {
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
