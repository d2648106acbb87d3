//! The recorder: from the machine of a monitor to the queue of a journal.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::output::Outputs;
use super::queue::{Checkpoint, Queue, Wanted};
use super::{Header, Program, format};
use crate::host::Spec;
use crate::machine::json::Text;
use crate::machine::{Input, Machine, Name, Notice, NoticeKind, Output};
use crate::monitor::recording::{Recorder, RecorderParts};

/// The number of processes whose checkpoint is written in a tenth of a millisecond.
const FEW: usize = 50;

/// The parts of a recording before its beginning is known. If it is dropped, because no monitor is built, the
/// thread ends.
#[derive(Debug)]
pub(super) struct Setup {
    queue: Open,
    began: SystemTime,
}

/// A queue that is closed when this is dropped.
#[derive(Debug)]
struct Open(Arc<Queue>);

impl Setup {
    pub(super) fn new(queue: Arc<Queue>, began: SystemTime) -> Self {
        Self { queue: Open(queue), began }
    }
}

/// Creates the parts of a recording that begins at `begin`.
pub(super) fn parts(setup: Setup, begin: Instant) -> RecorderParts {
    let outputs = Outputs::default();
    let recorder = JournalRecorder {
        body: Text::new(begin),
        last: Duration::ZERO,
        numbers: Arc::default(),
        next_number: 1,
        began: setup.began,
        queue: setup.queue,
    };
    recorder.queue.0.push(&recorder.header(0).text);
    let notices = {
        let (outputs, queue) = (outputs.clone(), recorder.queue.0.clone());
        move |notice: &Notice| {
            let Some(run) = notice.run.filter(|_| matches!(notice.kind, NoticeKind::Exited { .. })) else {
                return;
            };
            if let Some(output) = outputs.take(&notice.name, run) {
                let mut body = Text::new(begin);
                format::output(&output, &mut body);
                queue.push(&body.text);
            }
        }
    };
    RecorderParts { recorder: Box::new(recorder), sink: Box::new(outputs), notices: Box::new(notices) }
}

/// Records one machine.
#[derive(Debug)]
struct JournalRecorder {
    /// The body under construction. Kept only for its allocation.
    body: Text,
    /// The time of the last input.
    last: Duration,
    /// The number of the current spec of each process. Shared with a checkpoint that is not written yet.
    numbers: Arc<HashMap<Name, (Arc<Spec>, u64)>>,
    next_number: u64,
    began: SystemTime,
    queue: Open,
}

impl JournalRecorder {
    fn header(&self, segment: u64) -> Text {
        let mut header = Text::new(self.body.begin);
        format::header(&Header::new(Some(self.began), 0, segment), &mut header);
        header
    }

    /// Returns the checkpoint of a state. The state of many processes is copied now, under the lock of the
    /// monitor, and is written on another thread, which takes far longer.
    fn checkpoint(&self, machine: &Machine<Arc<Spec>>) -> Checkpoint {
        let (state, numbers) = (machine.saved(), self.numbers.clone());
        let (begin, last, is_short) = (self.body.begin, self.last, machine.slots() <= FEW);
        let write = move || {
            let program = |name: &Name, spec: &Arc<Spec>| {
                // A process that was removed may still run, and its name may have another spec by now.
                let number = numbers.get(name).filter(|(known, _)| Arc::ptr_eq(known, spec));
                Program::new(&spec.to_string(), number.map_or(0, |(_, number)| *number))
            };
            let mut body = Text::new(begin);
            format::checkpoint(last, &state, program, &mut body);
            body
        };
        if is_short { Checkpoint::Written(write()) } else { Checkpoint::Unwritten(Box::new(write)) }
    }

    fn push(&self) {
        self.queue.0.push(&self.body.text);
    }
}

impl Recorder for JournalRecorder {
    fn input(&mut self, input: &Input<Arc<Spec>>, now: Instant) {
        self.last = now.saturating_duration_since(self.body.begin);
        self.body.text.clear();
        let Self { numbers, next_number, .. } = self;
        let program = |name: &Name, spec: &Arc<Spec>| {
            let number = *next_number;
            *next_number += 1;
            Arc::make_mut(numbers).insert(name.clone(), (spec.clone(), number));
            Program::new(&spec.to_string(), number)
        };
        format::input(input, self.last, program, &mut self.body);
        if let Input::Remove { name } = input {
            // It is needed no more, and there may be new names without end.
            Arc::make_mut(&mut self.numbers).remove(name);
        }
        self.push();
    }

    fn output(&mut self, output: &Output<Arc<Spec>>) {
        self.body.text.clear();
        format::decision(output, &mut self.body);
        self.push();
    }

    fn settled(&mut self, machine: &Machine<Arc<Spec>>) {
        match self.queue.0.wanted() {
            Wanted::Nothing => {}
            Wanted::Checkpoint => self.queue.0.go_on(self.body.begin, self.checkpoint(machine)),
            Wanted::Segment(number) => {
                self.queue.0.begin_segment(&self.header(number), self.checkpoint(machine));
            }
        }
    }
}

impl Drop for JournalRecorder {
    fn drop(&mut self) {
        self.body.text.clear();
        format::end(self.last, &mut self.body);
        self.queue.0.close(&self.body);
    }
}

impl Drop for Open {
    /// Closes the queue of a recording that has not begun.
    fn drop(&mut self) {
        self.0.abandon();
    }
}
