//! Control groups: exact containment of a run, where this process may create them.
//!
//! A run gets a control group below that of this process, and its program is created inside it, so every
//! descendant is in there regardless of what it does. The kernel kills all of them with one write, reports
//! when none is left, and freezes them.
//!
//! This needs version 2 of the hierarchy (also beside version 1, as in hybrid systems), write access below
//! our own control group, and `cgroup.kill` (Linux 5.14): root has that, a systemd unit with `Delegate=yes`,
//! the services of a user manager, and many containers.
//!
//! The name of a group contains the process id and the start time of its monitor. Groups of a monitor that no
//! longer exists are ended and removed by the next one in the same place. Both numbers mean something only in
//! the namespaces of that monitor, which are part of the name too: a group from other namespaces, such as
//! those of a container, is left alone, because its monitor may exist and be invisible here.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::{pread, retry_on_intr};
use rustix::process::{Pid, getpid};

use super::reserve::with_spare_descriptors;
use super::{family, process_table, run_mark};
use crate::sync::Lock;

/// The file that shows whether a group has processes.
const EVENTS: &str = "cgroup.events";

/// Its line for a group with processes in it or below it.
const POPULATED: &[u8] = b"populated 1";

/// The file that lists the processes of a group, and moves those into it that are written to it.
const PROCS: &str = "cgroup.procs";

/// The prefix of the names of our groups.
const PREFIX: &str = "childminder-";

/// The control group of this process, below which those of the runs are created.
#[derive(Debug)]
pub(in crate::sys) struct CgroupRoot {
    path: PathBuf,
    /// The beginning of the names of our groups, and the process that they are named after: a forked copy of
    /// this one has other names.
    names: Lock<Option<(Pid, String)>>,
}

impl CgroupRoot {
    /// Finds the control group of this process and checks that runs can have groups below it.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub(in crate::sys) fn find() -> Result<Self, String> {
        let missing = |what: &str, error: io::Error| format!("{what}: {error}");
        let own = fs::read_to_string("/proc/self/cgroup")
            .map_err(|error| missing("cannot read /proc/self/cgroup", error))?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::"));
        let own = own.ok_or("this process is not in a control group of version 2")?;
        let mounts = fs::read("/proc/self/mountinfo")
            .map_err(|error| missing("cannot read /proc/self/mountinfo", error))?;
        let mut lines = mounts.split(|byte| *byte == b'\n');
        let path = lines.find_map(|line| directory(line, Path::new(own))).ok_or_else(|| {
            format!("control group {own} is not visible in any mounted hierarchy of version 2")
        })?;
        let root = Self { path, names: Lock::default() };
        root.remove_leftovers();
        let probe = root.create().map_err(|error| {
            missing(&format!("cannot create a control group in {}", root.path.display()), error)
        })?;
        match fs::metadata(probe.path.join("cgroup.kill")) {
            Ok(_) => Ok(root),
            Err(error) => Err(missing("control groups cannot be killed by this kernel (before 5.14)", error)),
        }
    }

    /// Creates the control group of a run.
    pub(super) fn create(&self) -> io::Result<Cgroup> {
        let path = self.path.join(self.next_name()?);
        fs::create_dir(&path)?;
        let directory = open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        match directory {
            Ok(directory) => Ok(Cgroup { path, directory, is_empty: false }),
            Err(errno) => {
                let _ = fs::remove_dir(&path);
                Err(errno.into())
            }
        }
    }

    fn next_name(&self) -> io::Result<String> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (mut names, own) = (self.names.lock(), getpid());
        let (_, beginning) = match &mut *names {
            Some(known) if known.0 == own => known,
            unknown => unknown.insert((own, beginning_of_names(own)?)),
        };
        Ok(format!("{beginning}{number}"))
    }

    /// Ends and removes the groups of monitors of our namespaces that no longer exist.
    fn remove_leftovers(&self) {
        // Without a `/proc` of our own PID namespace every other monitor would seem not to exist.
        let Some(namespaces) = namespaces().filter(|_| family::is_available()) else { return };
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| owner(name, &namespaces));
            if owner.is_some_and(|(pid, start)| !exists(pid, start)) {
                end(&entry.path());
            }
        }
    }
}

/// Ends and removes a group that a monitor has left behind. Processes that are exempt by the mark in their
/// environment live on, in the group of this process; the names of programs that were spared are not known
/// any more.
fn end(group: &Path) {
    let mut pids = Vec::new();
    let _ = list(group, &mut pids);
    for pid in pids.into_iter().filter(|pid| run_mark::is_exempt(*pid, &[])) {
        let _ = fs::write(group.with_file_name(PROCS), pid.to_string());
    }
    let _ = fs::write(group.join("cgroup.kill"), "1");
    wait_until_empty(group, Duration::from_secs(1));
    remove(group);
}

