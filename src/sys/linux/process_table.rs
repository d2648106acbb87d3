//! The processes of this machine, as `/proc` lists them.

use std::fs;
use std::io;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A process, from its line in `/proc/…/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pid: u32,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    /// False for a zombie: it is dead, though its parent has not reaped it.
    pub(super) alive: bool,
    /// When it was started, in clock ticks since the boot. Together with the number this names one process
    /// for good.
    pub(super) start: u64,
}

/// Returns all processes. One that is forked meanwhile may be missing.
///
/// # Errors
///
/// `/proc` cannot be read.
pub(super) fn read_all() -> io::Result<Vec<Entry>> {
    read_all_but(|_| false)
}

/// Returns all processes but those whose ids `is_known` accepts. One that is forked meanwhile may be missing.
///
/// # Errors
///
/// `/proc` cannot be read.
pub(super) fn read_all_but(is_known: impl Fn(u32) -> bool) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if !is_known(pid) {
            found.extend(read(pid)?);
        }
    }
    Ok(found)
}

/// Returns one process, if it exists.
///
/// # Errors
///
/// `/proc` cannot be read.
pub(super) fn read(pid: u32) -> io::Result<Option<Entry>> {
    #[cfg(test)]
    tests::READ.with_borrow_mut(|read| read.push(pid));
    // One read returns the whole line, which is shorter: `fs::read` would take two, and ask for the size.
    let mut stat = [0; 2048];
    match read_file(&format!("/proc/{pid}/stat"), &mut stat) {
        Ok(length) => Ok(parse(pid, &stat[..length])),
        Err(error) if has_ended(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_file(path: &str, buffer: &mut [u8]) -> io::Result<usize> {
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(retry_on_intr(|| rustix::io::read(&file, &mut *buffer))?)
}

/// Returns whether this is the number of a thread that is not a process. `/proc` shows those as well, but
/// does not list them.
pub(super) fn is_thread(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return true };
    matches!(pidfd_open(pid, PidfdFlags::empty()), Err(Errno::INVAL | Errno::NOENT))
}

/// Returns whether a file of a process is missing because the process is.
pub(super) fn has_ended(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

/// Parses a line such as `7 (any (thing) at all) S 1 7 7 …`; the name may contain anything.
fn parse(pid: u32, stat: &[u8]) -> Option<Entry> {
    let end_of_name = memchr::memrchr(b')', stat)?;
    let mut fields = std::str::from_utf8(&stat[end_of_name + 1..]).ok()?.split_ascii_whitespace();
    let alive = !matches!(fields.next()?, "Z" | "X" | "x");
    let mut number = || fields.next()?.parse().ok();
    let (parent, group, session) = (number()?, number()?, number()?);
    let start = fields.nth(15)?.parse().ok()?;
    Some(Entry { pid, parent, group, session, alive, start })
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::RefCell;

    use super::{Entry, parse, read};

    thread_local! {
        /// The processes that this thread has read.
        pub(in crate::sys::linux) static READ: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    }

    #[test]
    fn the_fields_are_found_after_any_name() {
        let entry = Entry { pid: 7, parent: 1, group: 42, session: 43, alive: true, start: 99 };
        let rest = "0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 1000 2";
        let line = |begin: &str| [begin.as_bytes(), rest.as_bytes()].concat();
        assert_eq!(parse(7, &line("7 (sh) S 1 42 43 ")), Some(entry));
        assert_eq!(parse(7, &line("7 (a) R 9 9 9 (b\n) S) T 1 42 43 ")), Some(entry));
        assert_eq!(parse(7, &line("7 (sh) Z 1 42 43 ")), Some(Entry { alive: false, ..entry }));
        assert_eq!(parse(7, b"7 (sh) S 1 42 43 0 -1"), None);
        assert_eq!(parse(7, b""), None);
    }

    #[test]
    fn this_process_is_found() {
        let own = read(std::process::id()).expect("/proc").expect("it exists");
        assert!(own.alive && own.start > 0);
    }
}
