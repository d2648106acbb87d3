//! A process that runs, as the driver sees it.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::wakeups::{Call, Source, Wakeups};
use crate::host::Process;
use crate::machine::{Event, Name, RunId, Stream};
use crate::output::Relay;

/// How much a pipe that somebody else still writes to may yield at the end of a run: what the largest pipe holds.
const LAST_DRAIN: usize = 1024 * 1024;

/// One live run: the process, and how its three sources call.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) name: Name,
    pub(super) process: Box<dyn Process>,
    /// Taken when the exit has been told.
    exit: Option<Waker>,
    /// Taken at the end of the stream.
    output: [Option<Waker>; 2],
}

impl Live {
    pub(super) fn new(run: RunId, name: Name, process: Box<dyn Process>, wakeups: &Arc<Wakeups>) -> Self {
        let call = |source| Some(Waker::from(wakeups.call(run, source)));
        let output = Stream::BOTH.map(|stream| call(Source::Output(stream)));
        Self { name, process, exit: call(Source::Exit), output }
    }

    /// Looks whether the process has died.
    pub(super) fn poll_exit(&mut self, run: RunId) -> Option<Event> {
        let waker = self.exit.as_ref()?;
        let Poll::Ready(exit) = self.process.poll_exit(&mut Context::from_waker(waker)) else { return None };
        self.exit = None;
        Some(Event::Exited { run, exit, left: self.process.remaining() })
    }

    /// Reads once from `call`'s stream and hands it on; returns the news when both streams are at their end.
    pub(super) fn poll_output(
        &mut self,
        call: &Arc<Call>,
        stream: Stream,
        relay: &mut Relay,
    ) -> Option<Event> {
        let waker = self.output[stream as usize].as_ref()?;
        let poll = self.process.poll_read(stream, &mut Context::from_waker(waker), relay.scratch());
        match poll {
            Poll::Pending => None,
            Poll::Ready(Ok(length @ 1..)) => {
                relay.push(call.run, &self.name, stream, length);
                // There may be more; the others have their turn first (F-59).
                waker.wake_by_ref();
                None
            }
            Poll::Ready(Ok(0) | Err(_)) => {
                self.output[stream as usize] = None;
                self.output.iter().all(Option::is_none).then_some(Event::Closed { run: call.run })
            }
        }
    }

    /// Hands on what is still in the pipes. Whoever holds them open is not waited for.
    pub(super) fn drain(&mut self, run: RunId, relay: &mut Relay) {
        let mut cx = Context::from_waker(Waker::noop());
        for stream in Stream::BOTH {
            let mut drained = 0;
            while self.output[stream as usize].is_some() && drained < LAST_DRAIN {
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