/// Returns the directory of control group `own` if this line of `mountinfo` is about a hierarchy that shows
/// it.
fn directory(line: &[u8], own: &Path) -> Option<PathBuf> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let separator = fields.iter().position(|field| *field == b"-")?;
    if *fields.get(separator + 1)? != b"cgroup2" {
        return None;
    }
    let [root, mount_point] = [3, 4].map(|index| fields.get(index).map(|field| unescape(field)));
    Some(mount_point?.join(own.strip_prefix(root?).ok()?))
}

/// Decodes `\040` and the like.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, others @ ..] = rest {
        let octal = (*first == b'\\').then(|| others.get(..3)).flatten();
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[3..];
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    OsStr::from_bytes(&bytes).into()
}

/// Returns what process ids and start times depend on: the PID and the time namespace of this process.
fn namespaces() -> Option<String> {
    let inode = |name: &str| fs::metadata(format!("/proc/self/ns/{name}")).ok().map(|file| file.ino());
    // Linux before 5.6 has no time namespaces.
    Some(format!("{:x}.{:x}", inode("pid")?, inode("time").unwrap_or(0)))
}

/// Returns the beginning of the names of the groups of this process, whose id is `own`.
fn beginning_of_names(own: Pid) -> io::Result<String> {
    let pid = own.as_raw_nonzero().get();
    let start = process_table::read(pid.unsigned_abs())?.map_or(0, |own| own.start);
    let namespaces = namespaces().unwrap_or_else(|| "unknown".to_owned());
    Ok(format!("{PREFIX}{namespaces}-{pid}-{start}-"))
}

/// Returns the process id and the start time of the monitor that has created a group. `None` if it was not a
/// monitor in these namespaces.
fn owner(name: &str, namespaces: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_prefix(PREFIX)?.strip_prefix(namespaces)?.strip_prefix('-')?.split('-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn exists(pid: u32, start: u64) -> bool {
    !matches!(process_table::read(pid), Ok(entry) if entry.is_none_or(|entry| entry.start != start))
}

/// The control group of one run. Dropping it removes it, if it is empty.
#[derive(Debug)]
pub(super) struct Cgroup {
    path: PathBuf,
    directory: OwnedFd,
    /// It was seen without processes after the leader had died, and nothing can enter it any more.
    is_empty: bool,
}

impl Cgroup {
    /// Returns the directory, for the creation of a process in it.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Kills all processes.
    pub(super) fn kill(&self) -> io::Result<()> {
        self.write("cgroup.kill", "1")
    }

    /// Suspends or resumes all processes.
    pub(super) fn freeze(&self, freeze: bool) -> io::Result<()> {
        self.write("cgroup.freeze", if freeze { "1" } else { "0" })
    }

    /// Returns the live processes. Needs descriptors.
    pub(super) fn pids(&self) -> io::Result<Vec<u32>> {
        if self.is_empty {
            return Ok(Vec::new());
        }
        let events = openat(&self.directory, EVENTS, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        if !is_populated(&events)? {
            return Ok(Vec::new());
        }
        let mut pids = Vec::new();
        list(&self.path, &mut pids)?;
        Ok(pids)
    }

    /// Returns whether it is known to stay without processes.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Records that nothing is in it and nothing can enter it.
    pub(super) fn set_empty(&mut self) {
        self.is_empty = true;
    }

    /// Moves a process out of it, to the group of this process.
    pub(super) fn expel(&self, pid: u32) -> io::Result<()> {
        let procs = self.path.with_file_name(PROCS);
        with_spare_descriptors(|| fs::write(&procs, pid.to_string()))
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        if self.is_empty {
            return Ok(());
        }
        with_spare_descriptors(|| fs::write(self.path.join(file), text))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Returns whether a process is in a group or below it, by what its [`EVENTS`] say now.
fn is_populated(events: impl AsFd) -> io::Result<bool> {
    let mut text = [0; 256];
    let length = retry_on_intr(|| pread(&events, &mut text, 0))?;
    Ok(text[..length].windows(POPULATED.len()).any(|line| line == POPULATED))
}

/// Collects the processes of a group and of those below it, which a program inside may have created, and may
/// remove meanwhile.
fn list(path: &Path, pids: &mut Vec<u32>) -> io::Result<()> {
    match fs::read_to_string(path.join(PROCS)) {
        Ok(text) => pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok())),
        // A threaded group does not list its processes; those are in the group above.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    for entry in fs::read_dir(path)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            match list(&entry.path(), pids) {
                Err(error) if is_removed(&error) => {}
                listed => listed?,
            }
        }
    }
    Ok(())
}

