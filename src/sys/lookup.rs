//! Which file a program's name means, and why it cannot be executed.
//!
//! The rules are those of a shell that has entered the directory and set the environment already: a name with
//! a slash is a path, relative to the working directory of the child; any other name is looked up in the PATH
//! of the child, where an empty entry means that working directory. Without a PATH it is [`DEFAULT_PATH`], as
//! with `execvp`.
//!
//! Only `exec` knows whether a file can be executed, so a start examines no more than it has to. When `exec`
//! has refused the file, or a caller asks before anything is started, there is time to find out what an error
//! number alone does not show: "No such file" may mean the interpreter in the first line of a script, and
//! "Permission denied" a directory.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use crate::host::Spec;
use crate::machine::{SpawnError, SpawnStep};

use super::executable::{self, access};
use super::platform::calls;

/// The search path of a child that has no PATH.
const DEFAULT_PATH: &str = "/usr/local/bin:/bin:/usr/bin";

/// The directory that a child starts in, held open: a directory that is renamed meanwhile stays the same
/// directory, and a missing one is distinguished from a missing program.
#[derive(Debug)]
pub(super) struct WorkingDir(Option<OwnedFd>);

impl WorkingDir {
    /// Opens the directory of the spec.
    pub(super) fn open(spec: &Spec) -> Result<Self, SpawnError> {
        let open = |path: &Path| {
            openat(rustix::fs::CWD, path, calls::OPEN_DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|errno| SpawnError::new(SpawnStep::Chdir, path.display().to_string(), errno.into()))
        };
        spec.get_cwd().map(open).transpose().map(Self)
    }

    /// Returns the descriptor to enter; `None` to stay in the directory of the monitor.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(OwnedFd::as_fd)
    }

    /// Returns where relative paths begin.
    fn base(&self) -> BorrowedFd<'_> {
        self.fd().unwrap_or(rustix::fs::CWD)
    }
}

/// Returns the file that would be executed, as an absolute path, after everything has been checked that can
/// be checked without starting it.
pub(super) fn locate(spec: &Spec) -> Result<PathBuf, SpawnError> {
    let dir = WorkingDir::open(spec)?;
    if let Some((path, fd)) = spec.get_cwd().zip(dir.fd())
        && let Err(errno) = access(fd, Path::new("."))
    {
        return Err(SpawnError::new(SpawnStep::Chdir, path.display().to_string(), errno.into()));
    }
    let program = find(spec, &dir)?;
    if let Some(fault) = fault(&program, &dir) {
        return Err(fault.error(&program));
    }
    if let Some(problem) = executable::examine(dir.base(), &program) {
        return Err(exec_error(&program, &format!(" ({problem})"), problem.errno()));
    }
    if let Some(uid) = spec.get_uid()
        && calls::can_execute_as(spec.get_groups(), spec.get_gid(), uid, dir.base(), &program) == Some(false)
    {
        return Err(exec_error(&program, &format!(" (not executable by user {uid})"), Errno::ACCESS));
    }
    let path = spec.get_cwd().unwrap_or_else(|| Path::new("")).join(&program);
    std::path::absolute(&path)
        .map_err(|error| SpawnError::new(SpawnStep::Find, path.display().to_string(), error))
}

/// Returns the path to execute: the name itself if it has a slash, else the first file in PATH that this
/// process may execute.
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

/// Explains why `exec` refused `program` with `errno`.
pub(super) fn explain(spec: &Spec, program: &Path, dir: &WorkingDir, errno: Errno) -> SpawnError {
    if let Some((path, fd)) = spec.get_cwd().zip(dir.fd())
        && errno == Errno::ACCESS
        && access(fd, Path::new(".")).is_err()
    {
        return SpawnError::new(SpawnStep::Chdir, path.display().to_string(), errno.into());
    }
    if let (Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP, Some(fault)) =
        (errno, fault(program, dir))
        && fault.errno == errno
    {
        return fault.error(program);
    }
    match executable::examine(dir.base(), program) {
        Some(problem) => exec_error(program, &format!(" ({problem})"), errno),
        None if errno == Errno::NOENT => exec_error(program, " (its loader was not found)", errno),
        None if errno == Errno::NOEXEC => exec_error(program, " (not a program for this machine)", errno),
        None => exec_error(program, "", errno),
    }
}

fn exec_error(program: &Path, why: &str, errno: Errno) -> SpawnError {
    SpawnError::new(SpawnStep::Exec, format!("{}{why}", program.display()), errno.into())
}

/// A reason against the execution of a file that its path and its mode show.
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

fn fault(program: &Path, dir: &WorkingDir) -> Option<Fault> {
    let access = access(dir.base(), program);
    if let Err(errno @ (Errno::NOENT | Errno::NOTDIR)) = access {
        return Some(Fault { step: SpawnStep::Find, why: "", errno });
    }
    match statat(dir.base(), program, AtFlags::empty()) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
            Some(Fault { step: SpawnStep::Exec, why: " (is a directory)", errno: Errno::ACCESS })
        }
        Ok(_) => access.err().map(|errno| Fault {
            step: SpawnStep::Exec,
            why: " (not executable by this user)",
            errno,
        }),
        Err(errno) => Some(Fault { step: SpawnStep::Find, why: "", errno }),
    }
}

/// Returns the PATH that the child will have.
fn path_of(spec: &Spec) -> Option<Cow<'_, OsStr>> {
    match spec.get_envs().find(|(key, _)| *key == "PATH") {
        Some((_, value)) => value.map(Cow::Borrowed),
        None if spec.is_env_cleared() => None,
        None => std::env::var_os("PATH").map(Cow::<OsStr>::Owned),
    }
}
