//! A process that the driver has started and has not reaped.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::ready_queue::{ReadyQueue, Source, SourceWaker};
use crate::host::Process;
use crate::machine::{Event, Name, RunId, Stream};
use crate::output::Relay;

/// The most bytes that are read at the end of a run from a pipe that another process still writes to: what
/// the largest pipe holds.
const FINAL_READ: usize = 1024 * 1024;

/// The process of one run, and the wakers of its three sources.
#[derive(Debug)]
pub(super) struct RunningProcess {
    pub(super) name: Name,
    pub(super) process: Box<dyn Process>,
    /// `None` after the exit.
    exit: Option<Waker>,
    /// `None` after the end of the stream.
    output: [Option<Waker>; 2],
}

impl RunningProcess {
    pub(super) fn new(run: RunId, name: Name, process: Box<dyn Process>, queue: &Arc<ReadyQueue>) -> Self {
        let waker = |source| Some(Waker::from(queue.add_source(run, source)));
        let output = Stream::BOTH.map(|stream| waker(Source::Output(stream)));
        Self { name, process, exit: waker(Source::Exit), output }
    }

    /// Returns an event if the process has exited.
    pub(super) fn poll_exit(&mut self, run: RunId) -> Option<Event> {
        let waker = self.exit.as_ref()?;
        let Poll::Ready(exit) = self.process.poll_exit(&mut Context::from_waker(waker)) else { return None };
        self.exit = None;
        Some(Event::Exited { run, exit, remaining: self.process.remaining() })
    }

    /// Reads once from `stream` and passes the bytes to `relay`. Returns an event if both streams have ended.
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
                waker.wake_by_ref();
                None
            }
            Poll::Ready(Ok(0) | Err(_)) => {
                self.output[stream as usize] = None;
                self.output.iter().all(Option::is_none).then_some(Event::Closed { run: source.run })
            }
        }
    }

    /// Passes on what the pipes still hold, without waiting for another process that holds them open.
    pub(super) fn drain(&mut self, run: RunId, relay: &mut Relay) {
        let mut cx = Context::from_waker(Waker::noop());
        for stream in Stream::BOTH {
            let mut drained = 0;
            while self.output[stream as usize].is_some() && drained < FINAL_READ {
                match self.process.poll_read(stream, &mut cx, relay.scratch()) {
                    Poll::Ready(Ok(length @ 1..)) => {
                        relay.push(run, &self.name, stream, length);
                        drained += length;
                    }
                    Poll::Ready(Ok(0) | Err(_)) | Poll::Pending => break,
                }
            }
        }
    }
}