/// Returns whether a file of a group is missing, or has lost its meaning, because the group was removed.
fn is_removed(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

/// Removes a group and those below it.
fn remove(path: &Path) {
    // Most often there are none.
    if fs::remove_dir(path).is_ok() {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}

fn wait_until_empty(path: &Path, limit: Duration) {
    const STEP: Duration = Duration::from_millis(20);
    let Ok(events) = fs::File::open(path.join(EVENTS)) else { return };
    let step = Timespec::try_from(STEP).expect("a short time");
    for _ in 0..limit.as_millis().div_ceil(STEP.as_millis()) {
        // A change is reported as an exceptional condition, relative to the latest read by the same
        // descriptor.
        if !is_populated(&events).unwrap_or(false) {
            return;
        }
        let mut fds = [PollFd::new(&events, PollFlags::PRI)];
        let _ = retry_on_intr(|| poll(&mut fds, Some(&step)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::mark;
    use super::*;

    #[test]
    fn the_directory_of_our_group_is_found_in_the_mounts() {
        let line = b"30 23 0:26 / /sys/fs/cgroup\\040v2 rw,relatime shared:4 - cgroup2 cgroup rw,nsdelegate";
        assert_eq!(directory(line, Path::new("/a/b")), Some("/sys/fs/cgroup v2/a/b".into()));
        let inside = b"30 23 0:26 /a /sys/fs/cgroup rw - cgroup2 cgroup rw";
        assert_eq!(directory(inside, Path::new("/a/b")), Some("/sys/fs/cgroup/b".into()));
        assert_eq!(directory(inside, Path::new("/other")), None);
        assert_eq!(directory(b"30 23 0:26 / /sys rw - sysfs sysfs rw", Path::new("/a")), None);
        assert_eq!(directory(b"", Path::new("/a")), None);
    }

    #[test]
    fn f_382_a_group_that_is_removed_while_the_processes_are_listed_hides_no_other() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("cgroup.procs"), "12\n").expect("write");
        fs::create_dir_all(dir.path().join("removed/below")).expect("directories");
        fs::create_dir(dir.path().join("there")).expect("a directory");
        fs::write(dir.path().join("there/cgroup.procs"), "34\n").expect("write");
        let mut pids = Vec::new();
        list(dir.path(), &mut pids).expect("the others are there");
        assert_eq!(pids, [12, 34]);
        let gone = list(&dir.path().join("removed"), &mut pids).expect_err("the group itself is gone");
        assert!(is_removed(&gone));
    }

    #[test]
    fn the_monitor_of_a_group_is_known_by_its_name() {
        assert_eq!(owner("childminder-a.b-12-345-6", "a.b"), Some((12, 345)));
        assert_eq!(owner("childminder-a.b-x-345-6", "a.b"), None);
        assert_eq!(owner("user.slice", "a.b"), None);
        assert!(!exists(std::process::id(), 1));
    }

    /// A monitor in a container does not end the runs of the monitors outside, whose ids mean nothing to it.
    #[test]
    fn f_105_a_group_of_other_namespaces_has_no_owner_here() {
        let own = namespaces().expect("/proc");
        assert_eq!(owner("childminder-a.b-12-345-6", "a.c"), None);
        assert_eq!(owner("childminder-unknown-12-345-6", &own), None);
        let Ok(root) = CgroupRoot::find() else { return };
        let foreign = root.path.join("childminder-1.1-999999999-1-0");
        let orphaned = root.path.join(format!("childminder-{own}-999999999-1-0"));
        [&foreign, &orphaned].into_iter().for_each(|path| fs::create_dir(path).expect("a group"));
        root.remove_leftovers();
        let found = [&foreign, &orphaned].map(|path| path.exists());
        fs::remove_dir(&foreign).expect("left alone");
        assert_eq!(found, [true, false]);
    }

    #[test]
    fn f_388_what_a_monitor_has_left_behind_is_ended_but_for_what_is_exempt() {
        let own = namespaces().expect("/proc");
        let Ok(root) = CgroupRoot::find() else { return };
        let orphaned = root.path.join(format!("childminder-{own}-999999998-1-0"));
        fs::create_dir(&orphaned).expect("a group");
        let start = |mark: Option<&str>| {
            let mut command = std::process::Command::new("sleep");
            command.arg("1000").stdout(std::process::Stdio::null()).env_remove(mark::VARIABLE);
            let child = command.envs(mark.map(|mark| (mark::VARIABLE, mark))).spawn().expect("sleep");
            fs::write(orphaned.join(PROCS), child.id().to_string()).expect("it is ours");
            child
        };
        let [mut exempt, mut member] = [Some(""), Some("1-1.1")].map(start);
        root.remove_leftovers();
        assert!(!orphaned.exists(), "the group is removed");
        assert!(!member.wait().expect("it is ours").success());
        assert_eq!(exempt.try_wait().expect("it is ours"), None, "alive");
        exempt.kill().expect("it is ours");
        exempt.wait().expect("it is ours");
    }
}
