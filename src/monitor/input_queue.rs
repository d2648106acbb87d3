//! The bytes that wait to be written to the standard inputs of processes.
//!
//! Each run has a queue of its own, from its start to its exit, so that no byte for one run reaches the next.
//! A queue is bounded, and the bytes of one call are taken whole or not at all. The driver writes what the
//! process has room for; nothing waits for a process that does not read.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use super::error::CLOSED;
use crate::drive::{NotDriven, Promise, Resolutions};
use crate::host::TerminalSize;
use crate::machine::{Name, RunId, UnknownName};

/// The most bytes that wait for one process.
const CAPACITY: usize = 1024 * 1024;
/// The most bytes that are written at once.
const CHUNK: usize = 64 * 1024;

/// The reasons why bytes were not written to the standard input of a process, or its terminal not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputError {
    /// There is no process with this name.
    Unknown(UnknownName),
    /// The process does not run. Bytes are for one run and are not kept for the next one.
    NotRunning(Name),
    /// The standard input of the process is neither [piped](crate::Stdin::Piped) nor a
    /// [terminal](crate::Spec::terminal).
    NotWritable(Name),
    /// The process has no [terminal](crate::Spec::terminal), or the size has no rows or columns.
    NoTerminal(Name),
    /// The input was closed, or the process does not read any more.
    Ended(Name),
    /// The process does not read as fast as it is written to. None of the bytes was taken.
    Full {
        /// The process.
        name: Name,
        /// The bytes that wait already.
        waiting: usize,
        /// The most bytes that may wait.
        capacity: usize,
    },
    /// The monitor is closed, or its driver was dropped.
    Closed,
    /// The driver of the monitor is not polled.
    NotDriven(NotDriven),
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(error) => error.fmt(f),
            Self::NotRunning(name) => write!(f, "cannot write to {name}: it does not run"),
            Self::NotWritable(name) => write!(
                f,
                "cannot write to {name}: its standard input is neither piped nor a terminal; use \
                 `Spec::stdin(Stdin::Piped)` or `Spec::terminal`"
            ),
            Self::NoTerminal(name) => {
                write!(f, "cannot resize the terminal of {name}: it has none, or the size is empty")
            }
            Self::Ended(name) => write!(f, "cannot write to {name}: its standard input has ended"),
            Self::Full { name, waiting, capacity } => write!(
                f,
                "cannot write to {name}: {waiting} of {capacity} bytes wait until it reads; wait for the \
                 ticket of an earlier write"
            ),
            Self::Closed => write!(f, "cannot write: {CLOSED}"),
            Self::NotDriven(error) => error.fmt(f),
        }
    }
}

/// The message contains that of the cause, so there is no source.
impl std::error::Error for InputError {}

impl From<UnknownName> for InputError {
    fn from(error: UnknownName) -> Self {
        Self::Unknown(error)
    }
}

impl From<NotDriven> for InputError {
    fn from(error: NotDriven) -> Self {
        Self::NotDriven(error)
    }
}

/// The queues of all runs whose input can be written.
#[derive(Debug, Default)]
pub(super) struct InputQueues(HashMap<RunId, InputQueue>);

/// The queue of one run.
#[derive(Debug)]
struct InputQueue {
    name: Name,
    has_terminal: bool,
    /// Has the driver poll the input.
    waker: Waker,
    /// The new size of the terminal.
    size: Option<TerminalSize>,
    waiting: VecDeque<u8>,
    /// The number of bytes that were written.
    written: u64,
    /// The writes that are not complete, each with the number of bytes up to its end.
    promises: VecDeque<(u64, Arc<Promise<InputError>>)>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// To be closed when nothing is waiting.
    Closing,
    Ended,
}

/// The next step of the driver for an input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InputTask {
    /// Resize the terminal.
    Resize(TerminalSize),
    /// Write some of these bytes.
    Write(Vec<u8>),
    /// End the input.
    Close,
}

impl InputQueues {
    /// Adds the queue of a run that has started. `waker` has the driver poll its input.
    pub(super) fn open(&mut self, run: RunId, name: Name, has_terminal: bool, waker: Waker) {
        let queue = InputQueue {
            name,
            has_terminal,
            waker,
            size: None,
            waiting: VecDeque::new(),
            written: 0,
            promises: VecDeque::new(),
            state: State::Open,
        };
        self.0.insert(run, queue);
    }

    /// Whether this run has a queue.
    pub(super) fn contains(&self, run: RunId) -> bool {
        self.0.contains_key(&run)
    }

    /// Appends `bytes`, all or none. `promise` is resolved when they are written. Returns what has the driver
    /// write them.
    pub(super) fn write(
        &mut self,
        run: RunId,
        bytes: &[u8],
        promise: Arc<Promise<InputError>>,
    ) -> Result<Waker, InputError> {
        let queue = self.queue(run);
        if queue.state != State::Open {
            return Err(InputError::Ended(queue.name.clone()));
        }
        let waiting = queue.waiting.len();
        if waiting + bytes.len() > CAPACITY {
            return Err(InputError::Full { name: queue.name.clone(), waiting, capacity: CAPACITY });
        }
        queue.waiting.extend(bytes);
        queue.promises.push_back((queue.written + queue.waiting.len() as u64, promise));
        Ok(queue.waker.clone())
    }

    /// Ends the input after what is waiting. Returns what has the driver do it.
    pub(super) fn close(&mut self, run: RunId) -> Waker {
        let queue = self.queue(run);
        if queue.state == State::Open {
            queue.state = State::Closing;
        }
        queue.waker.clone()
    }

