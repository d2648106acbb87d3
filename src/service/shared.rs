//! One service shared by many tests.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::guard::SharedGuard;
use super::recorder::Recorder;
use super::{NotReady, RunningService, Service, ServiceDied};
use crate::shutdown;
use crate::sync::Lock;

/// A service shared by all tests of a binary. The first test that uses it starts it; it is stopped when the
/// process exits.
///
/// ```
/// use childminder::{Service, SharedService};
///
/// static SLEEPER: SharedService = SharedService::new(|| Service::new("sleep").arg("1000"));
///
/// // In each test:
/// let sleeper = SLEEPER.get()?;
/// assert!(sleeper.is_alive());
/// # Ok::<(), childminder::service::SharedError>(())
/// ```
///
/// `cargo test` runs all tests of a binary in one process, on several threads: they share one service. When
/// the process exits, the service is stopped with everything it has started.
///
/// nextest runs each test in a process of its own: each test that uses the service starts one, with a free
/// port of its own. [`across_processes`](Self::across_processes) shares one between them.
///
/// A process that is ended by a signal other than INT and TERM, or by `abort`, does not stop the service
/// gracefully; the guardian kills it.
pub struct SharedService {
    create: fn() -> Service,
    state: Lock<State>,
}

enum State {
    /// The service was not started yet, or its death has been reported.
    Down,
    Up(Arc<RunningService>, Recorder),
    /// The start has failed. It is not repeated, so that other tests do not wait for another failure.
    Failed(Arc<NotReady>),
}

impl SharedService {
    /// Creates a shared service, which is built with `create` when the first test uses it.
    pub const fn new(create: fn() -> Service) -> Self {
        Self { create, state: Lock::new(State::Down) }
    }

    /// Returns the service: started if necessary, and known to be running. If several threads call this at
    /// the same time, one of them starts it.
    ///
    /// The guard shows what the server prints during the test; keep it until the test ends.
    ///
    /// # Errors
    ///
    /// [`SharedError::NotReady`] if the start has failed; every later call returns the same error at once.
    /// [`SharedError::ServiceDied`] if the service has died since the last call. This is returned once, so
    /// that it does not go unnoticed; the next call starts a new process.
    pub fn get(&self) -> Result<SharedGuard, SharedError> {
        let mut state = self.state.lock();
        match &*state {
            State::Down => {}
            State::Failed(error) => return Err(SharedError::NotReady(Arc::clone(error))),
            State::Up(service, output) => match service.reset() {
                Ok(()) => {
                    return Ok(SharedGuard::new(Arc::clone(service), output.clone(), output.position()));
                }
                Err(died) => {
                    *state = State::Down;
                    return Err(SharedError::ServiceDied(died));
                }
            },
        }
        shutdown::at_exit();
        let output = Recorder::default();
        let mut service = (self.create)();
        service.recipe.recorder = Some(output.clone());
        match service.start() {
            Ok(service) => {
                let service = Arc::new(service);
                *state = State::Up(Arc::clone(&service), output.clone());
                Ok(SharedGuard::new(service, output, 0))
            }
            Err(error) => {
                let error = Arc::new(error);
                *state = State::Failed(Arc::clone(&error));
                Err(SharedError::NotReady(error))
            }
        }
    }
}

impl fmt::Debug for SharedService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state.try_lock() {
            Some(state) => match &*state {
                State::Down => "down",
                State::Up(..) => "up",
                State::Failed(_) => "failed",
            },
            None => "locked",
        };
        f.debug_tuple("SharedService").field(&state).finish()
    }
}

/// The error of a shared service. `{}` and `{:?}` both show the whole report.
#[derive(Clone)]
#[non_exhaustive]
pub enum SharedError {
    /// The start has failed.
    NotReady(Arc<NotReady>),
    /// The service has died since it was last used.
    ServiceDied(ServiceDied),
    /// The service could not be started, or has died, in the process that keeps it for several processes.
    /// This is the report of that process.
    Elsewhere(String),
    /// The processes that share the service of this name cannot meet.
    Io(String, Arc<io::Error>),
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady(error) => error.fmt(f),
            Self::ServiceDied(died) => died.fmt(f),
            Self::Elsewhere(report) => f.write_str(report),
            Self::Io(name, error) => {
                write!(f, "cannot share service {name} with other processes: {error}")
            }
        }
    }
}

/// Shows the same report as `{}`, since a test that returns the error shows it in this format.
impl fmt::Debug for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// There is no source: the report of this error contains that of the inner one.
impl std::error::Error for SharedError {}
