//! Putting a journal into a machine again.

use std::fmt::{self, Write};
use std::iter;
use std::path::Path;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::decision::Decision;
use super::{Ending, Entry, Journal, Program, Record};
use crate::machine::json::Text;
use crate::machine::{DefinitionError, Machine, Name, Output};

/// A replay of a [`Journal`]: the machine that ships, with the recorded inputs at the recorded times.
///
/// Each [`step`](Self::step) puts one entry in. Between two steps [`machine`](Self::machine) is in the state
/// in which the recorded machine was.
///
/// ```
/// use std::time::Duration;
/// use childminder::Phase;
/// use childminder::journal::{Journal, Program};
/// use childminder::machine::{Definition, Input};
///
/// let definition = Box::new(Definition::new(Program::new("serve", 1)));
/// let inputs = [Input::StartService, Input::Add { name: "web".parse()?, definition }];
/// let journal = Journal::from_inputs(0, inputs.map(|input| (Duration::ZERO, input)));
/// let mut replay = journal.replay();
/// let mut decisions = 0;
/// while let Some(step) = replay.step() {
///     decisions += step.outputs.len();
/// }
/// assert_eq!(decisions, 2); // that it was added, and its start
/// assert_eq!(replay.machine().status("web").map(|status| status.phase), Some(Phase::Starting));
/// # Ok::<(), childminder::machine::NameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    entries: slice::Iter<'a, Entry>,
    machine: Machine<Program>,
    begin: Instant,
    outputs: Vec<Output<Program>>,
}

/// One step of a [`Replay`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Step<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The decisions of the machine that follow from it.
    pub outputs: &'a [Output<Program>],
    /// The state of the machine afterwards.
    pub machine: &'a Machine<Program>,
    /// The reason why the machine refuses the input; it never refuses one that was recorded.
    pub refused: Option<DefinitionError>,
}

/// The result of [`Journal::verify`] if all decisions are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The number of inputs.
    pub inputs: u64,
    /// The number of decisions that were compared.
    pub decisions: u64,
    /// The number of entries that are missing, because they could not be written.
    pub lost: u64,
}

/// The first decision in a replay that is not the recorded one.
#[derive(Clone, Debug)]
pub struct Difference {
    path: Option<Arc<Path>>,
    line: usize,
    at: Duration,
    recorded: Option<String>,
    decided: Option<String>,
    process: Option<Name>,
    state: Option<String>,
}

impl Journal {
    /// Begins a replay.
    pub fn replay(&self) -> Replay<'_> {
        let machine = Machine::with_seed(self.header.seed);
        Replay { entries: self.entries.iter(), machine, begin: self.begin, outputs: Vec::new() }
    }

    /// Replays the journal, and compares every decision with the recorded one.
    ///
    /// # Errors
    ///
    /// The first [`Difference`].
    pub fn verify(&self) -> Result<Verified, Box<Difference>> {
        let mut replay = self.replay();
        let mut verified = Verified::default();
        // The number of decisions of the replay that were compared; those after them are not compared yet.
        let mut compared = 0;
        let mut text = String::new();
        let mut lost_before = true;
        for (index, entry) in self.entries.iter().enumerate() {
            // A checkpoint that continues a recording is the state that was reached.
            if let Record::Checkpoint(recorded) = &entry.record
                && !lost_before
            {
                let (recorded, reached) = (self.state(recorded), self.state(&replay.machine));
                if recorded != reached {
                    let (recorded, reached) = first_difference(&recorded, &reached);
                    return Err(Box::new(Difference::new(self, index, Some(recorded), Some(reached))));
                }
            }
            lost_before = matches!(entry.record, Record::Lost { .. });
            if compared == replay.outputs.len() {
                replay.outputs.clear();
                compared = 0;
            }
            let refused = replay.put(entry);
            let next = replay.outputs.get(compared);
            match &entry.record {
                Record::Input(_) if refused.is_some() => {
                    let refused = refused.map(|error| format!("it is refused: {error}"));
                    let recorded = Some("an input that was accepted".to_owned());
                    return Err(Box::new(Difference::new(self, index, recorded, refused)));
                }
                Record::Input(_) => verified.inputs += 1,
                Record::Decision(recorded) => {
                    text.clear();
                    if let Some(output) = next {
                        write!(text, "{}", Decision(output)).expect("a string accepts all text");
                    }
                    if text != **recorded {
                        let decided = next.is_some().then_some(text);
                        let difference = Difference::new(self, index, Some(recorded.to_string()), decided);
                        let now = self.begin + entry.at;
                        return Err(Box::new(difference.with_state(next, &replay.machine, now)));
                    }
                    compared += 1;
                    verified.decisions += 1;
                }
                Record::Lost { entries } => {
                    verified.lost += entries;
                    compared = replay.outputs.len();
                }
                Record::Checkpoint(_) => {
                    if let Some(output) = next {
                        let decided = Some(Decision(output).to_string());
                        return Err(Box::new(Difference::new(self, index, None, decided)));
                    }
                }
                Record::Output(_) | Record::End => {}
            }
        }
        // Decisions that were made at the moment of a crash need not be in the file.
        if let (Ending::Complete, Some(output), Some(entry)) =
            (self.ending, replay.outputs.get(compared), self.entries.last())
        {
            let decided = Some(Decision(output).to_string());
            let difference = Difference::new(self, self.entries.len() - 1, None, decided);
            let now = self.begin + entry.at;
            return Err(Box::new(difference.with_state(Some(output), &replay.machine, now)));
        }
        Ok(verified)
    }
}

