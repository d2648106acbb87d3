//! Processes of a browser that have left its group, and their end.
//!
//! A group is killed as a whole, but some of a browser's helpers make groups of their own: Chromium's crash handlers do,
//! and whatever else becomes a daemon. All have inherited [`MARK`] in their environment; where that cannot be read,
//! because the title of the process lies over it, the arguments tell the private directory.
//!
//! Only Linux shows both. Elsewhere nobody is found, and the group is all that is killed.

use std::path::Path;
use std::time::Duration;

use futures_lite::future::or;
use futures_timer::Delay;

/// The variable that all processes of a browser inherit: the path of its private directory.
pub(super) const MARK: &str = "CHILDMINDER_WEBDRIVER";

/// How soon it is looked again, when somebody could not be made out, and how often at most.
const AGAIN: Duration = Duration::from_millis(10);
const OFTEN: u32 = 20;

/// Kills all processes of the browser whose private directory this is, and waits until they are gone. Who is left after
/// `patience` is told.
pub(super) async fn clear(dir: &Path, patience: Duration) -> Vec<u32> {
    or(kill_all(dir), async { Delay::new(patience).await }).await;
    platform::look(dir).found.iter().map(platform::Found::id).collect()
}

/// Until nobody is found: who is killed may just have started another.
async fn kill_all(dir: &Path) {
    let mut veiled = 0;
    loop {
        let look = platform::look(dir);
        for process in &look.found {
            process.kill();
        }
        for process in &look.found {
            process.wait().await;
        }
        if look.found.is_empty() {
            if !look.veiled || veiled == OFTEN {
                return;
            }
            veiled += 1;
            Delay::new(AGAIN).await;
        }
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::fs;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use async_io::Async;
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    use super::MARK;

    /// A process of the browser, held by a pidfd: its id may be somebody else's by the time a signal is sent.
    #[derive(Debug)]
    pub(super) struct Found {
        pid: u32,
        pidfd: Async<OwnedFd>,
    }

    impl Found {
        pub(super) fn id(&self) -> u32 {
            self.pid
        }

        pub(super) fn kill(&self) {
            // One that we may not kill, or that has died, is waited for.
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        }

        pub(super) async fn wait(&self) {
            let _ = self.pidfd.readable().await;
        }
    }

    /// What a look at all processes has shown.
    #[derive(Debug, Default)]
    pub(super) struct Look {
        pub(super) found: Vec<Found>,
        /// Whether somebody could not be made out: a process that is just executing another program has neither
        /// environment nor arguments for a moment.
        pub(super) veiled: bool,
    }

    pub(super) fn look(dir: &Path) -> Look {
        let mut look = Look::default();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            match make_out(pid, dir) {
                // It is looked at again when it is held, and cannot be replaced any more.
                Who::Ours => look.found.extend(hold(pid).filter(|_| make_out(pid, dir) == Who::Ours)),
                Who::Veiled => look.veiled = true,
                Who::Other => {}
            }
        }
        look
    }

    fn hold(pid: u32) -> Option<Found> {
        let pidfd = pidfd_open(Pid::from_raw(pid.cast_signed())?, PidfdFlags::empty()).ok()?;
        Some(Found { pid, pidfd: Async::new_nonblocking(pidfd).ok()? })
    }

    /// Whose process it is.
    #[derive(PartialEq, Eq)]
    enum Who {
        Ours,
        Other,
        Veiled,
    }

    /// What cannot be read is somebody else's.
    fn make_out(pid: u32, dir: &Path) -> Who {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}"));
        let (Ok(environ), Ok(cmdline)) = (read("environ").or_else(hidden), read("cmdline")) else {
            return Who::Other;
        };
        if pid == std::process::id() {
            Who::Other
        } else if is_marked(&environ, dir) || has_argument(&cmdline, dir) {
            Who::Ours
        } else if environ.is_empty() && cmdline.is_empty() && has_program(pid) {
            Who::Veiled
        } else {
            Who::Other
        }
    }

    /// Zombies and the kernel's own threads have none.
    fn has_program(pid: u32) -> bool {
        fs::read_link(format!("/proc/{pid}/exe")).is_ok()
    }

    /// A process may hide its environment, as sandboxed ones do, and still show its arguments.
    fn hidden(error: io::Error) -> io::Result<Vec<u8>> {
        if error.kind() == io::ErrorKind::PermissionDenied { Ok(Vec::new()) } else { Err(error) }
    }

    fn is_marked(environ: &[u8], dir: &Path) -> bool {
        let mark = [MARK.as_bytes(), b"=", dir.as_os_str().as_bytes()].concat();
        environ.split(|byte| *byte == 0).any(|variable| variable == mark)
    }

    /// Those whose environment cannot be read run a browser's program, which tells the profile to all its processes.
    fn has_argument(cmdline: &[u8], dir: &Path) -> bool {
        let start = [b"--user-data-dir=", dir.as_os_str().as_bytes(), b"/"].concat();
        // A title may have blanks where the arguments had their ends.
        cmdline.split(|byte| *byte == 0 || *byte == b' ').any(|word| word.starts_with(&start))
    }
}

/// Nobody is found.
#[cfg(not(target_os = "linux"))]
mod platform {
    use std::convert::Infallible;
    use std::path::Path;

    #[derive(Debug)]
    pub(super) struct Found(Infallible);

    impl Found {
        pub(super) fn id(&self) -> u32 {
            match self.0 {}
        }

        pub(super) fn kill(&self) {
            match self.0 {}
        }

        pub(super) async fn wait(&self) {
            match self.0 {}
        }
    }

    #[derive(Debug, Default)]
    pub(super) struct Look {
        pub(super) found: Vec<Found>,
        pub(super) veiled: bool,
    }

    pub(super) fn look(_dir: &Path) -> Look {
        Look::default()
    }
}
