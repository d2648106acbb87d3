//! The process table of `/proc`, read without allocating.

#![expect(unsafe_code, reason = "the clock that `/proc` counts by")]

use std::ffi::{CStr, c_int};
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};

use libc::pid_t;
use rustix::fs::{Mode, OFlags, RawDir};

use super::super::birth::own_pid;
use crate::sys::mark::VARIABLE;

/// A process, as `/proc/PID/stat` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: pid_t,
    pub(super) parent: pid_t,
    pub(super) group: pid_t,
    pub(super) session: pid_t,
    /// When it began, in clock ticks since the machine was started.
    pub(super) start: u64,
    /// False for a zombie.
    pub(super) alive: bool,
}

/// The mark in the environment of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It does not name a run of this monitor, or cannot be read.
    None,
    /// The process is exempt: the mark is empty.
    Exempt,
    /// It belongs to the run with this number.
    Run(u64),
}

/// Returns the time since the machine was started in clock ticks, as `/proc` says when a process began.
pub(in crate::sys::guardian) fn clock_ticks() -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the pointer is to room for one `timespec`, of which all zeros are a valid one.
    let time = unsafe {
        libc::clock_gettime(libc::CLOCK_BOOTTIME, time.as_mut_ptr());
        time.assume_init()
    };
    // SAFETY: takes no pointers.
    let hertz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1).cast_unsigned();
    let (seconds, nanos) = (time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned());
    seconds.saturating_mul(hertz).saturating_add(nanos.saturating_mul(hertz) / 1_000_000_000)
}

/// Whether `/proc` shows the processes of this PID namespace, rather than those of another, or none.
pub(super) fn is_ours() -> bool {
    let mut buffer = [0; 512];
    let Some(line) = open(c"/proc/self/stat").and_then(|file| read_start(&file, &mut buffer)) else {
        return false;
    };
    let number = line.split(|byte| *byte == b' ').next().and_then(number);
    number == u64::try_from(own_pid()).ok()
}

/// Calls `each` with the id of every process. Returns false if `/proc` cannot be listed.
pub(super) fn for_each_pid(mut each: impl FnMut(pid_t)) -> bool {
    for_each_number(c"/proc", |pid, _| each(pid))
}

/// Calls `each` with the number of every descriptor of this process, but for the one that it needs for that.
/// Returns false if they cannot be listed.
pub(super) fn for_each_descriptor(mut each: impl FnMut(c_int)) -> bool {
    for_each_number(c"/proc/self/fd", |fd, directory| {
        if fd != directory {
            each(fd);
        }
    })
}

/// Calls `each` with every name in a directory that is a number, and with the descriptor of the directory.
fn for_each_number(path: &CStr, mut each: impl FnMut(c_int, c_int)) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(directory) = rustix::fs::open(path, flags, Mode::empty()) else { return false };
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut entries = RawDir::new(&directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let Ok(entry) = entry else { return false };
        let number = number(entry.file_name().to_bytes()).and_then(|number| c_int::try_from(number).ok());
        if let Some(number) = number {
            each(number, directory.as_raw_fd());
        }
    }
    true
}

/// Describes a process; `None` if it does not exist.
pub(super) fn stat(pid: pid_t) -> Option<Stat> {
    let mut buffer = [0; 1024];
    parse(pid, read_start(&open_of(pid, "stat")?, &mut buffer)?)
}

/// Parses a line such as `7 (any (name) at all) S 1 7 7 …`.
fn parse(pid: pid_t, line: &[u8]) -> Option<Stat> {
    let name_end = memchr::memrchr(b')', line)?;
    let mut fields = line.get(name_end.checked_add(2)?..)?.split(|byte| *byte == b' ');
    let alive = !matches!(fields.next()?, b"Z" | b"X" | b"x");
    let mut id = || pid_t::try_from(number(fields.next()?)?).ok();
    let (parent, group, session) = (id()?, id()?, id()?);
    // Field 22; the state is field 3.
    let start = number(fields.nth(15)?)?;
    Some(Stat { pid, parent, group, session, start, alive })
}

/// Returns where the arguments and the environment of this process are.
pub(super) fn argument_area() -> Option<(usize, usize)> {
    let mut buffer = [0; 1024];
    let line = read_start(&open(c"/proc/self/stat")?, &mut buffer)?;
    let name_end = memchr::memrchr(b')', line)?;
    let mut fields = line.get(name_end.checked_add(2)?..)?.split(|byte| *byte == b' ');
    let mut address = |skip| usize::try_from(number(fields.nth(skip)?)?).ok();
    // Fields 48 to 51: the arguments, and directly after them the environment.
    let (arg_start, arg_end) = (address(45)?, address(0)?);
    let (env_start, env_end) = (address(0)?, address(0)?);
    let end = if env_start == arg_end { env_end } else { arg_end };
    (arg_start != 0 && arg_start < end).then_some((arg_start, end))
}

/// Reads the mark of a process, as a monitor with this token sets it.
pub(super) fn mark(pid: pid_t, token: &[u8]) -> Mark {
    let Some(file) = open_of(pid, "environ") else { return Mark::None };
    let mut scan = Scan::default();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = rustix::io::read(&file, &mut buffer) {
        for byte in buffer.iter().take(count) {
            if let Some(value) = scan.next(*byte) {
                return understand(value, token);
            }
        }
    }
    scan.next(0).map_or(Mark::None, |value| understand(value, token))
}

