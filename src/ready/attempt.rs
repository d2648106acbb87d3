//! One attempt to find out whether a leaf is met: a probe, or a command.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::condition::Leaf;
use super::tally::Answer;
use crate::host::{Host, Process, Spec};
use crate::machine::Stream;

/// Ends with the answer. Dropping it closes the connection, and kills the command.
pub(super) type Attempt = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Begins to ask for `leaf`, on behalf of the process `pid`. What is merely waited for is not asked.
pub(super) fn begin(leaf: &Leaf, host: &Arc<dyn Host>, pid: u32) -> Option<Attempt> {
    match leaf {
        Leaf::Answers { target, anybody: _ } => {
            let probe = host.probe(target, Some(pid));
            Some(Box::pin(async { Answer::ProbeFuture(probe.await) }))
        }
        Leaf::Command(spec) => {
            let (host, spec) = (host.clone(), spec.clone());
            Some(Box::pin(async move { Answer::Command(run(&*host, &spec).await) }))
        }
        Leaf::Uptime(_) | Leaf::OutputMatch(_) | Leaf::Notify(_) | Leaf::SdNotify => None,
    }
}

/// Runs a command to its end. If it fails, the reason is how it ended, and the last line it printed.
async fn run(host: &dyn Host, spec: &Spec) -> Result<(), String> {
    let mut process = host.spawn(spec).map_err(|error| error.to_string())?;
    let mut said = Stream::BOTH.map(LastLine::new);
    let exit = poll_fn(|cx| {
        said.iter_mut().for_each(|said| said.read(&mut *process, cx));
        let exit = ready!(process.poll_exit(cx));
        // What it said before it died is in the pipes by now.
        said.iter_mut().for_each(|said| said.read(&mut *process, cx));
        Poll::Ready(exit)
    })
    .await;
    if exit.is_success() {
        return Ok(());
    }
    let [stdout, stderr] = said.map(|said| said.text());
    Err(match stderr.or(stdout) {
        Some(line) => format!("{exit}: {line}"),
        None => exit.to_string(),
    })
}

/// So much of what a command prints is kept.
const KEPT: usize = 512;

/// So often it is read from before others have their turn.
const READS: usize = 16;

/// The end of a stream. All the rest is read and forgotten, so that the command need not wait for a reader.
struct LastLine {
    stream: Stream,
    end: Vec<u8>,
}

impl LastLine {
    fn new(stream: Stream) -> Self {
        Self { stream, end: Vec::new() }
    }

    fn read(&mut self, process: &mut dyn Process, cx: &mut Context<'_>) {
        let mut buf = [0; 4096];
        for _ in 0..READS {
            match process.poll_read(self.stream, cx, &mut buf) {
                Poll::Ready(Ok(length @ 1..)) => {
                    self.end.extend_from_slice(&buf[..length]);
                    self.end.drain(..self.end.len().saturating_sub(KEPT));
                }
                Poll::Ready(Ok(0) | Err(_)) | Poll::Pending => return,
            }
        }
        cx.waker().wake_by_ref();
    }

    fn text(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.end);
        let line = text.trim_end().lines().last()?.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }
}
