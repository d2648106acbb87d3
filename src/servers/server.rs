//! What all ready-made servers share.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, access, statvfs};
use rustix::process::geteuid;

use super::find::{find_program, searched};
use crate::host::Spec;
use crate::monitor::StopError;
use crate::service::{MissingProgram, NotReady, NotReadyReason, RunningService, Service, ServiceExit};

/// The user that every system has for programs that own nothing, by name and by number.
const UNPRIVILEGED: [&str; 2] = ["nobody", "65534"];

/// A file system in memory, on Linux.
const MEMORY: &str = "/dev/shm";

/// The room that a database needs there.
const LEAST_MEMORY: u64 = 1024 * 1024 * 1024;

/// A kind of server that is known to this crate, such as [`PostgresKind`](super::PostgresKind), with its own
/// settings.
pub trait ServerKind: Clone + fmt::Debug + Default + Send + Sync + 'static {
    /// The names of the program; the first that is found is used.
    const PROGRAMS: &'static [&'static str];
    /// The directories that are searched before PATH.
    const BEFORE_PATH: &'static [&'static str] = &[];
    /// The directories that are searched after PATH. `*` stands for any version.
    const AFTER_PATH: &'static [&'static str] = &[];
    /// The command that installs the program, for each system.
    const PACKAGES: &'static [(&'static str, &'static str)];
    /// The user that the package creates for the server.
    const USER: &'static str;

    /// Whether the server writes many files, so that its scratch directory should be in memory if there is
    /// room for it.
    const IN_MEMORY: bool = false;

    /// Describes the server as a service. `service` has the program, the user, a scratch directory, which is
    /// the working directory, and a free port.
    fn describe(&self, program: &Path, service: Service) -> Service;
}

/// A ready-made server, such as [`Postgres`](super::Postgres), with its settings.
///
/// ```no_run
/// use std::time::Duration;
///
/// use childminder::servers::Redis;
///
/// let redis = Redis::new()
///     .adjust(|service| service.args(["--maxmemory", "100mb"]).timeout(Duration::from_secs(30)))
///     .start()?;
/// # Ok::<(), childminder::NotReady>(())
/// ```
#[derive(Clone)]
#[must_use = "a server does nothing until it is started"]
pub struct Server<K> {
    pub(super) kind: K,
    program: Option<PathBuf>,
    existing: Option<String>,
    adjustments: Vec<Arc<dyn Fn(Service) -> Service + Send + Sync>>,
}

impl<K: ServerKind> Server<K> {
    /// Creates a server with the default settings.
    pub fn new() -> Self {
        Self { kind: K::default(), program: None, existing: None, adjustments: Vec::new() }
    }

    /// Uses the server at the address in this environment variable instead of a new one, if the variable is
    /// set: for a server that is kept running during development, for instance by `childminder up`. If it is
    /// not set or empty, a new server is started.
    ///
    /// ```no_run
    /// use childminder::servers::Postgres;
    ///
    /// let db = Postgres::from_env("DATABASE_URL").start()?;
    /// # Ok::<(), childminder::NotReady>(())
    /// ```
    pub fn from_env(variable: &str) -> Self {
        let existing = env::var(variable).ok().filter(|url| !url.is_empty());
        Self { existing, ..Self::new() }
    }

    /// Sets the path of the program. Default: the first one that is found, see the
    /// [module](crate::servers).
    pub fn program(mut self, path: impl AsRef<Path>) -> Self {
        self.program = Some(path.as_ref().to_owned());
        self
    }

    /// Changes the service: adds arguments, conditions or steps, sets the time to become ready, and so on.
    /// Placeholders are filled in. Several changes apply in order.
    pub fn adjust(mut self, change: impl Fn(Service) -> Service + Send + Sync + 'static) -> Self {
        self.adjustments.push(Arc::new(change));
        self
    }

