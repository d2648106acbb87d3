//! The members of a process group, which only `/proc` lists.

use rustix::process::Pid;

use super::process_table;
use super::reserve::with_spare_descriptors;

/// Returns the live members of a group without the leader; `None` if `/proc` cannot be read.
///
/// A zombie counts as dead although it is a member until its parent reaps it: a parent that never does must
/// not delay a stop without end. A process that was forked while the directory was read may be missed if its
/// parent ended before its turn came, so a group that appears empty is read once more.
pub(in crate::sys) fn members(group: Pid) -> Option<Vec<u32>> {
    let first = read(group)?;
    if first.is_empty() { read(group) } else { Some(first) }
}

fn read(group: Pid) -> Option<Vec<u32>> {
    let group = group.as_raw_nonzero().get().cast_unsigned();
    let all = with_spare_descriptors(process_table::read_all).ok()?.into_iter();
    Some(all.filter(|one| one.alive && one.group == group && one.pid != group).map(|one| one.pid).collect())
}
