//! One process of ours on Linux: its leader, its group and its output together.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitOptions, kill_process, waitpid};

use crate::host::Process;
use crate::machine::{Exit, Signal, SignalTarget, SpawnError, SpawnStep, Stream};

use super::super::guardian::Registration;
use super::super::launch::Launch;
use super::super::outputs::Outputs;
use super::clone;
use super::group::{self, Group};
use super::leader::Leader;

/// How long a process that is dropped may take to die of KILL. Only one that waits inside the kernel takes longer.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct PidfdProcess {
    leader: Leader,
    /// `None` if it shares the group of the monitor, which must not be signalled.
    group: Option<Group>,
    outputs: Outputs,
    /// Held as long as a process is left that the guardian has to end; dropped last.
    registration: Option<Registration>,
}

/// Starts a process.
pub(super) fn start(mut launch: Launch, outputs: Outputs) -> Result<Box<dyn Process>, SpawnError> {
    let created = clone::start(&launch, None).map_err(|error| launch.describe(error))?;
    let pid = created.pid;
    let registration = launch.take_reservation().map(|reservation| reservation.confirm(pid));
    let own_group = launch.spec().has_own_group();
    // Closed first: the handle needs a descriptor, which a full table would not have.
    let low = launch.close();
    let leader = Leader::new(created);
    drop(low);
    match leader {
        Ok(leader) => {
            let group = own_group.then(|| Group::of(&leader));
            Ok(Box::new(PidfdProcess { leader, group, outputs, registration }))
        }
        Err(error) => {
            undo(pid, own_group);
            Err(SpawnError::new(SpawnStep::Watch, pid.as_raw_nonzero().to_string(), error))
        }
    }
}

/// Ends a process that cannot be held. It is our unreaped child, so its number is its own. One that does not die in time
/// waits inside the kernel; it stays a child of this process, and becomes a zombie when it ends.
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
            self.outputs.expect_data();
        }
        exit
    }

    fn poll_read(&mut self, stream: Stream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.outputs.poll_read(stream, cx, buf)
    }

    fn signal(&mut self, target: SignalTarget, signal: Signal) -> io::Result<()> {
        match &mut self.group {
            Some(group) if target != SignalTarget::Leader => group.signal(&self.leader, signal.number()),
            _ => self.leader.signal(signal.number()),
        }
    }

    fn remaining(&mut self) -> Vec<u32> {
        let remaining = match &mut self.group {
            Some(group) => group.remaining(&mut self.leader),
            None => {
                self.leader.reap();
                Vec::new()
            }
        };
        if self.group.as_ref().is_none_or(Group::is_empty) {
            self.registration = None;
        }
        remaining
    }

    fn stopped_by(&mut self) -> Option<Signal> {
        self.leader.stopped_by()
    }
}

impl Drop for PidfdProcess {
    /// Kills the group and reaps the leader. If the signal is refused, as for a program that has changed its user, the
    /// program lives on.
    fn drop(&mut self) {
        let sent = match &mut self.group {
            Some(group) if group.is_empty() => return,
            Some(group) => group.signal(&self.leader, libc::SIGKILL),
            None => self.leader.signal(libc::SIGKILL),
        };
        match sent {
            Ok(()) => self.leader.reap_within(KILL_TIMEOUT),
            Err(_) => self.leader.reap(),
        }
    }
}
