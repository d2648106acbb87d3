//! One service for several processes, such as those that nextest starts, one for each test.
//!
//! The service belongs to a process of its own, the *keeper*: a copy of the program that first needed the
//! service, which runs up to the same call of [`get`](CrossProcessService::get) and becomes the keeper
//! there. Every process that uses the service holds a connection to the keeper. The kernel closes the
//! connection however the process ends, so the keeper knows when the last one is gone. It stops the service
//! then, and ends. If the keeper itself is killed, its guardian ends the service.
//!
//! The processes meet in a directory that is named after the test run and the service. In it are a lock, the
//! keeper's socket, and the output of the service. A process that finds no keeper starts one, holding the
//! lock; the keeper removes the directory, holding the lock, when no process is connected.
//!
//! `meeting` is that directory, `keeper` the process, `reply` what the keeper sends to its users.

mod keeper;
mod meeting;
mod reply;

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;

use self::meeting::Meeting;
use self::reply::{Access, Reply};
use super::builder::Service;
use super::shared::{SharedError, SharedService};
use crate::output::print_in_test;
use crate::sync::Lock;

/// A service shared by all processes of a test run, from
/// [`SharedService::across_processes`](crate::SharedService::across_processes).
///
/// nextest runs each test in a process of its own. The first process that calls [`get`](Self::get) starts the
/// service, all use it, and it ends after the last one, also if that is killed. Another test run has a
/// service of its own: a run is what nextest calls a run, or else the processes with the same parent.
///
/// ```no_run
/// use childminder::SharedService;
/// use childminder::service::CrossProcessService;
/// # #[cfg(feature = "servers")]
/// use childminder::servers::Postgres;
///
/// # #[cfg(feature = "servers")]
/// static DB: CrossProcessService = SharedService::across_processes("db", || Postgres::new().service());
///
/// // In each test:
/// # #[cfg(feature = "servers")] {
/// let db = DB.get()?;
/// println!("{}", db.url().expect("it has an address"));
/// # }
/// # Ok::<(), childminder::service::SharedError>(())
/// ```
///
/// The service belongs to a background process: a copy of the test program, which runs this test once more,
/// up to the call of `get`, and goes on as the keeper of the service from there. So call `get` first in a
/// test, on the thread of the test.
pub struct CrossProcessService {
    name: &'static str,
    create: fn() -> Service,
    joined: Lock<Option<Joined>>,
}

/// The use of the service by this process.
struct Joined {
    connection: UnixStream,
    access: Arc<Access>,
    output: PathBuf,
    /// The keeper, if this process has started it, to be reaped.
    keeper: Option<Child>,
}

impl SharedService {
    /// Creates a service that all processes of a test run share under this name, for nextest. It is built
    /// with `create` in the process that keeps it.
    pub const fn across_processes(name: &'static str, create: fn() -> Service) -> CrossProcessService {
        CrossProcessService { name, create, joined: Lock::new(None) }
    }
}

impl CrossProcessService {
    /// Returns access to the service: started if necessary, and known to be running. This blocks until the
    /// service is ready.
    ///
    /// # Errors
    ///
    /// [`SharedError::Elsewhere`] if the start has failed, or if the service has died since this process
    /// first used it; the next call looks for a new one. [`SharedError::Io`] if the processes cannot meet.
    pub fn get(&self) -> Result<CrossProcessGuard, SharedError> {
        let io_error = |error| SharedError::Io(self.name.to_owned(), Arc::new(error));
        let mut joined = self.joined.lock();
        if let Some(report) = joined.as_mut().and_then(Joined::poll_end) {
            if let Some(mut keeper) = joined.take().and_then(|joined| joined.keeper) {
                // It has said its last word.
                let _ = keeper.wait();
            }
            return Err(SharedError::Elsewhere(format!("service {} died: {report}", self.name)));
        }
        let first = joined.is_none();
        if first {
            let meeting = Meeting::of(self.name).map_err(io_error)?;
            if meeting.is_kept_here() {
                keeper::run(self.name, self.create, &meeting);
            }
            let (mut connection, keeper) = meeting.join().map_err(io_error)?;
            let access = match Reply::read(&mut connection).map_err(io_error)? {
                Reply::Ready(access) => Arc::new(access),
                Reply::Ended(report) => return Err(SharedError::Elsewhere(report)),
            };
            connection.set_nonblocking(true).map_err(io_error)?;
            *joined = Some(Joined { connection, access, output: meeting.output(), keeper });
        }
        let Some(joined) = &*joined else { unreachable!("it was stored above") };
        let mut output = File::open(&joined.output).ok();
        // The process that has started the service gets the output of the start as well.
        if !(first && joined.keeper.is_some())
            && let Some(file) = &mut output
        {
            file.seek(SeekFrom::End(0)).map_err(io_error)?;
        }
        Ok(CrossProcessGuard { name: self.name, access: Arc::clone(&joined.access), output })
    }
}

impl Joined {
    /// Returns the report of the keeper if the service has ended.
    fn poll_end(&mut self) -> Option<String> {
        match Reply::read(&mut self.connection) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Ok(Reply::Ended(report)) => Some(report),
            Ok(Reply::Ready(_)) | Err(_) => Some("its keeper was killed".to_owned()),
        }
    }
}

/// The use of a service by one test of several processes, from [`CrossProcessService::get`].
///
/// When it is dropped, it prints what the service has printed since `get`, so that the output of the server
/// *during this test* appears with the test if it fails. Keep it until the end of the test. The service keeps
/// running until the last process that uses it has ended.
#[must_use = "the output of the service is shown with the test when this is dropped"]
pub struct CrossProcessGuard {
    name: &'static str,
    access: Arc<Access>,
    output: Option<File>,
}

impl CrossProcessGuard {
    /// Returns the process id of the service.
    pub fn pid(&self) -> u32 {
        self.access.pid
    }

    /// Returns the number of the port of the service, if it has one.
    pub fn port(&self) -> Option<u16> {
        self.access.port
    }

    /// Returns the number of the port with this name ([`Service::named_port`](crate::Service::named_port)).
    pub fn named_port(&self, name: &str) -> Option<u16> {
        self.access.named_ports.iter().find(|(known, _)| known == name).map(|(_, number)| *number)
    }

    /// Returns the address for clients, if the service has one ([`Service::url`](crate::Service::url)).
    pub fn url(&self) -> Option<&str> {
        self.access.url.as_deref()
    }

    /// Returns the scratch directory of the service, if it has one.
    pub fn dir(&self) -> Option<&Path> {
        self.access.dir.as_deref()
    }

    /// Returns the values that [`Service::capture`](crate::Service::capture) has found in the output.
    pub fn captured(&self) -> &[String] {
        &self.access.captured
    }
}

impl Drop for CrossProcessGuard {
    fn drop(&mut self) {
        let mut bytes = Vec::new();
        let read = self.output.as_mut().map(|file| file.read_to_end(&mut bytes));
        if matches!(read, Some(Ok(length)) if length > 0) {
            let text = String::from_utf8_lossy(&bytes);
            print_in_test(&format!("output of {} during this test:\n{text}", self.name));
        }
    }
}

impl fmt::Debug for CrossProcessGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrossProcessGuard")
            .field("name", &self.name)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CrossProcessService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrossProcessService").field("name", &self.name).finish_non_exhaustive()
    }
}
