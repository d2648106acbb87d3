//! A process that the driver has started and has not reaped.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::health::RunHealth;
use super::input_queue::InputTask;
use super::ready_queue::{ReadyQueue, Source, SourceWaker};
use super::shared::Shared;
use crate::drive::Resolutions;
use crate::host::{Process, Spec};
use crate::machine::{Event, Exit, Name, RunId, StopCommandError, Stream};
use crate::output::Relay;

/// The most bytes that are read at the end of a run from a pipe that another process still writes to: the
/// capacity of the largest pipe.
const FINAL_READ: usize = 1024 * 1024;

/// A process, and the wakers of its sources.
#[derive(Debug)]
pub(super) struct RunningProcess {
    pub(super) name: Name,
    pub(super) process: Box<dyn Process>,
    pub(super) role: Role,
    /// `None` after the exit.
    exit: Option<Waker>,
    /// `None` after the end of the stream.
    output: [Option<Waker>; 2],
    /// The watch over its readiness and health, if its spec requires any.
    pub(super) health: Option<Box<RunHealth>>,
    /// `None` if its input cannot be written.
    input: Option<Waker>,
}

/// The purpose of a process.
#[derive(Debug)]
pub(super) enum Role {
    /// The leader of a run, started from this spec.
    Leader(Arc<Spec>),
    /// The stop command of a run.
    StopCommand(RunId),
}

/// The id under which the stop command of `run` is known to the driver and to the sinks. Its output is framed
/// separately from that of the run.
pub(crate) fn stop_command_id(run: RunId) -> RunId {
    RunId::unmanaged(run.number())
}

impl RunningProcess {
    /// Adds the sources of a new process to the queue. `id` is the run, or the id of a stop command.
    pub(super) fn new(
        id: RunId,
        name: Name,
        process: Box<dyn Process>,
        role: Role,
        queue: &Arc<ReadyQueue>,
    ) -> Self {
        let waker = |source| Some(Waker::from(queue.add_source(id, source)));
        let output = Stream::BOTH.map(|stream| waker(Source::Output(stream)));
        let has_input = matches!(&role, Role::Leader(spec) if spec.has_writable_stdin());
        let input = if has_input { waker(Source::Input) } else { None };
        Self { name, process, role, exit: waker(Source::Exit), output, health: None, input }
    }

    /// Returns what has the driver poll its input, if that can be written.
    pub(super) fn input(&self) -> Option<&Waker> {
        self.input.as_ref()
    }

    /// Does one thing that waits to be done with its input.
    pub(super) fn poll_input(&mut self, run: RunId, shared: &Shared) {
        let Some(waker) = &self.input else { return };
        let Some(task) = shared.drive.lock().state.inputs.next(run) else { return };
        let mut cx = Context::from_waker(waker);
        let written = match task {
            InputTask::Resize(size) => {
                // The size is valid, so only a host without terminals refuses.
                if let Err(error) = self.process.resize_terminal(size) {
                    log::warn!("cannot resize the terminal of {}: {error}", self.name);
                }
                Resolutions::default()
            }
            InputTask::Write(bytes) => match self.process.poll_write_stdin(&mut cx, &bytes) {
                Poll::Pending => return,
                Poll::Ready(Ok(count @ 1..)) => shared.drive.lock().state.inputs.written(run, count),
                Poll::Ready(Ok(0) | Err(_)) => shared.drive.lock().state.inputs.ended(run),
            },
            InputTask::Close => match self.process.poll_close_stdin(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(()) => shared.drive.lock().state.inputs.ended(run),
            },
        };
        written.resolve();
        // There may be more, for which the other sources have their turn first.
        waker.wake_by_ref();
    }

    /// Returns an event if the process has exited.
    pub(super) fn poll_exit(&mut self, run: RunId) -> Option<Event> {
        let waker = self.exit.as_ref()?;
        let Poll::Ready(exit) = self.process.poll_exit(&mut Context::from_waker(waker)) else { return None };
        self.exit = None;
        Some(match self.role {
            Role::Leader(_) => Event::Exited { run, exit, remaining: self.process.remaining() },
            Role::StopCommand(run) => Event::StopCommandEnded { run, result: stop_result(exit) },
        })
    }

    /// Reads once from `stream` and passes the bytes to `relay`. Returns an event if both streams of a leader
    /// have ended.
    pub(super) fn poll_output(
        &mut self,
        source: &Arc<SourceWaker>,
        stream: Stream,
        relay: &mut Relay,
    ) -> Option<Event> {
        let waker = self.output[stream as usize].as_ref()?;
        let poll = self.process.poll_read(stream, &mut Context::from_waker(waker), relay.scratch());
        match poll {
            Poll::Pending => None,
            Poll::Ready(Ok(length @ 1..)) => {
                relay.push(source.run, &self.name, stream, length);
                // There may be more. It is read after the other sources had their turn.
                source.requeue();
                None
            }
            Poll::Ready(Ok(0) | Err(_)) => {
                self.output[stream as usize] = None;
                let is_closed = self.output.iter().all(Option::is_none);
                let is_leader = matches!(self.role, Role::Leader(_));
                (is_closed && is_leader).then_some(Event::Closed { run: source.run })
            }
        }
    }

    /// Passes on the bytes that the pipes still hold, without waiting for another process that holds them
    /// open, and ends the output of this process.
    pub(super) fn finish_output(&mut self, id: RunId, relay: &mut Relay) {
        let mut cx = Context::from_waker(Waker::noop());
        for stream in Stream::BOTH {
            let mut drained = 0;
            while self.output[stream as usize].is_some() && drained < FINAL_READ {
                match self.process.poll_read(stream, &mut cx, relay.scratch()) {
                    Poll::Ready(Ok(length @ 1..)) => {
                        relay.push(id, &self.name, stream, length);
                        drained += length;
                    }
                    Poll::Ready(Ok(0) | Err(_)) | Poll::Pending => break,
                }
            }
        }
        relay.end(id);
    }
}

fn stop_result(exit: Exit) -> Result<(), StopCommandError> {
    if exit.is_success() { Ok(()) } else { Err(StopCommandError::Failed(exit)) }
}
