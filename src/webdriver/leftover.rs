//! Processes of a browser that have left its process group, and their end.
//!
//! Some helpers of a browser have groups of their own: the crash handlers of Chromium, for example, and every
//! daemon. All inherit [`MARK`] in their environment. Where the environment cannot be read, because the
//! process title overwrites it, the arguments contain the private directory.
//!
//! Only Linux shows both. On other systems no such process is found, and only the group is killed.

use std::path::Path;
use std::time::Duration;

use futures_lite::future::or;

use super::sleep;

/// The variable that all processes of a browser inherit: the path of its private directory.
pub(super) const MARK: &str = "CHILDMINDER_WEBDRIVER";

/// The delay before another scan when a process could not be classified.
const RETRY_DELAY: Duration = Duration::from_millis(10);

/// The number of scans that may find only such processes.
const MAX_RETRIES: u32 = 20;

/// Kills all processes of the browser with this private directory, and waits until they are gone. Returns
/// those that are left at the timeout.
pub(super) async fn clear(dir: &Path, timeout: Duration) -> Vec<u32> {
    or(kill_all(dir), async { sleep(timeout).await }).await;
    platform::scan(dir).found.iter().map(platform::Found::id).collect()
}

/// Kills until a scan finds no process, since a process may start another one before it dies.
async fn kill_all(dir: &Path) {
    let mut retries = 0;
    loop {
        let scan = platform::scan(dir);
        for process in &scan.found {
            process.kill();
        }
        for process in &scan.found {
            process.wait().await;
        }
        if scan.found.is_empty() {
            if !scan.has_unknown || retries == MAX_RETRIES {
                return;
            }
            retries += 1;
            sleep(RETRY_DELAY).await;
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

    /// A process of the browser, held by a pidfd, since its id may be reused before a signal is sent.
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
            // A process that has died, or that may not be killed, is waited for.
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        }

        pub(super) async fn wait(&self) {
            let _ = self.pidfd.readable().await;
        }
    }

    /// The result of a scan of all processes.
    #[derive(Debug, Default)]
    pub(super) struct Scan {
        pub(super) found: Vec<Found>,
        /// Whether a process could not be classified: one that is just executing another program has neither
        /// environment nor arguments for a moment.
        pub(super) has_unknown: bool,
    }

    pub(super) fn scan(dir: &Path) -> Scan {
        let mut scan = Scan::default();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            match classify(pid, dir) {
                // It is checked again once it is held, when its id cannot be reused any more.
                Owner::Ours => scan.found.extend(hold(pid).filter(|_| classify(pid, dir) == Owner::Ours)),
                Owner::Unknown => scan.has_unknown = true,
                Owner::Other => {}
            }
        }
        scan
    }

    fn hold(pid: u32) -> Option<Found> {
        let pidfd = pidfd_open(Pid::from_raw(pid.cast_signed())?, PidfdFlags::empty()).ok()?;
        Some(Found { pid, pidfd: Async::new_nonblocking(pidfd).ok()? })
    }

    /// The owner of a process.
    #[derive(PartialEq, Eq)]
    enum Owner {
        Ours,
        Other,
        Unknown,
    }

    /// Returns whether a process belongs to the browser. One that cannot be read does not.
    fn classify(pid: u32, dir: &Path) -> Owner {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}"));
        let (Ok(environ), Ok(cmdline)) = (read("environ").or_else(hidden), read("cmdline")) else {
            return Owner::Other;
        };
        if pid == std::process::id() {
            Owner::Other
        } else if is_marked(&environ, dir) || has_argument(&cmdline, dir) {
            Owner::Ours
        } else if environ.is_empty() && cmdline.is_empty() && has_program(pid) {
            Owner::Unknown
        } else {
            Owner::Other
        }
    }

    /// Returns whether a process executes a file; zombies and kernel threads do not.
    fn has_program(pid: u32) -> bool {
        fs::read_link(format!("/proc/{pid}/exe")).is_ok()
    }

    /// Replaces a denied read by an empty result: a sandboxed process may hide its environment and show its
    /// arguments.
    fn hidden(error: io::Error) -> io::Result<Vec<u8>> {
        if error.kind() == io::ErrorKind::PermissionDenied { Ok(Vec::new()) } else { Err(error) }
    }

    fn is_marked(environ: &[u8], dir: &Path) -> bool {
        let mark = [MARK.as_bytes(), b"=", dir.as_os_str().as_bytes()].concat();
        environ.split(|byte| *byte == 0).any(|variable| variable == mark)
    }

    /// Returns whether the arguments contain the profile: a browser passes it to all its processes.
    fn has_argument(cmdline: &[u8], dir: &Path) -> bool {
        let start = [b"--user-data-dir=", dir.as_os_str().as_bytes(), b"/"].concat();
        // A process title may have blanks between the arguments.
        cmdline.split(|byte| *byte == 0 || *byte == b' ').any(|word| word.starts_with(&start))
    }
}

/// Finds no process.
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
    pub(super) struct Scan {
        pub(super) found: Vec<Found>,
        pub(super) has_unknown: bool,
    }

    pub(super) fn scan(_dir: &Path) -> Scan {
        Scan::default()
    }
}
