//! One service for many tests.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{NotReady, RunningService, Service, ServiceDied};
use crate::shutdown;

/// One service for all tests of a binary: started by the first that asks for it, checked for each other one, stopped when
/// the process ends.
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
/// *`cargo test`* runs all tests of a binary in one process, on several threads: they share one service. At the end of
/// the process it is stopped with its whole group, politely first.
///
/// *nextest* runs each test in a process of its own: each test that asks for the service starts one. Whatever they have
/// in common, such as a port that is written down, will clash; use a [`Port`](super::Port), which will not.
///
/// A process that ends by a signal, or by `abort`, does not stop it politely; the guardian kills it then.
pub struct SharedService {
    make: fn() -> Service,
    state: Mutex<State>,
}

enum State {
    /// Nobody has asked yet, or the one that was there has died and that was told.
    Down,
    Up(Arc<RunningService>),
    /// It could not be started. Others who ask need not wait for that again.
    Failed(Arc<NotReady>),
}

impl SharedService {
    /// A service that is made by `make` when the first test asks for it.
    pub const fn new(make: fn() -> Service) -> Self {
        Self { make, state: Mutex::new(State::Down) }
    }

    /// The service: started if need be, and known to be alive. Several threads may ask at once; one of them starts it.
    ///
    /// # Errors
    ///
    /// [`SharedError::NotReady`] when it could not be started; whoever asks later is told the same, at once.
    /// [`SharedError::ServiceDied`] when it has died since the last test asked: this is told once, so that it does not go
    /// unnoticed, and the next to ask gets a new one (SV-7).
    pub fn get(&self) -> Result<Arc<RunningService>, SharedError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Down => {}
            State::Failed(error) => return Err(SharedError::NotReady(Arc::clone(error))),
            State::Up(service) => match service.reset() {
                Ok(()) => return Ok(Arc::clone(service)),
                Err(died) => {
                    *state = State::Down;
                    return Err(SharedError::ServiceDied(died));
                }
            },
        }
        shutdown::at_exit();
        match (self.make)().start() {
            Ok(service) => {
                let service = Arc::new(service);
                *state = State::Up(Arc::clone(&service));
                Ok(service)
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
            Ok(state) => match &*state {
                State::Down => "down",
                State::Up(_) => "up",
                State::Failed(_) => "failed",
            },
            Err(_) => "being asked for",
        };
        f.debug_tuple("SharedService").field(&state).finish()
    }
}

/// Why a shared service is not there. It shows all there is to know, with `{}` and with `{:?}` alike.
#[derive(Clone)]
#[non_exhaustive]
pub enum SharedError {
    /// It could not be started.
    NotReady(Arc<NotReady>),
    /// It has died since somebody asked for it last.
    ServiceDied(ServiceDied),
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady(error) => error.fmt(f),
            Self::ServiceDied(died) => died.fmt(f),
        }
    }
}

/// The same as shown with `{}`: this is what a test shows that ends with the error.
impl fmt::Debug for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Both are told in full by what is shown, so there is no source behind them.
impl std::error::Error for SharedError {}
