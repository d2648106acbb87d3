//! A process of the fake world: what it is, and what the monitor holds of it.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read as _};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::clock::Key;
use super::script::Script;
use super::sim::Sim;
use crate::host::{ProbeTarget, Process, Spec, Stdin};
use crate::machine::{Exit, Signal, SignalTarget, Stream};

/// One run of a program, from its start until it is reaped.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) program: String,
    pub(super) pid: u32,
    /// When it was started.
    started: Duration,
    pub(super) stop_signal: Signal,
    pub(super) script: Script,
    /// Who else is alive in its group.
    pub(super) members: Vec<u32>,
    /// How the process itself ended. Its group may still be alive.
    pub(super) exit: Option<Exit>,
    /// The places in the agenda of what it will do while it is alive.
    pub(super) plans: Vec<Key>,
    /// KILL was sent; the place in the agenda of its effect.
    pub(super) kill: Option<Key>,
    /// Something outside the group holds the streams open; the place in the agenda of the end of that.
    pub(super) leak: Option<Key>,
    /// The monitor has let go of it.
    pub(super) dropped: bool,
    /// Who waits for the exit.
    pub(super) waiter: Option<Waker>,
    /// What it reads from, though it never reads: whoever writes to it finds a reader as long as it lives.
    pub(super) stdin: Stdin,
    /// In the order of [`Stream::BOTH`].
    pipes: [Pipe; 2],
}

/// What a process does at its time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    /// Writes: which entry of its script.
    Print(usize),
    /// Ends by itself, or because it heeds TERM.
    End(Exit),
    /// Ends with its whole group, because of KILL.
    Die,
    /// What holds its streams open lets go of them.
    CloseLeak,
}

/// A stream that is being written to.
#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    reader: Option<Waker>,
}

impl Run {
    pub(super) fn new(program: String, pid: u32, started: Duration, mut script: Script, spec: &Spec) -> Self {
        if script.leaves_behind > 0 && !spec.has_own_group() {
            // In a group that is not theirs alone nobody can find them.
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
            plans: Vec::new(),
            kill: None,
            leak: None,
            dropped: false,
            waiter: None,
            stdin: spec.get_stdin().clone(),
            pipes: Default::default(),
        }
    }

    /// All that it does by itself. What it prints comes first: a line written at the time of the exit is written.
    pub(super) fn life(&self) -> impl Iterator<Item = (Duration, Deed)> {
        let prints =
            self.script.prints.iter().enumerate().map(|(index, print)| (print.at, Deed::Print(index)));
        prints.chain(self.script.end().map(|(at, exit)| (at, Deed::End(exit))))
    }

    /// Whether anybody is: the process itself, or one of its group.
    pub(super) fn is_alive(&self) -> bool {
        self.exit.is_none() || !self.members.is_empty()
    }

    /// Where the process itself answers.
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

    /// Writes an entry of the script; who is to be woken.
    pub(super) fn print(&mut self, index: usize) -> Option<Waker> {
        let print = &mut self.script.prints[index];
        let (stream, bytes) = (print.stream, std::mem::take(&mut print.bytes));
        let pipe = self.pipe(stream);
        pipe.bytes.extend(bytes);
        pipe.reader.take()
    }

    /// Who is to look whether the streams are at their end.
    pub(super) fn readers(&mut self) -> impl Iterator<Item = Waker> {
        self.pipes.iter_mut().filter_map(|pipe| pipe.reader.take())
    }

    fn poll_exit(&mut self, waker: &Waker) -> Poll<Exit> {
        match self.exit {
            Some(exit) => Poll::Ready(exit),
            None => {
                self.waiter = Some(waker.clone());
                Poll::Pending
            }
        }
    }

    fn poll_read(&mut self, stream: Stream, waker: &Waker, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let open = self.is_open();
        let pipe = self.pipe(stream);
        if open && pipe.bytes.is_empty() && !buf.is_empty() {
            pipe.reader = Some(waker.clone());
            return Poll::Pending;
        }
        Poll::Ready(pipe.bytes.read(buf))
    }
}

/// What the monitor holds of a [`Run`].
pub(super) struct FakeProcess {
    sim: Sim,
    number: u64,
    pid: u32,
}

impl FakeProcess {
    pub(super) fn new(sim: Sim, number: u64, pid: u32) -> Self {
        Self { sim, number, pid }
    }
}

impl Process for FakeProcess {
    fn id(&self) -> u32 {
        self.pid
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        self.sim.world(|world| world.run(self.number).poll_exit(cx.waker()))
    }

    fn poll_read(&mut self, stream: Stream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.sim.world(|world| world.run(self.number).poll_read(stream, cx.waker(), buf))
    }

    fn signal(&mut self, _: SignalTarget, signal: Signal) -> io::Result<()> {
        self.sim.world(|world| world.signal(self.number, signal));
        Ok(())
    }

    fn remaining(&mut self) -> Vec<u32> {
        self.sim.world(|world| world.run(self.number).members.clone())
    }
}

impl Drop for FakeProcess {
    fn drop(&mut self) {
        self.sim.world(|world| world.release(self.number));
    }
}

impl fmt::Debug for FakeProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sim: _, number, pid } = self;
        f.debug_struct("FakeProcess").field("number", number).field("pid", pid).finish()
    }
}