impl Journal {
    /// Returns a state as text, without the numbers of the programs.
    fn state(&self, machine: &Machine<Program>) -> String {
        let mut out = Text::new(self.begin);
        machine.write_checkpoint(|_, program: &Program| Program::new(program.text(), 0), &mut out);
        out.text
    }
}

impl Replay<'_> {
    /// Puts the next entry into the machine; `None` if there is none.
    pub fn step(&mut self) -> Option<Step<'_>> {
        let entry = self.entries.next()?;
        self.outputs.clear();
        let refused = self.put(entry);
        Some(Step { entry, outputs: &self.outputs, machine: &self.machine, refused })
    }

    /// Puts an entry into the machine, and adds what it decides to the outputs. Returns the reason why it is
    /// refused.
    fn put(&mut self, entry: &Entry) -> Option<DefinitionError> {
        match &entry.record {
            Record::Input(input) => {
                let result = self.machine.handle_input((**input).clone(), self.begin + entry.at);
                self.outputs.extend(iter::from_fn(|| self.machine.poll_output()));
                result.err()
            }
            Record::Checkpoint(machine) => {
                self.machine.clone_from(machine);
                None
            }
            Record::Decision(_) | Record::Output(_) | Record::Lost { .. } | Record::End => None,
        }
    }

    /// Returns the machine in its present state.
    pub fn machine(&self) -> &Machine<Program> {
        &self.machine
    }

    /// Returns the time on the clock of the machine that is `since` after the beginning: statuses and notices
    /// use this clock.
    pub fn instant(&self, since: Duration) -> Instant {
        self.begin + since
    }

    /// Returns the time since the beginning of a time on the clock of the machine.
    pub fn since_begin(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begin)
    }
}

impl Difference {
    fn new(journal: &Journal, index: usize, recorded: Option<String>, decided: Option<String>) -> Self {
        let Entry { line, at, .. } = journal.entries[index];
        let file = journal.files.iter().rev().find(|(first, _)| *first <= index);
        let path = file.map(|(_, path)| path.clone());
        Self { path, line, at, recorded, decided, process: None, state: None }
    }

    /// Adds the state of the process that `output` is about.
    fn with_state(self, output: Option<&Output<Program>>, machine: &Machine<Program>, now: Instant) -> Self {
        let process = output.and_then(|output| name(output, machine));
        let state = process.as_ref().and_then(|name| machine.why(name, now)).map(|why| why.to_string());
        Self { process, state, ..self }
    }

    /// Returns the file; `None` if the journal was not read from one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Returns the number of the line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the time since the beginning.
    pub fn at(&self) -> Duration {
        self.at
    }

    /// Returns the recorded decision; `None` if there is none.
    pub fn recorded(&self) -> Option<&str> {
        self.recorded.as_deref()
    }

    /// Returns the decision of the replay; `None` if there is none.
    pub fn decided(&self) -> Option<&str> {
        self.decided.as_deref()
    }

    /// Returns the name of the process that the decision of the replay is about.
    pub fn process(&self) -> Option<&Name> {
        self.process.as_ref()
    }

    /// Returns why this process is in its state in the replay.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// Returns the parts of two states that differ first.
fn first_difference(recorded: &str, reached: &str) -> (String, String) {
    const BEFORE: usize = 60;
    let same = recorded.bytes().zip(reached.bytes()).take_while(|(one, other)| one == other).count();
    let part = |text: &str| {
        let part = text.as_bytes().get(same.saturating_sub(BEFORE)..).unwrap_or_default();
        let part = &part[..part.len().min(2 * BEFORE)];
        format!("the state … {} …", String::from_utf8_lossy(part))
    };
    (part(recorded), part(reached))
}

/// Returns the name of the process that an output is about.
fn name(output: &Output<Program>, machine: &Machine<Program>) -> Option<Name> {
    let run = match output {
        Output::Spawn { name, .. } => return Some(name.clone()),
        Output::Notice(notice) => return Some(notice.name.clone()),
        Output::Signal { run, .. }
        | Output::ListFamily { run }
        | Output::RunStopCommand { run }
        | Output::KillStopCommand { run }
        | Output::DescribeSurvivors { run, .. }
        | Output::Reap { run } => *run,
    };
    machine.statuses().into_iter().find(|status| status.run == Some(run)).map(|status| status.name)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = "nothing";
        write!(
            f,
            "line {}, {:.3} s after the beginning: recorded `{}`, decided `{}`",
            self.line,
            self.at.as_secs_f64(),
            self.recorded.as_deref().unwrap_or(none),
            self.decided.as_deref().unwrap_or(none),
        )?;
        match &self.state {
            Some(state) => write!(f, "; now {state}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Difference {}