    /// Returns the server as a service, for instance for a [`SharedService`](crate::SharedService). If its
    /// program is missing, each start fails.
    ///
    /// ```
    /// use childminder::SharedService;
    /// use childminder::servers::Redis;
    ///
    /// static REDIS: SharedService = SharedService::new(|| Redis::new().service());
    /// ```
    pub fn service(&self) -> Service {
        let found = || find_program(K::PROGRAMS, K::BEFORE_PATH, K::AFTER_PATH);
        let Some(program) = self.program.clone().or_else(found) else {
            let directories = searched(K::BEFORE_PATH, K::AFTER_PATH);
            let missing = MissingProgram::new(K::PROGRAMS[0], directories, K::PACKAGES.iter().copied());
            return Service::new(K::PROGRAMS[0]).failing(NotReadyReason::MissingProgram(missing));
        };
        let mut service = Service::new(&program).name(K::PROGRAMS[0]).scratch().free_port().cwd("{dir}");
        if geteuid().is_root() {
            service = service.user(unprivileged_user(K::USER));
        }
        // Servers and their tools write below HOME and TMPDIR, where other users have no access.
        service = service.env("HOME", "{dir}").env("TMPDIR", "{dir}");
        if K::IN_MEMORY && has_memory() {
            service = service.scratch_in(MEMORY);
        }
        let service = self.kind.describe(&program, service);
        self.adjustments.iter().fold(service, |service, change| change(service))
    }

    /// Starts the server and waits until it is ready. Each start is a new server.
    ///
    /// # Errors
    ///
    /// [`NotReady`], with everything that is known. No process and no file of the server is left then.
    pub fn start(&self) -> Result<RunningServer<K>, NotReady> {
        let service = match &self.existing {
            Some(_) => None,
            None => Some(self.service().start()?),
        };
        Ok(self.running(service))
    }

    /// Starts the server like [`start`](Self::start), for asynchronous code on any executor. Dropping the
    /// future stops the server and waits for its end.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start).
    pub async fn start_async(&self) -> Result<RunningServer<K>, NotReady> {
        let service = match &self.existing {
            Some(_) => None,
            None => Some(self.service().start_async().await?),
        };
        Ok(self.running(service))
    }

    fn running(&self, service: Option<RunningService>) -> RunningServer<K> {
        let own = || service.as_ref().and_then(RunningService::url).unwrap_or_default().to_owned();
        let url = self.existing.clone().unwrap_or_else(own);
        RunningServer { url, service, kind: self.kind.clone() }
    }
}

impl<K: ServerKind> Default for Server<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: ServerKind> From<Server<K>> for Service {
    fn from(server: Server<K>) -> Self {
        server.service()
    }
}

impl<K: fmt::Debug> fmt::Debug for Server<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("kind", &self.kind)
            .field("program", &self.program)
            .field("existing", &self.existing)
            .field("adjustments", &self.adjustments.len())
            .finish()
    }
}

/// Returns whether there is a file system in memory with enough room. In a container it often has 64 MiB.
fn has_memory() -> bool {
    let has_room =
        statvfs(MEMORY).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) >= LEAST_MEMORY);
    has_room && access(MEMORY, Access::WRITE_OK).is_ok()
}

/// Returns the user of the package, if it is installed, or one that owns nothing.
fn unprivileged_user(package: &'static str) -> &'static str {
    let exists = |user: &&str| Spec::new("").user(user).get_uid().is_some_and(|uid| uid != 0);
    [package, UNPRIVILEGED[0]].into_iter().find(exists).unwrap_or(UNPRIVILEGED[1])
}

/// A ready-made server that is ready, from [`Server::start`]. It is stopped when this is dropped, with
/// everything that it has started, and its directory is removed.
///
/// The drop blocks its thread; in asynchronous code use [`stop_async`](Self::stop_async).
#[derive(Debug)]
#[must_use = "the server is stopped when this is dropped; the drop blocks, so use `stop_async` in async code"]
pub struct RunningServer<K> {
    url: String,
    service: Option<RunningService>,
    pub(super) kind: K,
}

impl<K> RunningServer<K> {
    /// Returns the address for clients, such as `redis://127.0.0.1:40123/`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the number of the port; `None` for an existing server.
    pub fn port(&self) -> Option<u16> {
        self.service.as_ref().and_then(RunningService::port)
    }

    /// Returns the service; `None` for an existing server ([`Server::from_env`]).
    pub fn service(&self) -> Option<&RunningService> {
        self.service.as_ref()
    }

    /// Stops the server and waits for its end ([`RunningService::stop`]). An existing server is not stopped.
    ///
    /// # Errors
    ///
    /// [`StopError`] naming the processes that survived KILL.
    pub fn stop(self) -> Result<Option<ServiceExit>, StopError> {
        self.service.map_or(Ok(None), RunningService::stop)
    }

    /// Stops the server like [`stop`](Self::stop), without blocking the thread.
    ///
    /// # Errors
    ///
    /// [`StopError`] naming the processes that survived KILL.
    pub async fn stop_async(self) -> Result<Option<ServiceExit>, StopError> {
        match self.service {
            Some(service) => service.stop_async().await,
            None => Ok(None),
        }
    }
}
