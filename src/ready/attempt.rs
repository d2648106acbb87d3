//! An attempt to find out whether a leaf is met: a probe or a command.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::condition::Leaf;
use super::leaf::AttemptResult;
use crate::host::{Host, Process, Spec};
use crate::machine::Stream;

/// An attempt in flight. Dropping it closes its connection, or kills its command.
pub(super) type Attempt = Pin<Box<dyn Future<Output = AttemptResult> + Send>>;

/// Begins an attempt for `leaf` on behalf of the process `pid`. Returns `None` for a leaf that is only waited
/// for.
pub(super) fn begin(leaf: &Leaf, host: &Arc<dyn Host>, pid: u32) -> Option<Attempt> {
    match leaf {
        Leaf::Probe { target, any_owner } => {
            let probe = host.probe(target, (!any_owner).then_some(pid));
            Some(Box::pin(async { AttemptResult::Probe(probe.await) }))
        }
        Leaf::Command(spec) => {
            let (host, spec) = (host.clone(), spec.clone());
            Some(Box::pin(async move { AttemptResult::Command(run(&*host, &spec).await) }))
        }
        Leaf::Uptime(_) | Leaf::Output(_) | Leaf::Notify(_) | Leaf::SdNotify => None,
    }
}

/// Runs a command until it exits. A failure is described by its exit and the last line that it has printed.
async fn run(host: &dyn Host, spec: &Spec) -> Result<(), String> {
    let mut process = host.spawn(spec).map_err(|error| error.to_string())?;
    let mut outputs = Stream::BOTH.map(LastLine::new);
    let exit = poll_fn(|cx| {
        outputs.iter_mut().for_each(|output| output.read(&mut *process, cx));
        let exit = ready!(process.poll_exit(cx));
        // What the command has printed before its exit is in the pipes by now.
        outputs.iter_mut().for_each(|output| output.read(&mut *process, cx));
        Poll::Ready(exit)
    })
    .await;
    if exit.is_success() {
        return Ok(());
    }
    let [stdout, stderr] = outputs.map(|output| output.line());
    Err(match stderr.or(stdout) {
        Some(line) => format!("{exit}: {line}"),
        None => exit.to_string(),
    })
}

/// The number of bytes kept of the end of a stream.
const KEPT: usize = 512;

/// The number of reads of a stream in a row before other tasks get their turn.
const READS: usize = 16;

/// The last line of a stream. Everything else is read and discarded, so that the command is not blocked by a
/// full pipe.
struct LastLine {
    stream: Stream,
    bytes: Vec<u8>,
}

impl LastLine {
    fn new(stream: Stream) -> Self {
        Self { stream, bytes: Vec::new() }
    }

    fn read(&mut self, process: &mut dyn Process, cx: &mut Context<'_>) {
        let mut buf = [0; 4096];
        for _ in 0..READS {
            match process.poll_read(self.stream, cx, &mut buf) {
                Poll::Ready(Ok(length @ 1..)) => {
                    self.bytes.extend_from_slice(&buf[..length]);
                    self.bytes.drain(..self.bytes.len().saturating_sub(KEPT));
                }
                Poll::Ready(Ok(0) | Err(_)) | Poll::Pending => return,
            }
        }
        cx.waker().wake_by_ref();
    }

    fn line(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.bytes);
        let line = text.trim_end().lines().last()?.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }
}
