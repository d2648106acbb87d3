//! A child of the real system, driven by hand.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use childminder::host::Process;
use childminder::machine::{SignalTarget, Stream};
use childminder::{Exit, Host, Signal, SpawnError, Spec, System};
use futures_lite::future::{block_on, or};

use super::PATIENCE;

/// Runs a future, which must complete within `deadline`.
fn within<T>(deadline: Duration, future: impl Future<Output = T>) -> T {
    let late = async {
        async_io::Timer::after(deadline).await;
        panic!("not done within {deadline:?}")
    };
    block_on(or(future, late))
}

/// A process under test.
#[derive(Debug)]
pub(crate) struct Child(pub(crate) Box<dyn Process>);

impl Child {
    pub(crate) fn start(spec: &Spec) -> Result<Self, SpawnError> {
        System::new().spawn(spec).map(Self)
    }

    /// Starts a shell script.
    pub(crate) fn shell(script: &str) -> Self {
        Self::start(&Spec::new("sh").args(["-c", script])).expect("sh starts")
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for the exit.
    pub(crate) fn exit(&mut self) -> Exit {
        within(PATIENCE, poll_fn(|cx| self.0.poll_exit(cx)))
    }

    /// Reads `stream` up to end-of-file.
    pub(crate) fn read_to_end(&mut self, stream: Stream) -> String {
        let mut all = Vec::new();
        while self.read_some(stream, &mut all) > 0 {}
        String::from_utf8(all).expect("text")
    }

    /// Reads the next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        self.line_of(Stream::Stdout)
    }

    /// Reads the next line of `stream`.
    pub(crate) fn line_of(&mut self, stream: Stream) -> String {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            let read = poll_fn(|cx| self.0.poll_read(stream, cx, &mut byte));
            assert_eq!(within(PATIENCE, read).expect("read"), 1, "end-of-file within a line, after {line:?}");
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("text").trim_end().to_owned()
    }

    fn read_some(&mut self, stream: Stream, all: &mut Vec<u8>) -> usize {
        let mut buf = [0; 4096];
        let count = within(PATIENCE, poll_fn(|cx| self.0.poll_read(stream, cx, &mut buf))).expect("read");
        all.extend_from_slice(&buf[..count]);
        count
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        self.0.signal(SignalTarget::Group, signal).expect("the signal is sent");
    }

    /// Waits until its group has no members.
    pub(crate) fn wait_for_the_group(&mut self) {
        let look = poll_fn(|cx| {
            if self.0.remaining().is_empty() {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        within(PATIENCE, look);
    }
}

/// Runs `spec` until it exits, and returns its exit with the contents of stdout and stderr.
pub(crate) fn run(spec: &Spec) -> (Exit, String, String) {
    let mut child = Child::start(spec).expect("it starts");
    let out = child.read_to_end(Stream::Stdout);
    let err = child.read_to_end(Stream::Stderr);
    (child.exit(), out, err)
}
