//! The two guardian processes: how they are made, how they replace each other, and what they do when the
//! monitor ends.
//!
//! Everything after the fork runs in a copy of one thread of a process that may have many. Locks that other
//! threads held stay locked there, so the code allocates nothing, takes no lock, and does not panic.

#![expect(unsafe_code, reason = "fork, and what follows it")]

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use libc::pid_t;

use super::super::platform::calls::with_signals_blocked;
use super::birth::{Birth, Role, own_pid};
use super::platform;

/// The time without progress after which the standby takes over from the guardian that ends the families, for
/// example because that one is stopped.
const STALLED: Duration = Duration::from_millis(500);

/// The interval at which the standby checks the progress.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// The number of partners that are replaced without a pause.
const AT_ONCE: u32 = 8;

/// The longest pause before a partner that could not be made, or that died at once, is made again.
const LONGEST_PAUSE: c_int = 1000;

/// A report to the monitor, which does not wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// A guardian with this process id is there.
    Born(pid_t),
    /// The guardian with this process id has died.
    Died(pid_t),
}

impl Report {
    pub(super) const SIZE: usize = 8;

    fn to_bytes(self) -> [u8; Self::SIZE] {
        let (kind, pid) = match self {
            Self::Born(pid) => (1_u32, pid),
            Self::Died(pid) => (2, pid),
        };
        let ([a, b, c, d], [e, f, g, h]) = (kind.to_ne_bytes(), pid.to_ne_bytes());
        [a, b, c, d, e, f, g, h]
    }

    pub(super) fn from_bytes([a, b, c, d, e, f, g, h]: [u8; Self::SIZE]) -> Self {
        let pid = pid_t::from_ne_bytes([e, f, g, h]);
        if u32::from_ne_bytes([a, b, c, d]) == 1 { Self::Born(pid) } else { Self::Died(pid) }
    }
}