    /// Changes the size of the terminal. Returns what has the driver do it.
    pub(super) fn resize(&mut self, run: RunId, size: TerminalSize) -> Result<Waker, InputError> {
        let queue = self.queue(run);
        if !queue.has_terminal || size.is_empty() {
            return Err(InputError::NoTerminal(queue.name.clone()));
        }
        queue.size = Some(size);
        Ok(queue.waker.clone())
    }

    fn queue(&mut self, run: RunId) -> &mut InputQueue {
        self.0.get_mut(&run).expect("the caller has checked that it exists")
    }

    /// Returns what to do next.
    pub(super) fn next(&mut self, run: RunId) -> Option<InputTask> {
        let queue = self.0.get_mut(&run)?;
        if let Some(size) = queue.size.take() {
            return Some(InputTask::Resize(size));
        }
        if !queue.waiting.is_empty() {
            let (front, _) = queue.waiting.as_slices();
            return Some(InputTask::Write(front[..front.len().min(CHUNK)].to_vec()));
        }
        (queue.state == State::Closing).then_some(InputTask::Close)
    }

    /// Removes `count` bytes that were written.
    pub(super) fn written(&mut self, run: RunId, count: usize) -> Resolutions<InputError> {
        let Some(queue) = self.0.get_mut(&run) else { return Resolutions::default() };
        queue.waiting.drain(..count);
        if queue.waiting.is_empty() {
            queue.waiting = VecDeque::new();
        }
        queue.written += count as u64;
        let complete = queue.promises.iter().take_while(|(end, _)| *end <= queue.written).count();
        Resolutions(queue.promises.drain(..complete).map(|(_, promise)| (promise, Ok(()))).collect())
    }

    /// Ends the input, which was closed or has no reader.
    pub(super) fn ended(&mut self, run: RunId) -> Resolutions<InputError> {
        let Some(queue) = self.0.get_mut(&run) else { return Resolutions::default() };
        queue.state = State::Ended;
        queue.fail(InputError::Ended(queue.name.clone()))
    }

    /// Removes the queue of a run that has exited.
    pub(super) fn remove(&mut self, run: RunId) -> Resolutions<InputError> {
        let Some(mut queue) = self.0.remove(&run) else { return Resolutions::default() };
        queue.fail(InputError::NotRunning(queue.name.clone()))
    }

    /// Removes all queues: the driver has ended.
    pub(super) fn driver_over(&mut self) -> Resolutions<InputError> {
        let queues = self.0.drain();
        Resolutions(queues.flat_map(|(_, mut queue)| queue.fail(InputError::Closed).0).collect())
    }
}

impl InputQueue {
    fn fail(&mut self, error: InputError) -> Resolutions<InputError> {
        self.waiting = VecDeque::new();
        Resolutions(self.promises.drain(..).map(|(_, promise)| (promise, Err(error.clone()))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Oneshot;

    fn run() -> RunId {
        RunId::unmanaged(1)
    }

    fn queues() -> InputQueues {
        let mut queues = InputQueues::default();
        queues.open(run(), "web".parse().expect("a name"), false, Waker::noop().clone());
        queues
    }

    /// Writes, and returns the promise.
    fn write(queues: &mut InputQueues, bytes: &[u8]) -> Result<Arc<Promise<InputError>>, InputError> {
        let promise = Arc::new(Oneshot::new());
        queues.write(run(), bytes, promise.clone()).map(|_| promise)
    }

    #[test]
    fn a_write_is_complete_when_its_last_byte_is_written() {
        let mut queues = queues();
        let one = write(&mut queues, b"one").expect("room");
        let two = write(&mut queues, b"two").expect("room");
        assert_eq!(queues.next(run()), Some(InputTask::Write(b"onetwo".to_vec())));
        queues.written(run(), 2).resolve();
        assert!(!one.is_filled());
        queues.written(run(), 2).resolve();
        assert!(one.is_filled() && !two.is_filled());
        assert_eq!(queues.next(run()), Some(InputTask::Write(b"wo".to_vec())));
        queues.close(run());
        assert_eq!(queues.next(run()), Some(InputTask::Write(b"wo".to_vec())), "what is waiting comes first");
        assert_eq!(
            write(&mut queues, b"x").err().map(|error| error.to_string()).as_deref(),
            Some("cannot write to web: its standard input has ended")
        );
        queues.written(run(), 2).resolve();
        assert!(two.is_filled());
        assert_eq!(queues.next(run()), Some(InputTask::Close));
        queues.ended(run()).resolve();
        assert_eq!(queues.next(run()), None);
    }

    #[test]
    fn f_213_the_bytes_of_one_write_are_taken_whole_or_not_at_all() {
        let mut queues = queues();
        write(&mut queues, &vec![b'x'; CAPACITY - 1]).expect("room");
        let Err(InputError::Full { waiting, capacity, .. }) = write(&mut queues, b"yz") else {
            panic!("there is room for one byte")
        };
        assert_eq!((waiting, capacity), (CAPACITY - 1, CAPACITY));
        write(&mut queues, b"y").expect("room for one");
        queues.written(run(), CHUNK).resolve();
        write(&mut queues, &[b'z'; CHUNK]).expect("room again");
    }

    #[test]
    fn f_212_the_end_of_a_run_fails_its_writes() {
        let mut queues = queues();
        let promise = write(&mut queues, b"lost").expect("room");
        queues.remove(run()).resolve();
        assert!(promise.is_filled() && !queues.contains(run()));
        assert_eq!(queues.next(run()), None);
    }
}
