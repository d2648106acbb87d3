//! The marks of a run in its processes, as `/proc` shows them.
//!
//! There are two. The **environment variable** of `mark.rs` can be seen and removed by users, and a program
//! that rewrites its title overwrites it, as redis, nginx and PostgreSQL do. The **resource limit** is the
//! soft limit on the time that a real-time process may run without a system call (`RLIMIT_RTTIME`, in
//! microseconds). By default it is infinite; the mark is a number of more than 100,000 years, which limits as
//! much. It is inherited, survives `exec`, a change of user and a closing of all descriptors, and every user
//! may read it. A program that sets this limit itself removes the mark, and one that was started with a
//! finite limit keeps that.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str;

use rustix::process::{Resource, getrlimit};

use super::super::mark::{self, RunMark, Token};

/// Identifies a run within this process.
pub(super) type RunKey = u64;

/// The mark in the environment of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvironmentMark {
    /// It carries the mark of this run of this monitor.
    Run(RunKey),
    /// The mark is empty: the process asks not to be counted.
    Empty,
    /// It has no mark of this monitor.
    Absent,
    /// There is no environment, or this process may not read it.
    Unreadable,
}

/// Reads the mark from the environment of a process.
pub(super) fn in_environment(pid: u32) -> EnvironmentMark {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    if environment.is_empty() {
        return EnvironmentMark::Unreadable;
    }
    match value(&environment) {
        None => EnvironmentMark::Absent,
        Some(b"") => EnvironmentMark::Empty,
        Some(value) => {
            let token = format!("{}.", Token::of_this_process());
            let number = value.strip_prefix(token.as_bytes()).and_then(|number| str::from_utf8(number).ok());
            let number = number.and_then(|number| number.parse().ok());
            number.map_or(EnvironmentMark::Absent, EnvironmentMark::Run)
        }
    }
}

/// Returns the value of the variable in the environment of a process, whichever monitor has set it.
pub(super) fn value(environment: &[u8]) -> Option<&[u8]> {
    let mut variables = environment.split(|byte| *byte == 0);
    variables.find_map(|one| one.strip_prefix(mark::VARIABLE.as_bytes())?.strip_prefix(b"="))
}

/// Returns whether a process asks not to be counted, or is one of the programs that the spec spares.
pub(super) fn is_exempt(pid: u32, spared: &[OsString]) -> bool {
    if in_environment(pid) == EnvironmentMark::Empty {
        return true;
    }
    if spared.is_empty() {
        return false;
    }
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let is = |spared: &OsString| {
        Path::new(OsStr::from_bytes(program)).file_name() == Some(spared)
            || name.trim_ascii_end() == spared.as_bytes()
    };
    spared.iter().any(is)
}

/// Returns the soft and the hard limit that mark a run. `None` if this process has a limit that is to be
/// kept.
pub(in crate::sys) fn limits(run: RunMark) -> Option<[u64; 2]> {
    let now = getrlimit(Resource::Rttime);
    let is_free = now.current.is_none_or(|limit| limit & mark::LIMIT_TAG != 0) && now.maximum.is_none();
    let limit = || [split(run.token()).0 | limit_bits(run.number()), u64::MAX];
    (is_free && cfg!(target_pointer_width = "64")).then(limit)
}

/// Returns the bits of the number of a run that a limit has room for.
pub(super) fn limit_bits(run: RunKey) -> u64 {
    run & split(Token::of_this_process()).1
}

/// Reads the mark from the limits of a process: the [bits](limit_bits) of its run.
pub(super) fn in_limits(pid: u32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max realtime timeout"))?;
    let limit: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    let (prefix, number_mask) = split(Token::of_this_process());
    (limit & !number_mask == prefix).then_some(limit & number_mask)
}

/// Returns the part that the limits of all runs of a process have in common, and the bits in which they
/// differ.
fn split(token: Token) -> (u64, u64) {
    let (prefix, bits) = token.limit_prefix();
    (prefix, (1 << bits) - 1)
}
