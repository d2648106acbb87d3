//! One process of ours on Linux: its leader, its group and its output, together.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::host::Process;
use crate::machine::{Exit, Signal, SignalTarget, SpawnError, SpawnStep, Stream};

use super::super::guardian::Charge;
use super::super::launch::Launch;
use super::super::outputs::Outputs;
use super::group::{self, Group};
use super::leader::Leader;

/// How long a process that is dropped may take to die of its KILL. Only one that the kernel itself holds takes longer.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct PidfdProcess {
    leader: Leader,
    /// `None` if it shares the group of the monitor, which is not ours to signal.
    group: Option<Group>,
    outputs: Outputs,
    /// Held as long as there is anybody to be guarded, and dropped last.
    charge: Option<Charge>,
}

/// Starts a process and gets hold of it.
pub(super) fn start(launch: Launch, outputs: Outputs) -> Result<Box<dyn Process>, SpawnError> {
    let pid = super::create(&launch).map_err(|refusal| launch.refused(refusal))?;
    let charge = Charge::of(launch.spec(), pid);
    let own_group = launch.spec().has_own_group();
    // Closed first: that leaves room for the handle, which a full table of descriptors would not (F-9).
    let low = launch.close();
    let leader = Leader::hold(pid);
    drop(low);
    match leader {
        Ok(leader) => {
            let group = own_group.then(|| Group::of(&leader));
            Ok(Box::new(PidfdProcess { leader, group, outputs, charge }))
        }
        Err(error) => {
            undo(pid, own_group);
            Err(SpawnError::new(SpawnStep::Watch, pid.to_string(), error))
        }
    }
}

/// Ends a process that we could not get hold of; it is our unreaped child, so its number is its own (F-12).
fn undo(pid: Pid, own_group: bool) {
    let _ = if own_group { group::kill(pid, libc::SIGKILL) } else { group::kill_one(pid, libc::SIGKILL) };
    let _ = retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
}

impl Process for PidfdProcess {
    fn id(&self) -> u32 {
        self.leader.pid().as_raw_nonzero().get().unsigned_abs()
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        let was_alive = self.leader.is_running();
        let exit = self.leader.poll_exit(cx);
        if was_alive && exit.is_ready() {
            self.outputs.look_again();
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
        let left = match &mut self.group {
            Some(group) => group.left(&mut self.leader),
            None => {
                self.leader.reap();
                Vec::new()
            }
        };
        if self.group.as_ref().is_none_or(Group::is_empty) {
            self.charge = None;
        }
        left
    }
}

/// Nothing of it stays: not a member of its group, not a zombie (F-50). There is nobody to tell if the signal is
/// refused, as it is for a program that has become another user's; then it lives on, and ends when it ends.
impl Drop for PidfdProcess {
    fn drop(&mut self) {
        let sent = match &mut self.group {
            Some(group) if group.is_empty() => return,
            Some(group) => group.signal(&self.leader, libc::SIGKILL),
            None => self.leader.signal(libc::SIGKILL),
        };
        match sent {
            Ok(()) => self.leader.reap_within(PATIENCE),
            Err(_) => self.leader.reap(),
        }
    }
}
