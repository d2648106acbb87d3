//! Which signals this process ignores.
//!
//! To ask for the disposition of each signal takes 64 system calls, more than all the rest of a start. The
//! status of the process in `/proc` has all of them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::str;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Pid, getpid};

use crate::sync::Lock;

/// More than the status is long, unless the user is in very many groups.
const LENGTH: usize = 4096;

/// The status, and the process that has opened it: it stays that of this process in a forked copy.
static STATUS: Lock<Option<(Pid, File)>> = Lock::new(None);

/// Opens the status, unless that is done already. To be called early, while there are descriptors.
pub(super) fn keep_status() {
    let (mut status, owner) = (STATUS.lock(), getpid());
    if status.as_ref().is_none_or(|(opened_by, _)| *opened_by != owner)
        && let Ok(file) = open("/proc/self/status", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        // Not one of the first three numbers, which may be closed in this process.
        && let Ok(file) = fcntl_dupfd_cloexec(&file, 3)
    {
        *status = Some((owner, file.into()));
    }
}

/// Returns the signals that this process ignores, the first one as bit 0; `None` if that cannot be found out.
pub(super) fn ignored() -> Option<u64> {
    let (status, owner) = (STATUS.lock(), getpid());
    let (_, file) = status.as_ref().filter(|(opened_by, _)| *opened_by == owner)?;
    let mut text = [0; LENGTH];
    // If the program has closed the descriptor, there is an error or something else to be read.
    let length = file.read_at(&mut text, 0).ok()?;
    parse(&text[..length], owner)
}

/// Finds the set in the status of process `owner`.
fn parse(status: &[u8], owner: Pid) -> Option<u64> {
    let field = |name: &[u8]| {
        let mut lines = status.split(|byte| *byte == b'\n');
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(b":"))?;
        str::from_utf8(value.trim_ascii()).ok()
    };
    // Without the end of its line the number may be incomplete.
    field(b"SigCgt")?;
    (field(b"Pid")?.parse() == Ok(owner.as_raw_nonzero().get())).then_some(())?;
    u64::from_str_radix(field(b"SigIgn")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_that_of_this_process() {
        keep_status();
        // The runtime of Rust ignores PIPE.
        let ignored = ignored().expect("/proc");
        assert!(ignored & (1 << (libc::SIGPIPE - 1)) != 0 && ignored & (1 << (libc::SIGKILL - 1)) == 0);
    }

    #[test]
    fn only_a_status_of_this_process_is_parsed() {
        let owner = getpid();
        let status = |pid: Pid| {
            format!("Name:\tx\nPid:\t{}\nSigIgn:\t0000000000001000\nSigCgt:\t0\n", pid.as_raw_nonzero())
        };
        assert_eq!(parse(status(owner).as_bytes(), owner), Some(0x1000));
        assert_eq!(parse(status(Pid::INIT).as_bytes(), owner), None);
        assert_eq!(parse(status(owner).split_once("SigCgt").expect("it is there").0.as_bytes(), owner), None);
        assert_eq!(parse(b"", owner), None);
    }
}
