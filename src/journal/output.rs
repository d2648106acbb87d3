//! The output of the runs, as far as a journal has it: counts, and the last lines.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::RunOutput;
use crate::machine::{Name, RunId};
use crate::monitor::stop_command_id;
use crate::output::{Batch, Sink};
use crate::sync::Lock;

/// The number of last lines that are kept of a run.
const LINES: usize = 10;

/// The maximum length of a line that is kept, in characters.
const LENGTH: usize = 500;

/// The output of the runs that are not over.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs(Arc<Lock<HashMap<RunId, RunLines>>>);

#[derive(Debug, Default)]
struct RunLines {
    lines: u64,
    bytes: u64,
    last: VecDeque<String>,
}

impl Outputs {
    /// Removes and returns the output of a run; `None` if it has written nothing.
    pub(super) fn take(&self, name: &Name, run: RunId) -> Option<RunOutput> {
        let mut runs = self.0.lock();
        // That of its stop command is in no record.
        runs.remove(&stop_command_id(run));
        let RunLines { lines, bytes, last } = runs.remove(&run)?;
        Some(RunOutput { name: name.clone(), run: run.number(), lines, bytes, last: last.into() })
    }
}

impl Sink for Outputs {
    fn lines(&mut self, batch: &Batch<'_>) {
        let (count, bytes) =
            batch.lines().fold((0_usize, 0), |(count, bytes), line| (count + 1, bytes + line.bytes.len()));
        let mut runs = self.0.lock();
        let run = runs.entry(batch.run()).or_default();
        run.lines += count as u64;
        run.bytes += bytes as u64;
        for line in batch.lines().skip(count.saturating_sub(LINES)) {
            if run.last.len() == LINES {
                run.last.pop_front();
            }
            run.last.push_back(line.text().chars().take(LENGTH).collect());
        }
    }

    fn room(&mut self) -> usize {
        usize::MAX
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::machine::{Definition, Machine, Output, Stream};
    use crate::output::LoggingProtocol;

    /// Returns a run of `name`.
    fn run_of(name: &Name) -> RunId {
        #[expect(clippy::disallowed_methods, reason = "times need an origin")]
        let now = Instant::now();
        let mut machine = Machine::new();
        machine.add_process(name.clone(), Definition::new(()), now).unwrap();
        machine.start_process(name, now).unwrap();
        let spawned = std::iter::from_fn(|| machine.poll_output()).find_map(|output| match output {
            Output::Spawn { run, .. } => Some(run),
            _ => None,
        });
        spawned.expect("it is started")
    }

    #[test]
    fn a_run_is_counted_and_its_last_lines_are_kept() {
        let outputs = Outputs::default();
        let name: Name = "web".parse().unwrap();
        let run = run_of(&name);
        let mut protocol = LoggingProtocol::new(name.clone(), run);
        let text: String = (1..=25).map(|i| format!("line {i}\n")).collect();
        protocol.data_received(Stream::Stdout, text.as_bytes(), &mut outputs.clone());
        let long = format!("{}\n", "é".repeat(2 * LENGTH));
        protocol.data_received(Stream::Stderr, long.as_bytes(), &mut outputs.clone());

        let output = outputs.take(&name, run).expect("it has written something");
        assert_eq!((output.lines, output.bytes), (26, (text.len() - 25 + long.len() - 1) as u64));
        assert_eq!(output.last.len(), LINES);
        assert_eq!(output.last[0], "line 17");
        assert_eq!(output.last[9].chars().count(), LENGTH);
        assert_eq!(outputs.take(&name, run), None);
    }

    #[test]
    fn the_output_of_a_stop_command_is_not_kept_after_its_run() {
        let outputs = Outputs::default();
        let name: Name = "web".parse().unwrap();
        let run = run_of(&name);
        let mut protocol = LoggingProtocol::new(name.clone(), stop_command_id(run));
        protocol.data_received(Stream::Stdout, b"stopping\n", &mut outputs.clone());
        assert_eq!(outputs.0.lock().len(), 1);
        assert_eq!(outputs.take(&name, run), None);
        assert!(outputs.0.lock().is_empty());
    }
}
