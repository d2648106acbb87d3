//! Who is in a process group: the one question that only `/proc` can answer.

use std::fs;

use rustix::process::Pid;

/// The living members of a group, the leader left out; `None` if `/proc` cannot be read.
///
/// A zombie is dead, though it is a member until its parent collects it, and a parent that never does would keep a
/// stop waiting for ever (F-20). Nobody is found twice, but somebody may be missed: one that was forked while we
/// looked, by one that ended before we came to it. So a group without members is looked at once more.
pub(crate) fn members(group: Pid) -> Option<Vec<u32>> {
    let first = look(group)?;
    if first.is_empty() { look(group) } else { Some(first) }
}

fn look(group: Pid) -> Option<Vec<u32>> {
    let group = group.as_raw_nonzero().get();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").ok()? {
        let name = entry.ok()?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        match fs::read(format!("/proc/{pid}/stat")) {
            Ok(stat) => {
                if i64::from(pid) != i64::from(group) && group_if_alive(&stat) == Some(group) {
                    found.push(pid);
                }
            }
            // It ended in between.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {}
            Err(_) => return None,
        }
    }
    Some(found)
}

/// The group in a line of `/proc/…/stat`: `7 (any (thing) at all) S 1 7 …`; `None` for the dead.
fn group_if_alive(stat: &[u8]) -> Option<i32> {
    let end_of_name = memchr::memrchr(b')', stat)?;
    let mut fields = std::str::from_utf8(&stat[end_of_name + 1..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    (!matches!(state, "Z" | "X" | "x")).then_some(group)
}

#[cfg(test)]
mod tests {
    use super::group_if_alive;

    #[test]
    fn the_group_is_found_behind_any_name() {
        assert_eq!(group_if_alive(b"7 (sh) S 1 42 42 0 -1 4194560"), Some(42));
        assert_eq!(group_if_alive(b"7 (a) R 9 9 9 (b\n) S) T 1 42 42"), Some(42));
        assert_eq!(group_if_alive(b"7 (\xff) D 1 42 42"), Some(42));
        assert_eq!(group_if_alive(b"7 (sh) Z 1 42 42"), None);
        assert_eq!(group_if_alive(b""), None);
    }
}
