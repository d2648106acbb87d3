//! What is found in the output of a service: the values of its captures, and how many lines have passed the
//! sinks, so that the start returns with a complete tail.

use std::fmt;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};

use futures_lite::future::poll_fn;
use regex::bytes::Regex;

use super::not_ready::ServiceError;
use crate::machine::{RunId, Stream};
use crate::output::{Batch, Sink};
use crate::search::MessageExtractor;
use crate::sync::{Lock, WakerCell};

/// Follows the output of one service after its readiness conditions were met by the raw bytes, which are
/// ahead of the sinks.
#[derive(Clone)]
pub(super) struct OutputProgress(Arc<Shared>);

struct Shared {
    regexes: Vec<Regex>,
    message: MessageExtractor,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    /// The run whose output is followed; no other line counts.
    run: Option<RunId>,
    /// Whether the output is followed at all.
    is_armed: bool,
    /// The lines that this sink has seen, of each stream, and whether the last one is unfinished.
    seen: [(u64, bool); 2],
    /// The part of them that has passed the other sinks as well.
    passed: [(u64, bool); 2],
    values: Vec<Option<String>>,
    waiter: WakerCell,
}

impl OutputProgress {
    /// Checks and compiles the regular expressions of the captures.
    pub(super) fn new(captures: &[String], message: MessageExtractor) -> Result<Self, ServiceError> {
        let compile = |text: &String| match Regex::new(text) {
            Ok(regex) if regex.captures_len() < 2 => Err(ServiceError::CaptureWithoutGroup(text.clone())),
            Ok(regex) => Ok(regex),
            Err(error) => Err(ServiceError::Capture { regex: text.clone(), reason: error.to_string() }),
        };
        let regexes = captures.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(Shared { regexes, message, state: Lock::default() })))
    }

    /// Begins to follow the next run that is not `previous`.
    pub(super) fn arm(&self) {
        let mut state = self.0.state.lock();
        let values = vec![None; self.0.regexes.len()];
        *state = State { is_armed: true, values, ..State::default() };
    }

    /// Waits until `lines` complete lines of each stream have passed the sinks, and each capture has a value.
    /// Returns the values.
    pub(super) async fn wait(&self, run: Option<RunId>, lines: [u64; 2]) -> Vec<String> {
        poll_fn(|cx| self.poll(run, lines, cx)).await
    }

    fn poll(&self, run: Option<RunId>, lines: [u64; 2], cx: &Context<'_>) -> Poll<Vec<String>> {
        let mut state = self.0.state.lock();
        let has_passed = |index: usize| {
            let (passed, is_unfinished) = state.passed[index];
            passed - u64::from(is_unfinished && passed > 0) >= lines[index]
        };
        let is_silent = lines == [0, 0] && state.values.is_empty();
        let is_complete =
            (state.run == run && has_passed(0) && has_passed(1)) && state.values.iter().all(Option::is_some);
        if is_silent || is_complete {
            let values = state.values.drain(..).flatten().collect();
            state.is_armed = false;
            return Poll::Ready(values);
        }
        state.waiter.register(cx.waker());
        Poll::Pending
    }

    /// Returns the first capture without a value, and ends following.
    pub(super) fn give_up(&self) -> Option<String> {
        let mut state = self.0.state.lock();
        state.is_armed = false;
        let missing = state.values.iter().position(Option::is_none)?;
        Some(self.0.regexes[missing].to_string())
    }

    /// Returns the sink for the monitor.
    pub(super) fn sink(&self) -> ProgressSink {
        ProgressSink(self.0.clone())
    }
}

impl fmt::Debug for OutputProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputProgress").field("regexes", &self.0.regexes).finish_non_exhaustive()
    }
}

pub(super) struct ProgressSink(Arc<Shared>);

impl Sink for ProgressSink {
    fn lines(&mut self, batch: &Batch<'_>) {
        let Shared { regexes, message, state: _ } = &*self.0;
        let mut state = self.0.state.lock();
        if !state.is_armed {
            return;
        }
        if state.seen != state.passed {
            commit(state);
            state = self.0.state.lock();
        }
        if state.run != Some(batch.run()) {
            let values = vec![None; regexes.len()];
            state.run = Some(batch.run());
            (state.seen, state.passed) = Default::default();
            state.values = values;
        }
        let index = match batch.stream() {
            Stream::Stdout => 0,
            Stream::Stderr => 1,
        };
        for line in batch.lines() {
            let (seen, is_unfinished) = &mut state.seen[index];
            *seen += u64::from(!line.continued);
            *is_unfinished = line.partial;
            let text = message.as_ref().map_or(line.bytes, |message| message(line.bytes));
            for (regex, value) in regexes.iter().zip(&mut state.values) {
                if value.is_none()
                    && let Some(found) = regex.captures(text).or_else(|| regex.captures(line.bytes))
                {
                    let group = found.get(1).map(|group| group.as_bytes()).unwrap_or_default();
                    *value = Some(String::from_utf8_lossy(group).into_owned());
                }
            }
        }
    }

    fn flush(&mut self) {
        let state = self.0.state.lock();
        if state.is_armed {
            commit(state);
        }
    }
}

/// Notes that the lines seen so far have passed all sinks: called when the next lines come, or when there are
/// none.
fn commit(mut state: MutexGuard<'_, State>) {
    state.passed = state.seen;
    let waiter = state.waiter.take();
    drop(state);
    if let Some(waiter) = waiter {
        waiter.wake();
    }
}
