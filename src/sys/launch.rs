//! Everything a start needs, gathered before there is a process.
//!
//! Between fork and exec nothing may be allocated, and what goes wrong there is hard to tell. So whatever can be
//! looked up, opened, converted or refused is dealt with here.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::host::{Spec, Stdin};
use crate::machine::{SpawnError, SpawnStep};

use super::child_side::Refusal;
use super::descriptors::Descriptors;
use super::environment;
use super::guardian::{self, Connection};
use super::lookup::{self, WorkingDir};
use super::outputs::Outputs;
use super::words::{Words, c_string};

/// A process that is about to be.
#[derive(Debug)]
pub(super) struct Launch {
    spec: Spec,
    program: CString,
    args: Words,
    env: Words,
    dir: WorkingDir,
    stdio: [OwnedFd; 3],
    descriptors: Descriptors,
    guardian: Option<Connection>,
    low: LowDescriptors,
}

impl Launch {
    /// Gathers it; the second half of the pair stays with us.
    pub(super) fn prepare(spec: &Spec) -> Result<(Self, Outputs), SpawnError> {
        Self::gather(spec, |low| {
            let stdin = open_stdin(spec.get_stdin(), low)?;
            let (ours, [one, two]) = Outputs::open()?;
            Ok((ours, [stdin, one, two]))
        })
    }

    /// Gathers it, with what `connect` makes descriptors 0, 1 and 2; none of them may be one of these numbers yet.
    pub(super) fn gather<T>(
        spec: &Spec,
        connect: impl FnOnce(&mut LowDescriptors) -> Result<(T, [OwnedFd; 3]), SpawnError>,
    ) -> Result<(Self, T), SpawnError> {
        check(spec)?;
        let mut low = LowDescriptors::fill()?;
        let dir = WorkingDir::open(spec)?;
        let program = lookup::find(spec, &dir)?;
        let (ours, stdio) = connect(&mut low)?;
        let descriptors = Descriptors::copy(spec)?;
        let guardian = spec.dies_with_parent().then(|| guardian::connect(spec, &descriptors)).transpose()?;
        let launch = Self {
            program: c_string(program.into_os_string()),
            args: Words::new([spec.get_program()].into_iter().chain(spec.get_args()).map(c_string)),
            env: environment::of(spec),
            dir,
            stdio,
            descriptors,
            guardian,
            low,
            spec: spec.clone(),
        };
        Ok((launch, ours))
    }

    pub(super) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The file to execute, from within [`dir`](Self::dir).
    pub(super) fn program(&self) -> &CStr {
        &self.program
    }

    pub(super) fn args(&self) -> &Words {
        &self.args
    }

    pub(super) fn env(&self) -> &Words {
        &self.env
    }

    /// The directory to enter, if any.
    pub(super) fn dir(&self) -> Option<BorrowedFd<'_>> {
        self.dir.fd()
    }

    /// What becomes descriptors 0, 1 and 2. None of them is one of these numbers yet.
    pub(super) fn stdio(&self) -> [BorrowedFd<'_>; 3] {
        self.stdio.each_ref().map(AsFd::as_fd)
    }

    /// What becomes other descriptors.
    pub(super) fn descriptors(&self) -> &Descriptors {
        &self.descriptors
    }

    /// The guardian to register with, if it is to have one.
    pub(super) fn guardian(&self) -> Option<&Connection> {
        self.guardian.as_ref()
    }

    /// Says why there will be no process.
    pub(super) fn refused(&self, refusal: Refusal) -> SpawnError {
        let errno = Errno::from_raw_os_error(refusal.errno);
        let program = Path::new(OsStr::from_bytes(self.program.as_bytes()));
        let subject = match refusal.step {
            SpawnStep::Exec => return lookup::explain(&self.spec, program, &self.dir, errno),
            SpawnStep::Find | SpawnStep::Fork | SpawnStep::Guard | SpawnStep::Watch => {
                program.display().to_string()
            }
            SpawnStep::Chdir => self.spec.get_cwd().unwrap_or(program).display().to_string(),
            SpawnStep::Stdin => self.spec.get_stdin().to_string(),
            SpawnStep::Pipe | SpawnStep::Group => String::new(),
            SpawnStep::Descriptor => {
                format!("{:?}", self.spec.get_descriptors().map(|(number, _)| number).collect::<Vec<_>>())
            }
            SpawnStep::Setgroups => format!("{:?}", self.spec.get_groups().unwrap_or_default()),
            SpawnStep::Setgid => self.spec.get_gid().map_or_else(String::new, |id| id.to_string()),
            SpawnStep::Setuid => self.spec.get_uid().map_or_else(String::new, |id| id.to_string()),
        };
        SpawnError::new(refusal.step, subject, errno.into())
    }

    /// Closes what only the child needed. That also frees the descriptors that the handle of the new process needs;
    /// what is returned keeps it from becoming one of the first three, and is to be dropped after that.
    pub(super) fn close(self) -> LowDescriptors {
        self.low
    }
}

/// Refuses what no system can start.
pub(super) fn check(spec: &Spec) -> Result<(), SpawnError> {
    spec.check().map_err(|error| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, error);
        SpawnError::new(SpawnStep::Exec, spec.to_string(), error)
    })
}

/// Holds `/dev/null` at whichever of the descriptors 0, 1 and 2 the monitor itself has closed, for as long as a start
/// takes (F-15). Nothing that we open meanwhile can get one of these numbers, where the child's own would overwrite it.
#[derive(Debug)]
pub(super) struct LowDescriptors {
    _held: Vec<OwnedFd>,
    /// The one that told us that the low ones are taken: `/dev/null`, ready for use.
    null: Option<OwnedFd>,
}

impl LowDescriptors {
    pub(super) fn fill() -> Result<Self, SpawnError> {
        let mut held = Vec::new();
        loop {
            let null = open_for_reading(Path::new("/dev/null"))?;
            if null.as_raw_fd() > 2 {
                return Ok(Self { _held: held, null: Some(null) });
            }
            held.push(null);
        }
    }

    /// `/dev/null`, open for reading. There is one.
    pub(super) fn take_null(&mut self) -> OwnedFd {
        self.null.take().expect("taken once, by whoever connects the first three")
    }
}

/// What the child reads from.
fn open_stdin(stdin: &Stdin, low: &mut LowDescriptors) -> Result<OwnedFd, SpawnError> {
    // A copy out of the way of the first three: where a number is the right one already, `dup2` in the child would change
    // nothing, and leave on it the mark to be closed by `exec`.
    let copy = |fd: BorrowedFd<'_>| {
        rustix::io::fcntl_dupfd_cloexec(fd, 3)
            .map_err(|errno| SpawnError::new(SpawnStep::Stdin, stdin.to_string(), errno.into()))
    };
    match stdin {
        Stdin::Null => Ok(low.take_null()),
        Stdin::Inherit => copy(io::stdin().as_fd()),
        Stdin::File(path) => open_for_reading(path),
        Stdin::Descriptor(descriptor) => copy(descriptor.as_fd()),
    }
}

fn open_for_reading(path: &Path) -> Result<OwnedFd, SpawnError> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())
        .map_err(|errno| SpawnError::new(SpawnStep::Stdin, path.display().to_string(), errno.into()))
}
