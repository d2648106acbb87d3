//! The back end for systems without pidfds, on `async-process`.
//!
//! `std` forks, and the child takes the steps of `child_side.rs` in a `pre_exec`, the last of them included: `std`
//! never gets to its own `exec`, nor to its own words on what failed.
//!
//! **What differs from Linux.** The look that finds the leader dead also reaps it, so from then on only the members
//! that live keep the number of the group from being used again. Hence:
//!
//! * while the leader is not reaped, its group is signalled by number, which is safe;
//! * at the very look that reaps it, the group is asked whether there is anybody. If not, its number is never used
//!   again by us;
//! * later, the number is used only while somebody is seen in the group. Between two looks the last member may end and
//!   the number go to a stranger; numbers are handed out in turn, so that takes a full circle of all of them within
//!   that time, and cannot be ruled out (F-22).
//!
//! An exit is noticed by SIGCHLD. A program that ignores this signal after its first start hears of no exit here.

#![expect(unsafe_code, reason = "steps of our own between fork and exec, and signals by number")]

use std::fmt;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::{Arc, Once};
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use futures_lite::future::{block_on, or, poll_once};
use futures_timer::Delay;
use rustix::process::Pid;

use crate::host::Process;
use crate::machine::{Exit, Signal, SignalTarget, SpawnError, SpawnStep, Stream};

use super::child_side::with_signals_blocked;
use super::guardian::Charge;
use super::launch::Launch;
use super::outputs::Outputs;
use super::{platform, report};

/// How long a process that is dropped may take to die of its KILL. Only one that the kernel itself holds takes longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Installs the handler for SIGCHLD and starts the thread that waits for it, once and for all.
///
/// `async-process` would do both when it needs them, and that is after the first process was created: too late for a
/// failure to leave nothing behind.
///
/// # Panics
///
/// If the thread cannot be started.
pub(super) fn warm_up() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let mut driver = Box::pin(async_process::driver());
        // From here on it counts as driven, and no second thread is started.
        block_on(poll_once(&mut driver));
        thread::Builder::new()
            .name("childminder-sigchld".into())
            .spawn(|| async_io::block_on(driver))
            .expect("a thread can be started at the start of a program");
    });
}

/// Starts a process.
pub(super) fn start(launch: Launch, outputs: Outputs) -> Result<Box<dyn Process>, SpawnError> {
    let failed = |error| SpawnError::new(SpawnStep::Fork, launch.spec().to_string(), error);
    let (verdict, report) = report::pipe(&launch).map_err(failed)?;
    let launch = Arc::new(launch);
    let mut command = std::process::Command::new("/");
    let for_child = Arc::clone(&launch);
    // SAFETY: the closure runs in a forked child, with all signals blocked, and does what `child_side` may.
    unsafe { command.pre_exec(move || report.refuse(for_child.become_program())) };
    // No standard streams are set: the child's own steps see to them.
    let mut command = async_process::Command::from(command);
    let spawned = with_signals_blocked(|| command.kill_on_drop(false).spawn());
    // With it goes our copy of the report.
    drop(command);
    let mut child =
        spawned.map_err(|error| SpawnError::new(SpawnStep::Fork, launch.spec().to_string(), error))?;
    if let Err(refusal) = verdict.hear() {
        // It is about to exit; reaped here, nothing is left of it.
        let _ = block_on(child.status());
        return Err(launch.refused(refusal));
    }
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("the kernel's own number");
    let charge = Charge::of(launch.spec(), id);
    let own_group = launch.spec().has_own_group();
    let life = Life::Running(Box::pin(child.status()));
    Ok(Box::new(PortableProcess { id, own_group, life, outputs, charge }))
}

struct PortableProcess {
    id: Pid,
    own_group: bool,
    life: Life,
    outputs: Outputs,
    /// Held as long as there is anybody to be guarded, and dropped last.
    charge: Option<Charge>,
}

/// The future holds the child: there is only this one, for two of them wake each other for ever.
type Status = Pin<Box<dyn Future<Output = io::Result<ExitStatus>> + Send>>;

enum Life {
    /// Not reaped; only polling the future does that.
    Running(Status),
    /// Reaped, and somebody may be left of the group.
    Reaped(Exit),
    /// Reaped, and nobody is left. The number means nothing any more.
    Over(Exit),
}

impl PortableProcess {
    /// Sends a signal by number: to the group, or to the process if it has none of its own.
    fn send(&self, target: SignalTarget, signal: i32) -> io::Result<()> {
        let id = self.id.as_raw_nonzero().get();
        let target = if self.own_group && target != SignalTarget::Leader { -id } else { id };
        // SAFETY: takes no pointers.
        match unsafe { libc::kill(target, signal) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Finds out what the number means, now that its process is reaped.
    fn look_for_the_group(&mut self, exit: Exit) {
        let nobody = !self.own_group || is_nobody(&self.send(SignalTarget::Group, 0));
        self.life = if nobody { Life::Over(exit) } else { Life::Reaped(exit) };
        if nobody {
            self.charge = None;
        }
    }
}

impl Process for PortableProcess {
    fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().unsigned_abs()
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<Exit> {
        match &mut self.life {
            Life::Reaped(exit) | Life::Over(exit) => Poll::Ready(*exit),
            Life::Running(status) => {
                let exit = ready!(status.as_mut().poll(cx)).map_or(Exit::Lost, exit_of);
                self.look_for_the_group(exit);
                self.outputs.look_again();
                Poll::Ready(exit)
            }
        }
    }

    fn poll_read(&mut self, stream: Stream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.outputs.poll_read(stream, cx, buf)
    }

    fn signal(&mut self, target: SignalTarget, signal: Signal) -> io::Result<()> {
        let heard = match self.life {
            Life::Running(_) => true,
            Life::Reaped(_) => target != SignalTarget::Leader && !self.remaining().is_empty(),
            Life::Over(_) => false,
        };
        if !heard {
            return Ok(());
        }
        match self.send(target, signal.number()) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            other => other,
        }
    }

    fn remaining(&mut self) -> Vec<u32> {
        match self.life {
            Life::Running(_) | Life::Over(_) => return Vec::new(),
            Life::Reaped(exit) => self.look_for_the_group(exit),
        }
        match self.life {
            Life::Reaped(_) => platform::members(self.id).unwrap_or_else(|| vec![self.id()]),
            Life::Running(_) | Life::Over(_) => Vec::new(),
        }
    }
}

/// Nothing of it stays: not a member of its group, not a zombie (F-50).
impl Drop for PortableProcess {
    fn drop(&mut self) {
        let sent = self.signal(SignalTarget::Family, Signal::KILL);
        if let (Ok(()), Life::Running(status)) = (sent, &mut self.life) {
            let reaped = async { drop(status.await) };
            let out_of_patience = async { Delay::new(PATIENCE).await };
            block_on(or(reaped, out_of_patience));
        }
    }
}

impl fmt::Debug for PortableProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let life: &dyn fmt::Debug = match &self.life {
            Life::Running(_) => &"running",
            Life::Reaped(exit) | Life::Over(exit) => exit,
        };
        f.debug_struct("PortableProcess").field("id", &self.id).field("life", life).finish_non_exhaustive()
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal().and_then(Signal::from_number)) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal { signal, core: status.core_dumped() },
        (None, None) => Exit::Lost,
    }
}

fn is_nobody(sent: &io::Result<()>) -> bool {
    sent.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
}
