//! Writing a journal of a machine that no monitor drives.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use super::entry::origin;
use super::{Header, Program, format};
use crate::machine::json::Text;
use crate::machine::{Input, Name, Output};

/// A journal that is written while a machine is driven by other code than a monitor, for example by a
/// [rehearsal](crate::testkit::rehearse).
///
/// It needs no more memory than a line, however long it gets. Each line is one call of
/// [`write_all`](Write::write_all), so `out` should have a buffer. What is written cannot be distinguished
/// from a recorded journal, except that it does not say when it [began](Header::began).
///
/// ```
/// use std::time::Duration;
/// use childminder::journal::{Journal, JournalWriter, Program};
/// use childminder::machine::Definition;
/// use childminder::testkit::rehearse::{Behaviour, Scenario};
///
/// let scenario = Scenario::new()
///     .process("web".parse()?, Definition::new(()))
///     .behaves("web", Behaviour::new().lives(Duration::from_secs(40)));
/// let mut journal = JournalWriter::new(Vec::new(), 0)?;
/// let mut written = Ok(());
/// scenario.observe(|moment| {
///     let result = journal.input(moment.at, moment.input, moment.outputs, |_, ()| Program::new("serve", 1));
///     written = std::mem::replace(&mut written, Ok(())).and(result);
/// })?;
/// written?;
/// let text = journal.finish()?;
///
/// let journal = Journal::parse(&text)?;
/// assert!(journal.verify().is_ok_and(|verified| verified.decisions > 2160));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JournalWriter<W> {
    out: W,
    /// The body under construction, kept only for its allocation.
    body: Text,
    /// The line under construction, kept only for its allocation.
    line: Vec<u8>,
    /// The number of lines so far.
    lines: u64,
    last: Duration,
}

impl<W: Write> JournalWriter<W> {
    /// Begins a journal of a machine [with this seed](crate::machine::Machine::with_seed).
    ///
    /// # Errors
    ///
    /// The error of `out`.
    pub fn new(out: W, seed: u64) -> io::Result<Self> {
        let (body, line) = (Text::new(origin()), Vec::new());
        let mut writer = Self { out, body, line, lines: 0, last: Duration::ZERO };
        format::header(&Header::new(None, seed, 0), &mut writer.body);
        writer.complete()?;
        Ok(writer)
    }

    /// Writes an input that the machine has accepted, with all outputs that followed from it. `program`
    /// returns what stands for the spec of a definition in it.
    ///
    /// # Errors
    ///
    /// The error of `out`, after which the last line may be incomplete.
    pub fn input<S: Clone>(
        &mut self,
        at: Duration,
        input: &Input<S>,
        outputs: &[Output<S>],
        program: impl FnOnce(&Name, &S) -> Program,
    ) -> io::Result<()> {
        self.last = at;
        format::input(input, at, program, &mut self.body);
        self.complete()?;
        for output in outputs {
            format::decision(output, &mut self.body);
            self.complete()?;
        }
        Ok(())
    }

    /// Writes the end, and returns `out` after flushing it.
    ///
    /// # Errors
    ///
    /// The error of `out`.
    pub fn finish(mut self) -> io::Result<W> {
        format::end(self.last, &mut self.body);
        self.complete()?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Returns the number of lines so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Writes the line with the current body.
    fn complete(&mut self) -> io::Result<()> {
        self.line.clear();
        format::complete(self.lines, &self.body.text, &mut self.line);
        self.body.text.clear();
        self.lines += 1;
        self.out.write_all(&self.line)
    }
}

impl<W> fmt::Debug for JournalWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalWriter")
            .field("lines", &self.lines)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
