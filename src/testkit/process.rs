//! The state of a simulated process.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::clock::Key;
use super::script::Script;
use crate::host::{ProbeTarget, Spec, Stdin};
use crate::machine::{Exit, Signal, Stream};

/// One run of a program, from its start until it is reaped.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) program: String,
    pub(super) pid: u32,
    /// The time of its start.
    started: Duration,
    pub(super) stop_signal: Signal,
    pub(super) script: Script,
    /// The live members of its group besides itself.
    pub(super) members: Vec<u32>,
    /// The exit of the process itself. Its group may still be alive.
    pub(super) exit: Option<Exit>,
    /// The agenda entries of its future actions, which its exit cancels.
    pub(super) scheduled: Vec<Key>,
    /// The agenda entry of the effect of KILL, if KILL was sent.
    pub(super) kill: Option<Key>,
    /// The agenda entry that closes the streams, if a process outside the group holds them open.
    pub(super) leak: Option<Key>,
    /// Whether the monitor has dropped the process.
    pub(super) dropped: bool,
    /// The waker of the task that waits for the exit.
    pub(super) waiter: Option<Waker>,
    /// Its standard input. It is never read, but held open until the exit, so that writers have a reader.
    pub(super) stdin: Stdin,
    /// In the order of [`Stream::BOTH`].
    pipes: [Pipe; 2],
}

/// A scheduled action of a process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// Write the entry of the script with this index.
    Print(usize),
    /// Exit without KILL.
    Exit(Exit),
    /// Exit with the whole group, because of KILL.
    Die,
    /// Close the streams that a process outside the group holds open.
    CloseLeak,
}

/// An output stream.
#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    reader: Option<Waker>,
}

impl Run {
    pub(super) fn new(program: String, pid: u32, started: Duration, mut script: Script, spec: &Spec) -> Self {
        if script.leaves_behind > 0 && !spec.has_own_group() {
            // In a shared group the members of this run cannot be identified.
            script.leaves_behind = 0;
            script.leaks_output = Duration::MAX;
        }
        Self {
            program,
            pid,
            started,
            stop_signal: spec.get_stop_signal(),
            members: (pid + 1..).take(script.leaves_behind).collect(),
            script,
            exit: None,
            scheduled: Vec::new(),
            kill: None,
            leak: None,
            dropped: false,
            waiter: None,
            stdin: spec.get_stdin().clone(),
            pipes: Default::default(),
        }
    }

    /// Returns its scripted actions. Output comes before an exit at the same time.
    pub(super) fn actions(&self) -> impl Iterator<Item = (Duration, Action)> {
        let prints =
            self.script.prints.iter().enumerate().map(|(index, print)| (print.at, Action::Print(index)));
        prints.chain(self.script.end().map(|(at, exit)| (at, Action::Exit(exit))))
    }

    /// Whether the process itself or a member of its group is alive.
    pub(super) fn is_alive(&self) -> bool {
        self.exit.is_none() || !self.members.is_empty()
    }

    /// Returns the addresses that the process serves at `now`.
    pub(super) fn serves(&self, now: Duration) -> impl Iterator<Item = &ProbeTarget> {
        let age = self.exit.is_none().then(|| now.saturating_sub(self.started));
        age.into_iter().flat_map(|age| self.script.serves_at(age))
    }

    fn is_open(&self) -> bool {
        self.is_alive() || self.leak.is_some()
    }

    fn pipe(&mut self, stream: Stream) -> &mut Pipe {
        match stream {
            Stream::Stdout => &mut self.pipes[0],
            Stream::Stderr => &mut self.pipes[1],
        }
    }

    /// Writes an entry of the script. Returns the waker of the reader.
    pub(super) fn print(&mut self, index: usize) -> Option<Waker> {
        let print = &mut self.script.prints[index];
        let (stream, bytes) = (print.stream, std::mem::take(&mut print.bytes));
        let pipe = self.pipe(stream);
        pipe.bytes.extend(bytes);
        pipe.reader.take()
    }

    /// Returns the wakers of the readers, because the streams may be closed.
    pub(super) fn readers(&mut self) -> impl Iterator<Item = Waker> {
        self.pipes.iter_mut().filter_map(|pipe| pipe.reader.take())
    }

    pub(super) fn poll_exit(&mut self, waker: &Waker) -> Poll<Exit> {
        match self.exit {
            Some(exit) => Poll::Ready(exit),
            None => {
                self.waiter = Some(waker.clone());
                Poll::Pending
            }
        }
    }

    pub(super) fn poll_read(
        &mut self,
        stream: Stream,
        waker: &Waker,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let open = self.is_open();
        let pipe = self.pipe(stream);
        if open && pipe.bytes.is_empty() && !buf.is_empty() {
            pipe.reader = Some(waker.clone());
            return Poll::Pending;
        }
        Poll::Ready(pipe.bytes.read(buf))
    }
}