/// Reads the mark of a process from its resource limits. `prefix` is what all marks have in common, and how
/// many bits they differ in; these are returned.
pub(super) fn limit_mark(pid: pid_t, (prefix, bits): (u64, u32)) -> Option<u64> {
    let mut buffer = [0; 4096];
    let text = read_start(&open_of(pid, "limits")?, &mut buffer)?;
    let line =
        text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Max realtime timeout"))?;
    let limit = line.split(|byte| *byte == b' ').find(|word| !word.is_empty()).and_then(number)?;
    let varying = 1_u64.checked_shl(bits)?.wrapping_sub(1);
    (limit & !varying == prefix).then_some(limit & varying)
}

/// Calls `each` with the names that a process has: that of its program, and the one that it shows.
pub(super) fn for_each_name(pid: pid_t, mut each: impl FnMut(&[u8])) {
    let mut buffer = [0; 1024];
    if let Some(name) = open_of(pid, "comm").and_then(|file| read_start(&file, &mut buffer)) {
        each(name.trim_ascii_end());
    }
    if let Some(command) = open_of(pid, "cmdline").and_then(|file| read_start(&file, &mut buffer)) {
        let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
        each(program.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
    }
}

fn understand(value: &[u8], token: &[u8]) -> Mark {
    if value.is_empty() {
        return Mark::Exempt;
    }
    let run = value.strip_prefix(token).and_then(|rest| rest.strip_prefix(b".")).and_then(number);
    run.map_or(Mark::None, Mark::Run)
}

/// Looks for the variable in an environment, byte by byte.
struct Scan {
    /// The number of bytes of the current entry that match `NAME=`; `None` after a mismatch.
    matched: Option<usize>,
    value: [u8; 64],
    length: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Self { matched: Some(0), value: [0; 64], length: 0 }
    }
}

impl Scan {
    /// Takes the next byte. Returns the value when it is complete; of a very long one, the beginning.
    fn next(&mut self, byte: u8) -> Option<&[u8]> {
        let name = VARIABLE.as_bytes();
        match self.matched {
            Some(all) if all > name.len() => {
                if byte == 0 {
                    return self.value.get(..self.length);
                }
                if let Some(place) = self.value.get_mut(self.length) {
                    *place = byte;
                    self.length = self.length.saturating_add(1);
                }
            }
            _ if byte == 0 => self.matched = Some(0),
            Some(some) if name.get(some).copied().unwrap_or(b'=') == byte => {
                self.matched = Some(some.saturating_add(1));
            }
            _ => self.matched = None,
        }
        None
    }
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit.wrapping_sub(b'0')))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

fn open(path: &CStr) -> Option<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}

fn open_of(pid: pid_t, file: &str) -> Option<OwnedFd> {
    let mut path = [0; 64];
    write!(&mut path[..], "/proc/{pid}/{file}\0").ok()?;
    open(CStr::from_bytes_until_nul(&path).ok()?)
}

fn read_start<'a>(file: &OwnedFd, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let count = rustix::io::read(file, &mut *buffer).ok()?;
    buffer.get(..count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_described_behind_any_name() {
        let stat = Stat { pid: 7, parent: 1, group: 42, session: 43, start: 4711, alive: true };
        let rest = "0 -1 4194560 1 2 3 4 5 6 7 8 9 10 11 12 4711 99 98";
        let parse = |line: String| parse(7, line.as_bytes());
        assert_eq!(parse(format!("7 (sh) S 1 42 43 {rest}")), Some(stat));
        assert_eq!(parse(format!("7 (b\n) S) T 1 42 43) R 1 42 43 {rest}")), Some(stat));
        assert_eq!(parse(format!("7 (sh) Z 1 42 43 {rest}")), Some(Stat { alive: false, ..stat }));
        assert_eq!(parse("7 (sh) S 1 42".to_owned()), None);
        assert_eq!(parse(String::new()), None);
    }

    #[test]
    fn this_process_is_found_with_its_parent() {
        assert!(is_ours());
        let mut found = None;
        assert!(for_each_pid(|pid| {
            if pid == own_pid() {
                found = stat(pid);
            }
        }));
        let own = found.expect("this process is in the table");
        assert_eq!(own.parent, std::os::unix::process::parent_id().cast_signed());
        assert!(own.alive && own.start > 0 && own.start <= clock_ticks() + 1);
    }

    #[test]
    fn a_process_has_the_name_of_its_program() {
        let mut names = Vec::new();
        for_each_name(own_pid(), |name| names.push(String::from_utf8_lossy(name).into_owned()));
        let program = std::env::current_exe().expect("a program");
        let program = program.file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!((names.len(), &names[1]), (2, &program));
    }

    #[test]
    fn f_45_a_mark_is_the_value_of_the_variable_and_nothing_else() {
        let mark = |environment: &[u8]| {
            let mut scan = Scan::default();
            let value = environment.iter().find_map(|byte| Some(scan.next(*byte)?.to_vec()));
            value.map_or(Mark::None, |value| understand(&value, b"7-ab"))
        };
        assert_eq!(mark(b"A=1\0CHILDMINDER_RUN=7-ab.12\0B=2\0"), Mark::Run(12));
        assert_eq!(mark(b"CHILDMINDER_RUN=\0"), Mark::Exempt);
        assert_eq!(mark(b"CHILDMINDER_RUN=7-ac.12\0"), Mark::None);
        assert_eq!(mark(b"CHILDMINDER_RUN=7-ab\0"), Mark::None);
        assert_eq!(mark(b"CHILDMINDER_RUN=7-ab.12x\0"), Mark::None);
        assert_eq!(mark(b"XCHILDMINDER_RUN=7-ab.12\0"), Mark::None);
        assert_eq!(mark(b"X=CHILDMINDER_RUN=7-ab.12\0"), Mark::None);
        assert_eq!(mark(b"CHILDMINDER_RUNS=7-ab.12\0CHILDMINDER_RUN=7-ab.3\0"), Mark::Run(3));
        assert_eq!(mark(b""), Mark::None);
    }
}
