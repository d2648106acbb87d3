//! The back end for systems without pidfds, on `async-process`.
//!
//! `std` forks, and the child takes the steps of `pre_exec.rs` in a `pre_exec` closure, including the last
//! one: `std` does not reach its own `exec`, nor its own report of an error.
//!
//! **The difference to Linux.** The call that finds the leader dead also reaps it, so from then on only live
//! members keep the number of the group from being used again. Hence:
//!
//! * as long as the leader is not reaped, its group is signalled by number, which is safe;
//! * immediately after the leader is reaped, the group is checked for members. If there are none, its number
//!   is never used again;
//! * later, the number is used only while the group is seen to have members. Between two checks the last
//!   member may end and the number may be given to a stranger. Numbers are assigned in turn, so this takes a
//!   full cycle of all of them within that time; it cannot be ruled out.
//!
//! An exit is noticed by SIGCHLD. A program that ignores this signal after its first start misses exits here.
//! Descendants that leave the group are not found: the containment is always `Group`.

#![expect(unsafe_code, reason = "steps of our own between fork and exec, and signals by number")]

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
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

use crate::host::{Process, TerminalSize};
use crate::machine::{Exit, Signal, SignalTarget, SpawnError, SpawnStep, Stream};

use super::guardian::Registration;
use super::launch::Launch;
use super::platform::{calls::with_signals_blocked, members};
use super::pre_exec::{Beginning, Dispositions, Table, become_program};
use super::report;
use super::streams::Streams;

/// The time that a process that is dropped may take to die of KILL. Only one that waits inside the kernel
/// takes longer.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// Installs the handler for SIGCHLD and starts the thread that waits for it, once per process.
///
/// `async-process` would do both after it has created the first process, which is too late: a failure would
/// leave that process behind.
///
/// # Panics
///
/// If the thread cannot be started.
pub(super) fn warm_up() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let mut driver = Box::pin(async_process::driver());
        // Once polled, it counts as driven, and no second thread is started.
        block_on(poll_once(&mut driver));
        thread::Builder::new()
            .name("childminder-sigchld".into())
            .spawn(|| async_io::block_on(driver))
            .expect("a thread can be started at the start of a program");
    });
}

/// Starts a process.
pub(super) fn start(launch: Launch<'_>, streams: Streams) -> Result<Box<dyn Process>, SpawnError> {
    let failed = |error| SpawnError::new(SpawnStep::Fork, launch.spec().to_string(), error);
    let relocate = |fd| Ok(launch.descriptors().copy_out_of_the_way(fd)?);
    let (reader, writer) = report::pipe(relocate).map_err(failed)?;
    let launch = Arc::new(launch.into_owned());
    let mut command = std::process::Command::new("/");
    let for_child = Arc::clone(&launch);
    let stdio = launch.stdio().map(|fd| fd.as_raw_fd());
    let beginning = Beginning { stdio, table: Table::Copied, dispositions: Dispositions::Inherited };
    // SAFETY: the closure runs in a forked child with all signals blocked, and does what `pre_exec` may.
    unsafe { command.pre_exec(move || writer.send_and_exit(become_program(&for_child, beginning))) };
    // No standard streams are set: the steps of the child include them.
    let mut command = async_process::Command::from(command);
    let spawned = with_signals_blocked(|| command.kill_on_drop(false).spawn());
    // This also closes our copy of the pipe's writing end.
    drop(command);
    let mut child =
        spawned.map_err(|error| SpawnError::new(SpawnStep::Fork, launch.spec().to_string(), error))?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("the kernel's own number");
    if let Err(error) = reader.wait() {
        // It is about to exit.
        let _ = block_on(child.status());
        return Err(launch.describe(error));
    }
    let own_group = launch.spec().has_own_group();
    // The command held the only other reference.
    let reservation = Arc::into_inner(launch).and_then(|mut launch| launch.take_reservation());
    let registration = reservation.map(|reservation| reservation.confirm(id));
    let life = Life::Running(Box::pin(child.status()));
    Ok(Box::new(PortableProcess { id, own_group, life, streams, registration }))
}

struct PortableProcess {
    id: Pid,
    own_group: bool,
    life: Life,
    streams: Streams,
    /// Held as long as a process is left that the guardian has to end; dropped last.
    registration: Option<Registration>,
}

/// The future owns the child. There is only this one: two of them would wake each other without end.
type Status = Pin<Box<dyn Future<Output = io::Result<ExitStatus>> + Send>>;

enum Life {
    /// Not reaped; only polling the future reaps it.
    Running(Status),
    /// Reaped, and the group may have members left.
    Reaped(Exit),
    /// Reaped, and the group is empty. The number has no meaning any more.
    Over(Exit),
}

impl PortableProcess {
    /// Sends a signal by number: to the group, or to the process if it has no group of its own.
    fn send(&self, target: SignalTarget, signal: i32) -> io::Result<()> {
        let id = self.id.as_raw_nonzero().get();
        let target = if self.own_group && target != SignalTarget::Leader { -id } else { id };
        // SAFETY: takes no pointers.
        match unsafe { libc::kill(target, signal) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Checks whether the number still means the group, now that its leader is reaped.
    fn check_group(&mut self, exit: Exit) {
        let is_empty = !self.own_group || is_missing(&self.send(SignalTarget::Group, 0));
        self.life = if is_empty { Life::Over(exit) } else { Life::Reaped(exit) };
        if is_empty {
            self.registration = None;
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
                self.check_group(exit);
                self.streams.expect_data();
                Poll::Ready(exit)
            }
        }
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
        let has_target = match self.life {
            Life::Running(_) => true,
            Life::Reaped(_) => target != SignalTarget::Leader && !self.remaining().is_empty(),
            Life::Over(_) => false,
        };
        if !has_target {
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
            Life::Reaped(exit) => self.check_group(exit),
        }
        match self.life {
            Life::Reaped(_) => members(self.id).unwrap_or_else(|| vec![self.id()]),
            Life::Running(_) | Life::Over(_) => Vec::new(),
        }
    }
}

impl Drop for PortableProcess {
    /// Kills the group and reaps the leader.
    fn drop(&mut self) {
        let sent = self.signal(SignalTarget::Family, Signal::KILL);
        if let (Ok(()), Life::Running(status)) = (sent, &mut self.life) {
            let reaped = async { drop(status.await) };
            let timeout = async { Delay::new(KILL_TIMEOUT).await };
            block_on(or(reaped, timeout));
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

fn is_missing(sent: &io::Result<()>) -> bool {
    sent.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ESRCH))
}
