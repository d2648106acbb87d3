//! The table of processes, as `/proc` has it.

use std::fs;
use std::io;

/// A process, by its line in `/proc/…/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pid: u32,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    /// A zombie is dead, though its parent has not collected it.
    pub(super) alive: bool,
}

/// All there are. One that is forked while we look may be missed.
///
/// # Errors
///
/// `/proc` cannot be read.
pub(super) fn all() -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        match fs::read(format!("/proc/{pid}/stat")) {
            Ok(stat) => found.extend(parse(pid, &stat)),
            Err(error) if has_ended(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Whether a file of a process is gone because the process is.
pub(super) fn has_ended(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

/// Of a line such as `7 (any (thing) at all) S 1 7 7 …`.
fn parse(pid: u32, stat: &[u8]) -> Option<Entry> {
    let end_of_name = memchr::memrchr(b')', stat)?;
    let mut fields = std::str::from_utf8(&stat[end_of_name + 1..]).ok()?.split_ascii_whitespace();
    let alive = !matches!(fields.next()?, "Z" | "X" | "x");
    let mut number = || fields.next()?.parse().ok();
    Some(Entry { pid, parent: number()?, group: number()?, session: number()?, alive })
}

#[cfg(test)]
mod tests {
    use super::{Entry, parse};

    #[test]
    fn the_numbers_are_found_behind_any_name() {
        let entry = Entry { pid: 7, parent: 1, group: 42, session: 43, alive: true };
        assert_eq!(parse(7, b"7 (sh) S 1 42 43 0 -1 4194560"), Some(entry));
        assert_eq!(parse(7, b"7 (a) R 9 9 9 (b\n) S) T 1 42 43"), Some(entry));
        assert_eq!(parse(7, b"7 (\xff) D 1 42 43"), Some(entry));
        assert_eq!(parse(7, b"7 (sh) Z 1 42 43"), Some(Entry { alive: false, ..entry }));
        assert_eq!(parse(7, b"7 (sh) S 1 42"), None);
        assert_eq!(parse(7, b""), None);
    }
}
