//! Everything that a start needs, prepared before there is a process.
//!
//! Between the creation of a process and `exec` nothing may be allocated, and an error can only be reported
//! as a number. So all lookups, conversions and checks, and every `open`, take place here.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;

use crate::host::Spec;
use crate::machine::{SpawnError, SpawnStep};

use super::attributes::Attributes;
use super::cstr_array::{CStrArray, c_string};
use super::descriptors::Descriptors;
use super::environment::{self, Additions};
use super::guardian::{self, Reservation};
use super::lookup::{self, WorkingDir};
use super::mark::{self, RunMark};
use super::platform::run_limits;
use super::report::ChildError;
use super::stdio::LowDescriptors;
use super::streams::Streams;

/// A process that is about to be created.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    spec: Cow<'a, Spec>,
    program: CString,
    args: CStrArray,
    env: CStrArray,
    dir: WorkingDir,
    stdio: [OwnedFd; 3],
    attributes: Attributes,
    descriptors: Descriptors,
    reservation: Option<Reservation>,
    mark: RunMark,
    run_limits: Option<[u64; 2]>,
    low: LowDescriptors,
}

impl<'a> Launch<'a> {
    /// Prepares a start with pipes or a terminal, and returns this process's ends of them as well.
    pub(super) fn prepare(spec: &'a Spec) -> Result<(Self, Streams), SpawnError> {
        Self::gather(spec, |low| Streams::open(spec, low))
    }

    /// Prepares a start. `connect` makes descriptors 0, 1 and 2 of the child, none of which may have one of
    /// these numbers yet.
    pub(super) fn gather<T>(
        spec: &'a Spec,
        connect: impl FnOnce(&mut LowDescriptors) -> Result<(T, [OwnedFd; 3]), SpawnError>,
    ) -> Result<(Self, T), SpawnError> {
        check(spec)?;
        let mut low = LowDescriptors::fill()?;
        let attributes = Attributes::prepare(spec)?;
        let dir = WorkingDir::open(spec)?;
        let program = lookup::find(spec, &dir)?;
        let (ours, stdio) = connect(&mut low)?;
        let descriptors = Descriptors::copy(spec)?;
        let mark = RunMark::next();
        let reservation = guardian::reserve(spec, mark)?;
        let additions: Additions = vec![(mark::VARIABLE, mark.to_string().into())];
        let launch = Self {
            program: c_string(program.into_os_string()),
            args: CStrArray::new([spec.get_program()].into_iter().chain(spec.get_args())),
            env: environment::build(spec, &additions),
            dir,
            stdio,
            attributes,
            descriptors,
            reservation,
            mark,
            run_limits: run_limits(mark),
            low,
            spec: Cow::Borrowed(spec),
        };
        Ok((launch, ours))
    }

    /// Copies the spec, for a start that keeps all of this.
    pub(super) fn into_owned(self) -> Launch<'static> {
        Launch { spec: Cow::Owned(self.spec.into_owned()), ..self }
    }

    pub(super) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Returns the file to execute, relative to [`dir`](Self::dir).
    pub(super) fn program(&self) -> &CStr {
        &self.program
    }

    pub(super) fn args(&self) -> &CStrArray {
        &self.args
    }

    pub(super) fn env(&self) -> &CStrArray {
        &self.env
    }

    /// Returns the directory to enter, if any.
    pub(super) fn dir(&self) -> Option<BorrowedFd<'_>> {
        self.dir.fd()
    }

    /// Returns what becomes descriptors 0, 1 and 2. None of them has one of these numbers yet.
    pub(super) fn stdio(&self) -> [BorrowedFd<'_>; 3] {
        self.stdio.each_ref().map(AsFd::as_fd)
    }

    /// Returns the limits and priorities that the child sets itself.
    pub(super) fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Returns what becomes other descriptors.
    pub(super) fn descriptors(&self) -> &Descriptors {
        &self.descriptors
    }

    /// Returns the entry that is reserved for the child with the guardian, if there is to be one.
    pub(super) fn reservation(&self) -> Option<&Reservation> {
        self.reservation.as_ref()
    }

    /// Takes the reserved entry, when the child exists.
    pub(super) fn take_reservation(&mut self) -> Option<Reservation> {
        self.reservation.take()
    }

    /// Returns the mark of the run.
    pub(super) fn mark(&self) -> RunMark {
        self.mark
    }

    /// Returns the soft and the hard limit that mark the run, if there are to be any.
    pub(super) fn run_limits(&self) -> Option<[u64; 2]> {
        self.run_limits
    }

    /// Describes an error of the child.
    pub(super) fn describe(&self, error: ChildError) -> SpawnError {
        let errno = Errno::from_raw_os_error(error.errno);
        let program = Path::new(OsStr::from_bytes(self.program.as_bytes()));
        let subject = match error.step {
            SpawnStep::Exec => return lookup::explain(&self.spec, program, &self.dir, errno),
            SpawnStep::Find | SpawnStep::Notify | SpawnStep::Fork | SpawnStep::Guard | SpawnStep::Watch => {
                program.display().to_string()
            }
            SpawnStep::Chdir => self.spec.get_cwd().unwrap_or(program).display().to_string(),
            SpawnStep::Stdin => self.spec.get_stdin().to_string(),
            SpawnStep::Pipe | SpawnStep::Terminal | SpawnStep::Group | SpawnStep::Cgroup => String::new(),
            SpawnStep::Nice | SpawnStep::IoPriority | SpawnStep::OomScore | SpawnStep::Limit => {
                self.attributes.describe(error)
            }
            SpawnStep::Descriptor => {
                format!("{:?}", self.spec.get_descriptors().map(|(number, _)| number).collect::<Vec<_>>())
            }
            SpawnStep::Setgroups => format!("{:?}", self.spec.get_groups().unwrap_or_default()),
            SpawnStep::Setgid => self.spec.get_gid().map_or_else(String::new, |id| id.to_string()),
            SpawnStep::Setuid => self.spec.get_uid().map_or_else(String::new, |id| id.to_string()),
        };
        SpawnError::new(error.step, subject, errno.into())
    }

    /// Closes what only the child needed, which also frees descriptors for the handle of the new process. The
    /// second part of the result keeps that handle from becoming one of the first three, and is to be dropped
    /// afterwards.
    pub(super) fn close(self) -> (Cow<'a, Spec>, LowDescriptors) {
        (self.spec, self.low)
    }
}

/// Returns an error for a spec that no system can start.
pub(super) fn check(spec: &Spec) -> Result<(), SpawnError> {
    spec.check().map_err(|error| {
        let error = io::Error::new(io::ErrorKind::InvalidInput, error);
        SpawnError::new(SpawnStep::Exec, spec.to_string(), error)
    })
}
