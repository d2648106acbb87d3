//! The order in which the kernel assigns process ids: one after the other, and from the beginning again when
//! it has reached the end. So the ids of all processes that were created since some moment are those after
//! the latest id of then, up to the latest id of now.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::fcntl_dupfd_cloexec;

/// The file whose last word is the latest id.
const LOADAVG: &str = "/proc/loadavg";

/// Returns the latest process id that was assigned in this PID namespace.
///
/// The file stays open, because this is called at every exit, and to open it costs more than to read it.
///
/// # Errors
///
/// `/proc` cannot be read.
pub(super) fn last_pid() -> io::Result<u32> {
    static FILE: OnceLock<File> = OnceLock::new();
    let file = match FILE.get() {
        Some(file) => file,
        None => {
            let opened = open(LOADAVG, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            // Not one of the first three numbers, which may be closed in this process.
            FILE.get_or_init(|| fcntl_dupfd_cloexec(&opened, 3).unwrap_or(opened).into())
        }
    };
    let mut text = [0; 128];
    let read = file.read_at(&mut text, 0).ok().and_then(|length| parse(&text[..length]));
    // The program may have closed all its descriptors, this one included.
    let last = read.map_or_else(|| fs::read(LOADAVG).map(|text| parse(&text)), |last| Ok(Some(last)))?;
    last.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Parses a line such as `0.00 0.01 0.05 1/123 4567`.
fn parse(text: &[u8]) -> Option<u32> {
    let mut words = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
    words.nth(3).filter(|running| running.contains('/'))?;
    words.next()?.parse().ok()
}

/// Returns the number of processes and threads that were created since the boot, in all PID namespaces.
/// `None` if it does not count them.
pub(super) fn created() -> Option<u64> {
    parse_created(&fs::read("/proc/stat").ok()?)
}

/// Finds the line `processes 4567`.
fn parse_created(stat: &[u8]) -> Option<u64> {
    let count = stat.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"processes "))?;
    std::str::from_utf8(count).ok()?.trim().parse().ok().filter(|count| *count != 0)
}

/// Returns the end of the process ids, which are smaller.
pub(super) fn pid_max() -> u32 {
    static MAX: OnceLock<u32> = OnceLock::new();
    *MAX.get_or_init(|| {
        let text = fs::read_to_string("/proc/sys/kernel/pid_max").ok();
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(32_768)
    })
}

/// Returns the process ids that were assigned after `from` up to `to`, in their order.
pub(super) fn between(from: u32, to: u32) -> impl Iterator<Item = u32> {
    let next = |pid: u32| if pid + 1 >= pid_max() { 1 } else { pid + 1 };
    let end = (from != to).then_some(to);
    std::iter::successors(end.map(|_| next(from)), move |pid| (Some(*pid) != end).then(|| next(*pid)))
}

/// Returns how many process ids were assigned after `from` up to `to`, at most.
pub(super) fn distance(from: u32, to: u32) -> u32 {
    if to >= from { to - from } else { pid_max().saturating_sub(from).saturating_add(to) }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_latest_id_is_not_older_than_that_of_a_new_process() {
        let mut child = Command::new("true").spawn().expect("true");
        let (pid, last) = (child.id(), last_pid().expect("/proc"));
        child.wait().expect("wait");
        // Other processes are created at the same time, but not half of all that there can be.
        assert!(distance(pid, last) < pid_max() / 2, "{last} after {pid}");
    }

    #[test]
    fn only_a_line_of_this_file_is_parsed() {
        assert_eq!(parse(b"0.00 0.01 0.05 1/123 4567\n"), Some(4567));
        assert_eq!(parse(b"0.00 0.01 0.05 1/123 "), None);
        assert_eq!(parse(b"1 2 3 4 5\n"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn created_processes_are_counted() {
        let before = created().expect("/proc");
        Command::new("true").status().expect("true");
        assert!(created().expect("/proc") > before);
        assert_eq!(parse_created(b"cpu  1 2\nbtime 17\nprocesses 4567\nprocs_running 2\n"), Some(4567));
        // A kernel that is imitated may not count.
        assert_eq!(parse_created(b"cpu  1 2\nprocesses 0\n"), None);
        assert_eq!(parse_created(b"procs_running 2\n"), None);
    }

    #[test]
    fn ids_begin_again_after_the_last_one() {
        let max = pid_max();
        assert_eq!(Vec::from_iter(between(7, 7)), [0; 0]);
        assert_eq!(Vec::from_iter(between(7, 9)), [8, 9]);
        assert_eq!(Vec::from_iter(between(max - 3, 2)), [max - 2, max - 1, 1, 2]);
        assert_eq!([distance(7, 7), distance(7, 9), distance(max - 3, 2)], [0, 2, 5]);
    }
}
