//! The picture of a journal.

use super::{Journal, Record, Step};
use crate::timeline::{Timeline, TimelineBuilder};

impl Journal {
    /// Returns the lives of all processes, to be drawn: it replays the journal, and looks at the machine
    /// after each input. The last lines of each run are at its exit.
    ///
    /// If the beginning of the journal is missing, the timeline begins with the checkpoint.
    ///
    /// ```
    /// use std::time::Duration;
    /// use childminder::journal::{Journal, Program};
    /// use childminder::machine::{Definition, Input};
    ///
    /// let name: childminder::Name = "web".parse()?;
    /// let definition = Box::new(Definition::new(Program::new("serve", 1)));
    /// let journal = Journal::from_inputs(0, [
    ///     (Duration::ZERO, Input::StartService),
    ///     (Duration::ZERO, Input::Add { name: name.clone(), definition }),
    ///     (Duration::from_secs(9), Input::Remove { name }),
    /// ]);
    /// let timeline = journal.timeline("one process");
    /// assert_eq!(timeline.length(), Duration::from_secs(9));
    /// assert!(timeline.to_svg().contains("starting"));
    /// # Ok::<(), childminder::machine::NameError>(())
    /// ```
    pub fn timeline(&self, title: impl Into<String>) -> Timeline {
        let mut builder = TimelineBuilder::new(title);
        if let Some(began) = self.header.began {
            builder = builder.began(began);
        }
        let mut replay = self.replay();
        while let Some(Step { entry, outputs, machine, .. }) = replay.step() {
            match &entry.record {
                Record::Input(input) => builder.observe(entry.at, input, outputs, machine),
                Record::Checkpoint(_) => builder.resume(entry.at, machine),
                Record::Output(output) => {
                    builder.last_lines(&output.name, output.run, output.last.iter().cloned());
                }
                Record::Decision(_) | Record::Lost { .. } | Record::End => {}
            }
        }
        builder.finish(self.length())
    }
}
