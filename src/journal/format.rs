//! The lines of a journal, as they are written.
//!
//! Each line is a JSON object. The functions here write its *body*, which the queue completes with the number
//! of the line and a checksum when the order of the lines is known.

use std::array;
use std::fmt::Display;
use std::time::{Duration, Instant, SystemTime};

use super::decision::Decision;
use super::{Header, Program, RunOutput};
use crate::machine::json::{Fields, Json, Problem, Text, Value, digits, events};
use crate::machine::{Definition, Input, Machine, Name, Output};

/// The version of the format.
pub(super) const VERSION: u64 = 1;

/// The value of the first field of a header.
pub(super) const MAGIC: &str = "childminder";

/// The text before and after the checksum at the end of a line.
const SUM_BEFORE: &[u8] = b",\"sum\":\"";
const SUM_AFTER: &[u8] = b"\"}";

impl Json for Program {
    fn write(&self, out: &mut Text) {
        out.object().text("text", self.text()).with("number", &self.number()).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let (text, number): (String, u64) = (fields.take("text")?, fields.take("number")?);
        fields.end().map(|()| Self::new(&text, number))
    }
}

/// Writes the body of a header.
pub(super) fn header(header: &Header, out: &mut Text) {
    let Header { program, began, seed, segment } = header;
    let began = began.map(|began| began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
    out.object()
        .text("journal", MAGIC)
        .with("version", &VERSION)
        .with("program", program)
        .with("began_unix_ns", &began)
        .with("seed", seed)
        .with("segment", segment)
        .end();
}

/// Writes the body of an input. `program` returns what stands for the spec of a new definition.
pub(super) fn input<S: Clone>(
    input: &Input<S>,
    at: Duration,
    program: impl FnOnce(&Name, &S) -> Program,
    out: &mut Text,
) {
    let recorded = |name: &Name, definition: &Definition<S>| {
        let program = program(name, &definition.spec);
        definition.clone().with_spec(program)
    };
    let line = out.object().with("t", &at);
    match input {
        Input::Add { name, definition } => {
            line.with("add", name).with("definition", &recorded(name, definition)).end();
        }
        Input::Remove { name } => line.with("remove", name).end(),
        Input::Start { name } => line.with("start", name).end(),
        Input::Stop { name } => line.with("stop", name).end(),
        Input::Hold { name } => line.with("hold", name).end(),
        Input::Release { name } => line.with("release", name).end(),
        Input::Signal { name, signal } => line.with("signal", name).with("number", signal).end(),
        Input::SetPolicy { name, policy } => line.with("set_policy", name).with("policy", policy).end(),
        Input::Replace { name, definition, restart } => {
            let definition = recorded(name, definition);
            line.with("replace", name).with("definition", &definition).with("restart", restart).end();
        }
        Input::RestartAll => line.text("service", "restart").end(),
        Input::StartService => line.text("service", "start").end(),
        Input::StopService => line.text("service", "stop").end(),
        Input::KillService => line.text("service", "kill").end(),
        Input::Event(event) => events::write(event, line).end(),
        Input::Timeout => line.with("timeout", &true).end(),
    }
}

/// Writes the body of a decision.
pub(super) fn decision<S>(output: &Output<S>, out: &mut Text) {
    decided(Decision(output), out);
}

/// Writes the body of a decision, which is displayed as its text.
pub(super) fn decided(decision: impl Display, out: &mut Text) {
    out.object().displayed("decided", decision).end();
}

/// Writes the body of the output of a run.
pub(super) fn output(output: &RunOutput, out: &mut Text) {
    let RunOutput { name, run, lines, bytes, last } = output;
    out.object()
        .with("output", name)
        .with("run", run)
        .with("lines", lines)
        .with("bytes", bytes)
        .with("last", last)
        .end();
}

/// Writes the body of the number of entries that are missing.
pub(super) fn lost(entries: u64, out: &mut Text) {
    out.object().with("lost", &entries).end();
}

/// Writes the body of a checkpoint. `program` returns what stands for the spec of a process.
pub(super) fn checkpoint<S: Clone>(
    at: Duration,
    machine: &Machine<S>,
    program: impl FnMut(&Name, &S) -> Program,
    out: &mut Text,
) {
    out.object().with("t", &at).nested("checkpoint", |out| machine.write_checkpoint(program, out)).end();
}

/// Writes the body of the end.
pub(super) fn end(at: Duration, out: &mut Text) {
    out.object().with("t", &at).with("end", &true).end();
}

/// Appends the line with this body.
pub(super) fn complete(number: u64, body: &str, line: &mut Vec<u8>) {
    let begin = line.len();
    line.extend_from_slice(b"{\"n\":");
    line.extend_from_slice(digits(number, &mut [0; 20]).as_bytes());
    line.push(b',');
    line.extend_from_slice(&body.as_bytes()[1..body.len() - 1]);
    let sum = checksum(&line[begin..]);
    line.extend_from_slice(SUM_BEFORE);
    line.extend_from_slice(&sum);
    line.extend_from_slice(SUM_AFTER);
    line.push(b'\n');
}

/// Checks the checksum of a line, if it has one.
pub(super) fn is_sum_right(line: &[u8]) -> bool {
    let sum = line.strip_suffix(SUM_AFTER).and_then(|line| line.split_last_chunk());
    match sum.and_then(|(line, sum)| Some((line.strip_suffix(SUM_BEFORE)?, sum))) {
        Some((contents, sum)) => *sum == checksum(contents),
        None => true,
    }
}

/// CRC-32, as in gzip, as eight hexadecimal digits. It notices every change within four bytes.
fn checksum(bytes: &[u8]) -> [u8; 8] {
    let sum = crc32fast::hash(bytes);
    array::from_fn(|digit| b"0123456789abcdef"[(sum >> (28 - 4 * digit)) as usize & 0xf])
}
