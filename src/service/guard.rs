//! The use of a shared service by one test, and the output of the service during that time.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::recorder::Recorder;
use super::running::RunningService;
use crate::output::print_in_test;

/// The use of a shared service by one test, from [`SharedService::get`](crate::SharedService::get). It
/// dereferences to the [`RunningService`].
///
/// When it is dropped, it prints what the service has printed since `get`, so that the output of the server
/// *during this test* appears with the test if it fails, also if other tests use the server at the same time.
/// `cargo test` and nextest show what a test prints only if it fails. Keep it until the end of the test:
/// `let db = DB.get()?;`. The service itself keeps running.
///
/// ```
/// use childminder::{Service, SharedService};
///
/// static SLEEPER: SharedService = SharedService::new(|| Service::new("sleep").arg("1000"));
///
/// let sleeper = SLEEPER.get()?;
/// assert!(sleeper.is_alive());
/// # Ok::<(), childminder::service::SharedError>(())
/// ```
#[must_use = "the output of the service is shown with the test when this is dropped"]
pub struct SharedGuard {
    service: Arc<RunningService>,
    output: Recorder,
    begin: u64,
}

impl SharedGuard {
    pub(super) fn new(service: Arc<RunningService>, output: Recorder, begin: u64) -> Self {
        Self { service, output, begin }
    }
}

impl Deref for SharedGuard {
    type Target = RunningService;

    fn deref(&self) -> &RunningService {
        &self.service
    }
}

impl Drop for SharedGuard {
    fn drop(&mut self) {
        if let Some(text) = self.output.since(self.begin) {
            print_in_test(&format!("output of {} during this test:\n{text}", self.service.name()));
        }
    }
}

impl fmt::Debug for SharedGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedGuard").field(&self.service).finish()
    }
}
