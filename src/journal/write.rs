//! Journals that were not recorded by a monitor, or are parts of others, as text.

use std::time::Duration;

use super::decision::Decision;
use super::{Entry, Header, Journal, Program, Record, Step, format};
use crate::machine::Name;
use crate::machine::json::Text;

impl Journal {
    /// Returns the journal as text, in the format of a recorded one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use childminder::journal::Journal;
    /// use childminder::machine::Input;
    ///
    /// let journal = Journal::from_inputs(0, [(Duration::from_secs(1), Input::StartService)]);
    /// let text = journal.to_text();
    /// assert_eq!(text.lines().count(), 2);
    /// assert_eq!(Journal::parse(text.as_bytes())?.length(), Duration::from_secs(1));
    /// # Ok::<(), childminder::journal::JournalError>(())
    /// ```
    pub fn to_text(&self) -> String {
        let mut text = Vec::new();
        let mut body = Text::new(self.begin);
        format::header(&self.header, &mut body);
        format::complete(0, &body.text, &mut text);
        let known = |_: &Name, program: &Program| program.clone();
        for (index, Entry { at, record, line: _ }) in self.entries.iter().enumerate() {
            body.text.clear();
            match record {
                Record::Input(input) => format::input(input, *at, known, &mut body),
                Record::Decision(decision) => format::decided(decision, &mut body),
                Record::Output(output) => format::output(output, &mut body),
                Record::Lost { entries } => format::lost(*entries, &mut body),
                Record::Checkpoint(machine) => format::checkpoint(*at, machine, known, &mut body),
                Record::End => format::end(*at, &mut body),
            }
            format::complete(index as u64 + 1, &body.text, &mut text);
        }
        // Every part of it was text.
        String::from_utf8(text).unwrap_or_default()
    }

    /// Returns a journal of the same inputs with the decisions of this version.
    #[must_use]
    pub fn with_decisions(&self) -> Self {
        let mut replay = self.replay();
        let mut entries = Vec::new();
        while let Some(Step { entry, outputs, .. }) = replay.step() {
            if matches!(entry.record, Record::Decision(_)) {
                continue;
            }
            entries.push(entry.clone());
            for output in outputs {
                let decision = Record::Decision(Decision(output).to_string().into());
                entries.push(Entry { line: 0, at: entry.at, record: decision });
            }
        }
        Self { entries, files: Vec::new(), ..self.clone_empty() }
    }

    /// Returns the part from a time on, which begins with a checkpoint. It is the whole journal if there is
    /// nothing before.
    #[must_use]
    pub fn since(&self, since: Duration) -> Self {
        let has_decisions = self.entries.iter().any(|entry| matches!(entry.record, Record::Decision(_)));
        let (mut replay, mut pending, mut last) = (self.replay(), 0, Duration::ZERO);
        for (index, entry) in self.entries.iter().enumerate() {
            // No decision may be separated from its input.
            if entry.at >= since && pending == 0 && index > 0 && matches!(entry.record, Record::Input(_)) {
                let checkpoint = Record::Checkpoint(Box::new(replay.machine().clone()));
                let mut entries = vec![Entry { line: 0, at: last, record: checkpoint }];
                entries.extend_from_slice(&self.entries[index..]);
                let mut part = Self { entries, files: Vec::new(), ..self.clone_empty() };
                part.header.segment = self.header.segment.max(1);
                return part;
            }
            let Some(step) = replay.step() else { break };
            last = last.max(step.entry.at);
            match &step.entry.record {
                Record::Input(_) if has_decisions => pending += step.outputs.len(),
                Record::Decision(_) => pending = pending.saturating_sub(1),
                Record::Lost { .. } | Record::Checkpoint(_) => pending = 0,
                _ => {}
            }
        }
        self.clone()
    }

    fn clone_empty(&self) -> Self {
        let Self { header, entries: _, ending, files: _, begin } = self;
        let header: Header = header.clone();
        Self { header, entries: Vec::new(), ending: *ending, files: Vec::new(), begin: *begin }
    }
}