/// Makes both guardians, as children of init rather than of this process: no wait of the program finds them,
/// and a guardian of a process further up does not take them for members of a family. Returns the monitor's
/// end of their socket, which reaches end-of-file when both are dead.
pub(super) fn start(birth: &Birth) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    let sockets = [theirs.as_raw_fd(), ours.as_raw_fd()];
    let created = with_signals_blocked(|| match platform::copy_process(0) {
        // SAFETY: this is the only thread of a new process, and all signals are blocked.
        0 => unsafe { bring_up(birth, sockets) },
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(pid),
    });
    // Its copies are with the guardians now; ours would hide their end.
    drop(theirs);
    match platform::reap(created?)? {
        0 => Ok(ours),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// The process between the monitor and the guardian: it ends at once, and so the guardian is an orphan. The
/// status says why there is none, if so.
///
/// # Safety
///
/// The caller is the only thread of a new process, with all signals blocked.
unsafe fn bring_up(birth: &Birth, [socket, of_the_monitor]: [RawFd; 2]) -> ! {
    // This descriptor must be closed first: with it, a guardian would wait for its own exit.
    close(of_the_monitor);
    // Before the next copy, which would otherwise cost as much as the first.
    platform::release_memory(birth);
    let status = match platform::copy_process(libc::SIGCHLD) {
        // SAFETY: as above.
        0 => unsafe { Guardian::live(*birth, Role::Guardian, socket, None, 0) },
        -1 => io::Error::last_os_error().raw_os_error().unwrap_or(libc::EAGAIN),
        _ => 0,
    };
    // SAFETY: runs nothing that the monitor has registered.
    unsafe { libc::_exit(status) }
}

/// One guardian, from inside.
struct Guardian {
    birth: Birth,
    role: Role,
    /// Ends when the monitor does.
    socket: RawFd,
    /// Ends when the partner does.
    link: Option<RawFd>,
    partner: pid_t,
    /// The number of times that a partner has died or could not be created.
    losses: u32,
}

impl Guardian {
    /// The whole life of a guardian.
    ///
    /// # Safety
    ///
    /// The caller is the only thread of a new process, with all signals blocked.
    unsafe fn live(birth: Birth, role: Role, socket: RawFd, link: Option<RawFd>, partner: pid_t) -> ! {
        let mut guardian = Self { birth, role, socket, link, partner, losses: 0 };
        platform::settle(&guardian.birth, role, [socket, link.unwrap_or(socket)]);
        guardian.report(Report::Born(own_pid()));
        guardian.keep_a_partner();
        platform::end_families(&guardian.birth, &guardian.own_kind(), &|| false);
        guardian.wait_for_the_end_of_the_monitor();
        guardian.act();
        // SAFETY: runs nothing that the monitor has registered.
        unsafe { libc::_exit(0) }
    }

    /// The processes that it must not take for anything else.
    fn own_kind(&self) -> [pid_t; 2] {
        [own_pid(), self.partner]
    }

    fn wait_for_the_end_of_the_monitor(&mut self) {
        loop {
            let pause = if self.link.is_some() { -1 } else { LONGEST_PAUSE.min(10 << self.losses.min(7)) };
            let [monitor, partner] = ended([Some(self.socket), self.link], pause);
            if monitor {
                return;
            }
            if partner {
                self.lose_partner();
            }
            // One that dies again and again is made after a pause.
            if !partner || self.losses <= AT_ONCE {
                self.keep_a_partner();
            }
        }
    }

    fn lose_partner(&mut self) {
        if let Some(link) = self.link.take() {
            close(link);
        }
        self.report(Report::Died(self.partner));
        self.partner = 0;
        self.losses = self.losses.saturating_add(1);
        self.role = Role::Guardian;
        platform::set_name(&self.birth, self.role);
    }

    /// Makes a partner if there is none.
    fn keep_a_partner(&mut self) {
        if self.link.is_some() {
            return;
        }
        let mut pair = [-1; 2];
        // SAFETY: the pointer is to room for two descriptors.
        if unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()) } != 0 {
            self.losses = self.losses.saturating_add(1);
            return;
        }
        let [ours, theirs] = pair;
        let own = own_pid();
        match platform::copy_process(libc::SIGCHLD) {
            0 => {
                close(ours);
                // SAFETY: this is the only thread of a new process, and signals are blocked as they are here.
                unsafe { Self::live(self.birth, Role::Standby, self.socket, Some(theirs), own) }
            }
            -1 => {
                close(ours);
                self.losses = self.losses.saturating_add(1);
            }
            pid => {
                self.link = Some(ours);
                self.partner = pid;
            }
        }
        close(theirs);
    }

    /// Ends the families, or waits until the partner has done so.
    fn act(&self) {
        let table = self.birth.table;
        let own = own_pid();
        if table.sweeper.compare_exchange(0, own, Ordering::AcqRel, Ordering::Acquire).is_err()
            && !self.must_take_over()
        {
            return;
        }
        table.sweeper.store(own, Ordering::Release);
        let still_ours = || table.sweeper.load(Ordering::Acquire) == own;
        if platform::end_families(&self.birth, &self.own_kind(), &still_ours) {
            table.done.store(1, Ordering::Release);
        }
    }

    /// Whether the partner dies or stalls before it is done.
    fn must_take_over(&self) -> bool {
        let table = self.birth.table;
        let mut link = self.link;
        let (mut seen, mut since) = (table.progress.load(Ordering::Acquire), Duration::ZERO);
        loop {
            if table.done.load(Ordering::Acquire) != 0 {
                return false;
            }
            if link.is_none() || since >= STALLED {
                return true;
            }
            let [died, _] = ended([link, None], c_int::try_from(CHECK_INTERVAL.as_millis()).unwrap_or(50));
            if died {
                link = None;
            }
            let now = table.progress.load(Ordering::Acquire);
            since = if now == seen { since.saturating_add(CHECK_INTERVAL) } else { Duration::ZERO };
            seen = now;
        }
    }

    fn report(&self, report: Report) {
        let bytes = report.to_bytes();
        // SAFETY: the pointer and the length are those of one array. If it does not arrive, a zombie stays
        // for a while.
        unsafe { libc::send(self.socket, bytes.as_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT) };
    }
}

/// Waits for end-of-file on one of these sockets, for `timeout` milliseconds at most. Nothing is sent to a
/// guardian, so a readable socket is at end-of-file.
fn ended(sockets: [Option<RawFd>; 2], timeout: c_int) -> [bool; 2] {
    // A negative number is left out by the kernel.
    let mut fds =
        sockets.map(|socket| libc::pollfd { fd: socket.unwrap_or(-1), events: libc::POLLIN, revents: 0 });
    // SAFETY: the pointer and the length are those of one array. All signals are blocked, so nothing
    // interrupts it but a tracer, and then it is called again.
    let _ = unsafe { libc::poll(fds.as_mut_ptr(), 2, timeout) };
    fds.map(|fd| fd.revents != 0)
}

fn close(fd: RawFd) {
    // SAFETY: the descriptors of a guardian have no other owner.
    unsafe { libc::close(fd) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_arrives_as_it_was_sent() {
        for report in [Report::Born(7), Report::Died(pid_t::MAX)] {
            assert_eq!(Report::from_bytes(report.to_bytes()), report);
        }
    }
}
