//! One run on Linux: its leader, its other processes, and its output together.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitOptions, kill_process, waitpid};

use crate::host::{Process, TerminalSize};
use crate::machine::{
    Containment, Exit, Signal, SignalTarget, SpawnError, SpawnStep, Stream, SurvivingProcess,
};

use super::super::guardian::Registration;
use super::super::launch::Launch;
use super::super::report::ChildError;
use super::super::streams::Streams;
use super::cgroup::Cgroup;
use super::clone::Created;
use super::leader::Leader;
use super::scope::Scope;
use super::tier::Tier;
use super::{clone, group, survivor};

/// The time that a process that is dropped may take to die of KILL, and the rest of its run after it. Only a
/// process that waits inside the kernel takes longer.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct PidfdProcess {
    leader: Leader,
    scope: Scope,
    streams: Streams,
    /// Held as long as a process is left that the guardian has to end; dropped last.
    registration: Option<Box<Registration>>,
}

/// A process that is about to be created.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    launch: Launch<'a>,
    streams: Streams,
    cgroup: Option<Cgroup>,
}

/// Starts a process.
pub(super) fn start(
    launch: Launch<'_>,
    streams: Streams,
    tier: &Tier,
) -> Result<Box<dyn Process>, SpawnError> {
    let prepared = Prepared::new(launch, streams, tier)?;
    let created = prepared.create(clone::ignored_signals());
    prepared.hold(created, tier)
}

impl<'a> Prepared<'a> {
    /// Creates the control group of the run, if it is to have one.
    pub(super) fn new(launch: Launch<'a>, streams: Streams, tier: &Tier) -> Result<Self, SpawnError> {
        let cgroup = match tier {
            Tier::Cgroup(root) if launch.spec().has_own_group() => Some(
                root.create().map_err(|error| SpawnError::new(SpawnStep::Cgroup, String::new(), error))?,
            ),
            _ => None,
        };
        Ok(Self { launch, streams, cgroup })
    }

    /// Copies the spec, so that another thread can create the process.
    pub(super) fn into_owned(self) -> Prepared<'static> {
        Prepared { launch: self.launch.into_owned(), streams: self.streams, cgroup: self.cgroup }
    }

    /// Creates the process, in a program that ignores these signals. To be called once.
    pub(super) fn create(&self, ignored: Option<u64>) -> Result<Created, ChildError> {
        clone::start(&self.launch, self.cgroup.as_ref().map(|cgroup| cgroup.directory()), ignored)
    }

    /// Takes hold of the process that was created.
    pub(super) fn hold(
        self,
        created: Result<Created, ChildError>,
        tier: &Tier,
    ) -> Result<Box<dyn Process>, SpawnError> {
        let Self { mut launch, streams, cgroup } = self;
        let own_group = launch.spec().has_own_group();
        let created = created.map_err(|error| launch.describe(error))?;
        let pid = created.pid;
        let registration = launch.take_reservation().map(|reservation| Box::new(reservation.confirm(pid)));
        let mark = launch.mark();
        // Closed first: the handle may need a descriptor, which a full table would not have.
        let (spec, low) = launch.close();
        let leader = Leader::new(created);
        drop(low);
        match leader {
            Ok(leader) => {
                let scope = Scope::new(&spec, &leader, tier, mark, cgroup);
                Ok(Box::new(PidfdProcess { leader, scope, streams, registration }))
            }
            Err(error) => {
                if let Some(cgroup) = cgroup {
                    let _ = cgroup.kill();
                }
                undo(pid, own_group);
                Err(SpawnError::new(SpawnStep::Watch, pid.as_raw_nonzero().to_string(), error))
            }
        }
    }
}

impl PidfdProcess {
    /// Registers with the guardian the members that it may not find by itself.
    fn register_members(&mut self) {
        if let Some(registration) = &mut self.registration
            && let Ok(members) = self.scope.members_outside_the_group()
        {
            registration.set_members(&members);
        }
    }
}

/// Ends a process that cannot be held. It is our unreaped child, so its number is its own. One that does not
/// die in time waits inside the kernel; it stays a child of this process, and becomes a zombie when it ends.
fn undo(pid: Pid, own_group: bool) {
    let _ = kill_process(pid, rustix::process::Signal::KILL);
    if own_group {
        let _ = group::kill(pid, libc::SIGKILL);
    }
    let pause = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    for _ in 0..KILL_TIMEOUT.as_millis() {
        if !matches!(retry_on_intr(|| waitpid(Some(pid), WaitOptions::NOHANG)), Ok(None)) {
            return;
        }
        let _ = poll(&mut [], Some(&pause));
    }
}

impl Process for PidfdProcess {
    fn id(&self) -> u32 {
        self.leader.pid().as_raw_nonzero().get().unsigned_abs()
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        let was_alive = self.leader.is_running();
        let exit = self.leader.poll_exit(cx);
        if was_alive && exit.is_ready() {
            self.streams.expect_data();
        }
        exit
    }

    fn poll_read(&mut self, stream: Stream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.streams.poll_read(stream, cx, buf)
    }

    fn poll_write_stdin(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.streams.input().poll_write(cx, bytes)
    }

    fn poll_close_stdin(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.streams.input().poll_close(cx)
    }

    fn resize_terminal(&mut self, size: TerminalSize) -> io::Result<()> {
        self.streams.input().resize(size)
    }

    fn signal(&mut self, target: SignalTarget, signal: Signal) -> io::Result<()> {
        self.scope.signal(&self.leader, target, signal.number())
    }

    fn remaining(&mut self) -> Vec<u32> {
        let remaining = self.scope.remaining(&mut self.leader);
        if self.scope.is_empty() {
            self.registration = None;
        }
        self.register_members();
        remaining
    }

    fn containment(&self) -> Containment {
        self.scope.containment()
    }

    fn describe(&mut self, pids: &[u32]) -> Vec<SurvivingProcess> {
        survivor::describe(pids)
    }

    fn observe_family(&mut self) {
        self.scope.observe();
        self.register_members();
    }

    fn stopped_by(&mut self) -> Option<Signal> {
        self.leader.stopped_by()
    }
}

impl Drop for PidfdProcess {
    /// Kills the remaining processes of the run and reaps the leader. If the signal is refused, as for a
    /// program that has changed its user, the program lives on.
    fn drop(&mut self) {
        if !self.leader.is_running() && self.scope.is_empty() {
            return self.leader.reap();
        }
        let _ = self.scope.signal(&self.leader, SignalTarget::Family, libc::SIGKILL);
        match self.leader.signal(libc::SIGKILL) {
            Ok(()) => self.leader.reap_within(KILL_TIMEOUT),
            Err(_) => self.leader.reap(),
        }
        // Members that lost their parent with the leader are found now.
        let remaining = self.scope.remaining(&mut self.leader);
        if !remaining.is_empty() {
            let _ = self.scope.signal(&self.leader, SignalTarget::Family, libc::SIGKILL);
            self.scope.wait_until_dead(KILL_TIMEOUT);
            // Moves what is spared out of the control group, so that this can be removed.
            self.scope.remaining(&mut self.leader);
        }
    }
}
