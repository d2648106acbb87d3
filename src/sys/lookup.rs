//! Which file a program's name means, and why it cannot be executed.
//!
//! The rules are those of a shell that has done `cd` and set the environment already: a name with a slash is a path,
//! relative to the working directory of the child; any other name is looked up in the PATH of the child, where an
//! empty entry means that working directory. Without a PATH it is [`DEFAULT_PATH`], as with `execvp`.
//!
//! Only `exec` knows whether a file can be executed, so a path is not examined before. When `exec` has refused it,
//! there is time to find out what the errno alone does not say: "No such file" may mean the interpreter in the first
//! line of a script, and "Permission denied" a directory (F-1, F-2, F-3).

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, accessat, openat, statat};
use rustix::io::Errno;

use crate::host::Spec;
use crate::machine::{SpawnError, SpawnStep};

use super::platform;

/// Where programs are looked up for a child that has no PATH.
const DEFAULT_PATH: &str = "/usr/local/bin:/bin:/usr/bin";

/// The directory that a child starts in, held open: a directory that is renamed meanwhile stays the same directory,
/// and one that is missing is told apart from a missing program (F-4).
#[derive(Debug)]
pub(super) struct WorkingDir(Option<OwnedFd>);

impl WorkingDir {
    /// Opens what the spec asks for.
    pub(super) fn open(spec: &Spec) -> Result<Self, SpawnError> {
        let open = |path: &Path| {
            openat(rustix::fs::CWD, path, platform::OPEN_DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|errno| SpawnError::new(SpawnStep::Chdir, path.display().to_string(), errno.into()))
        };
        spec.get_cwd().map(open).transpose().map(Self)
    }

    /// The descriptor to enter; `None` to stay where the monitor is.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(OwnedFd::as_fd)
    }

    /// Where relative paths begin.
    fn base(&self) -> BorrowedFd<'_> {
        self.fd().unwrap_or(rustix::fs::CWD)
    }
}

/// What would be executed, as an absolute path.
pub(super) fn locate(spec: &Spec) -> Result<PathBuf, SpawnError> {
    let dir = WorkingDir::open(spec)?;
    if let Some((path, fd)) = spec.get_cwd().zip(dir.fd())
        && let Err(errno) = accessat(fd, ".", Access::EXEC_OK, AtFlags::EACCESS)
    {
        return Err(SpawnError::new(SpawnStep::Chdir, path.display().to_string(), errno.into()));
    }
    let program = find(spec, &dir)?;
    if let Some(fault) = fault(&program, &dir) {
        return Err(fault.error(&program));
    }
    let path = spec.get_cwd().unwrap_or_else(|| Path::new("")).join(&program);
    std::path::absolute(&path)
        .map_err(|error| SpawnError::new(SpawnStep::Find, path.display().to_string(), error))
}

/// The path to execute: the name itself if it has a slash, else the first file in PATH that we may execute.
pub(super) fn find(spec: &Spec, dir: &WorkingDir) -> Result<PathBuf, SpawnError> {
    let name = spec.get_program();
    if name.as_bytes().contains(&b'/') {
        return Ok(name.into());
    }
    let path = path_of(spec);
    let entries = path.as_ref().map_or(DEFAULT_PATH.as_bytes(), |path| path.as_bytes());
    let mut refused = None;
    for entry in entries.split(|b| *b == b':') {
        let entry = if entry.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(entry) };
        let candidate = Path::new(entry).join(name);
        match fault(&candidate, dir) {
            None => return Ok(candidate),
            Some(Fault { errno: Errno::NOENT | Errno::NOTDIR, .. }) => {}
            Some(fault) => refused = refused.or_else(|| Some(fault.error(&candidate))),
        }
    }
    Err(refused.unwrap_or_else(|| {
        let name = name.display();
        let subject = match path {
            Some(path) => format!("{name} (not in PATH={})", path.display()),
            None => format!("{name} (there is no PATH, and it is not in {DEFAULT_PATH})"),
        };
        SpawnError::new(SpawnStep::Find, subject, Errno::NOENT.into())
    }))
}

/// Why `exec` refused `program` with `errno`.
pub(super) fn explain(spec: &Spec, program: &Path, dir: &WorkingDir, errno: Errno) -> SpawnError {
    let error =
        |why: &str| SpawnError::new(SpawnStep::Exec, format!("{}{why}", program.display()), errno.into());
    if let Some((path, fd)) = spec.get_cwd().zip(dir.fd())
        && errno == Errno::ACCESS
        && accessat(fd, ".", Access::EXEC_OK, AtFlags::EACCESS).is_err()
    {
        return SpawnError::new(SpawnStep::Chdir, path.display().to_string(), errno.into());
    }
    match (errno, fault(program, dir)) {
        (Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP, Some(fault)) if fault.errno == errno => {
            fault.error(program)
        }
        (Errno::NOENT, None) => match interpreter(program, dir) {
            Some(interpreter) => {
                error(&format!(" (its interpreter {} was not found)", interpreter.display()))
            }
            None => error(" (its loader was not found)"),
        },
        (Errno::NOEXEC, _) => error(" (neither a program for this machine nor a script that begins with #!)"),
        (_, _) => error(""),
    }
}

/// What is wrong with a file that was to be executed.
struct Fault {
    step: SpawnStep,
    why: &'static str,
    errno: Errno,
}

impl Fault {
    fn error(&self, program: &Path) -> SpawnError {
        SpawnError::new(self.step, format!("{}{}", program.display(), self.why), self.errno.into())
    }
}

/// What is wrong with `program`, as far as a look from outside can tell.
fn fault(program: &Path, dir: &WorkingDir) -> Option<Fault> {
    let access = accessat(dir.base(), program, Access::EXEC_OK, AtFlags::EACCESS);
    if let Err(errno @ (Errno::NOENT | Errno::NOTDIR)) = access {
        return Some(Fault { step: SpawnStep::Find, why: "", errno });
    }
    match statat(dir.base(), program, AtFlags::empty()) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
            Some(Fault { step: SpawnStep::Exec, why: " (is a directory)", errno: Errno::ACCESS })
        }
        Ok(_) => {
            access.err().map(|errno| Fault { step: SpawnStep::Exec, why: " (not executable by us)", errno })
        }
        Err(errno) => Some(Fault { step: SpawnStep::Find, why: "", errno }),
    }
}

/// The interpreter that a script names in its first line.
fn interpreter(program: &Path, dir: &WorkingDir) -> Option<PathBuf> {
    let script =
        openat(dir.base(), program, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty());
    let mut line = Vec::new();
    File::from(script.ok()?).take(256).read_to_end(&mut line).ok()?;
    let words = line.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?.trim_ascii();
    let word = words.split(u8::is_ascii_whitespace).next().filter(|word| !word.is_empty())?;
    Some(OsStr::from_bytes(word).into())
}

/// The PATH that the child will have.
fn path_of(spec: &Spec) -> Option<Cow<'_, OsStr>> {
    match spec.get_envs().find(|(key, _)| *key == "PATH") {
        Some((_, value)) => value.map(Cow::Borrowed),
        None if spec.is_env_cleared() => None,
        None => std::env::var_os("PATH").map(Cow::<OsStr>::Owned),
    }
}
