//! What the first bytes of a file say about its execution.
//!
//! The kernel executes ELF files of its own machine, and scripts whose first line names an interpreter.
//! Others may have been registered with `binfmt_misc`, as emulators do; then nothing can be said about a
//! foreign file.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, Mode, OFlags, accessat, openat};
use rustix::io::Errno;

/// A reason why the kernel cannot execute a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is neither a program nor a script with a `#!` line.
    UnknownFormat,
    /// It is an ELF file for another machine.
    OtherMachine(u16),
    /// Its interpreter is missing.
    NoInterpreter(PathBuf),
    /// The line that names its interpreter ends with a carriage return, which is part of the name.
    CarriageReturn(PathBuf),
}

impl Problem {
    /// Returns the error number that `exec` returns for it.
    pub(super) fn errno(&self) -> Errno {
        match self {
            Self::UnknownFormat | Self::OtherMachine(_) => Errno::NOEXEC,
            Self::NoInterpreter(_) | Self::CarriageReturn(_) => Errno::NOENT,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFormat => {
                f.write_str("neither a program for this machine nor a script that begins with #!")
            }
            Self::OtherMachine(machine) => {
                write!(f, "a program for another machine, number {machine} in ELF")
            }
            Self::NoInterpreter(path) => write!(f, "its interpreter {} was not found", path.display()),
            Self::CarriageReturn(path) => {
                write!(f, "its interpreter {} was not found; its lines end with CR LF", path.display())
            }
        }
    }
}

/// The number of bytes of a file that the kernel examines.
const HEAD: u64 = 256;

/// Returns the problem of a file, if one can be seen. `None` for a file that this process may not read.
pub(super) fn examine(dir: BorrowedFd<'_>, program: &Path) -> Option<Problem> {
    let head = read_head(dir, program)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let interpreter = interpreter(line)?;
        if !matches!(access(dir, &interpreter), Err(Errno::NOENT | Errno::NOTDIR)) {
            return None;
        }
        return Some(match interpreter.as_os_str().as_bytes().last() {
            Some(b'\r') => Problem::CarriageReturn(interpreter),
            _ => Problem::NoInterpreter(interpreter),
        });
    }
    if has_registered_formats() {
        return None;
    }
    let Some(machine) = elf_machine(&head) else { return Some(Problem::UnknownFormat) };
    let own = elf_machine(&read_head(rustix::fs::CWD, Path::new("/proc/self/exe"))?)?;
    (!runs_on(machine, own)).then_some(Problem::OtherMachine(machine))
}

/// Checks whether this process may execute a file or enter a directory.
///
/// Some seccomp profiles refuse `faccessat2` with EPERM, which says nothing about the file: then the older
/// call is used, which only differs in a program whose real and effective user are not the same.
pub(super) fn access(dir: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
    match accessat(dir, path, Access::EXEC_OK, AtFlags::EACCESS) {
        Err(Errno::PERM) => accessat(dir, path, Access::EXEC_OK, AtFlags::empty()),
        other => other,
    }
}

fn read_head(dir: BorrowedFd<'_>, path: &Path) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut head = Vec::new();
    File::from(openat(dir, path, flags, Mode::empty()).ok()?).take(HEAD).read_to_end(&mut head).ok()?;
    Some(head)
}

/// Returns the interpreter as the kernel reads it from the rest of a `#!` line. Only blanks and tabs end it.
fn interpreter(line: &[u8]) -> Option<PathBuf> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let line = line.split(|byte| *byte == b'\n').next()?;
    let start = line.iter().position(|byte| !is_blank(byte))?;
    let word = line[start..].split(is_blank).next()?;
    (!word.is_empty()).then(|| OsStr::from_bytes(word).into())
}

/// Returns the machine that an ELF file is for.
fn elf_machine(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"\x7fELF")?;
    // Relative to the end of the magic number: the byte order at 1, the machine at 14.
    let machine = *rest.get(14..)?.first_chunk()?;
    Some(if rest[1] == 2 { u16::from_be_bytes(machine) } else { u16::from_le_bytes(machine) })
}

/// Returns whether a kernel for `own` programs can execute those for `machine`: its own, and the 32-bit ones
/// of the same family.
fn runs_on(machine: u16, own: u16) -> bool {
    const X86: u16 = 3;
    const X86_64: u16 = 62;
    const ARM: u16 = 40;
    const AARCH64: u16 = 183;
    // What other families combine is not known here.
    let is_known = |one| [X86, X86_64, ARM, AARCH64].contains(&one);
    let related = |one| [[X86, X86_64], [ARM, AARCH64]].iter().position(|family| family.contains(&one));
    machine == own || !is_known(own) || related(machine) == related(own)
}

/// Returns whether formats may have been registered that the kernel itself does not know.
fn has_registered_formats() -> bool {
    let Ok(entries) = fs::read_dir("/proc/sys/fs/binfmt_misc") else { return cfg!(not(target_os = "linux")) };
    entries.flatten().any(|entry| entry.file_name() != "register" && entry.file_name() != "status")
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn the_interpreter_is_read_as_the_kernel_reads_it() {
        let read = |line: &str| interpreter(line.as_bytes()).map(|path| path.display().to_string());
        assert_eq!(read(" \t/bin/sh -e\nrest"), Some("/bin/sh".into()));
        assert_eq!(read("/bin/sh\r\necho"), Some("/bin/sh\r".into()));
        assert_eq!(read("/usr/bin/env\tsh"), Some("/usr/bin/env".into()));
        assert_eq!(read("  \n/bin/sh"), None);
    }

    #[test]
    fn a_file_that_cannot_be_executed_is_recognised() {
        let dir = tempfile::tempdir().expect("a directory");
        let check = |bytes: &[u8]| {
            fs::write(dir.path().join("file"), bytes).expect("write");
            let open = File::open(dir.path()).expect("open");
            examine(open.as_fd(), Path::new("file"))
        };
        assert_eq!(check(b"#!/no/such/thing -x\n"), Some(Problem::NoInterpreter("/no/such/thing".into())));
        assert_eq!(check(b"#!/bin/sh\r\necho\r\n"), Some(Problem::CarriageReturn("/bin/sh\r".into())));
        assert_eq!(check(b"#!/bin/sh\necho\n"), None);
        assert_eq!(check(&fs::read("/proc/self/exe").expect("this program")), None);
        if !has_registered_formats() {
            assert_eq!(check(b"echo hello\n"), Some(Problem::UnknownFormat));
            assert_eq!(check(b""), Some(Problem::UnknownFormat));
            let foreign = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
            let elf = [b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0", &[foreign, 0][..]].concat();
            assert_eq!(check(&elf), Some(Problem::OtherMachine(foreign.into())));
        }
    }
}
