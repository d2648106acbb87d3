//! Who is in a process group: the one question that only `/proc` can answer.

use rustix::process::Pid;

use super::processes;

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
    let group = group.as_raw_nonzero().get().cast_unsigned();
    let all = processes::all().ok()?.into_iter();
    Some(all.filter(|one| one.alive && one.group == group && one.pid != group).map(|one| one.pid).collect())
}
