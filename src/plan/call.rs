//! Steps that call a function of the test.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use super::error::PlanErrorKind;
use crate::panic_guard::{GuardedFuture, catch};
use crate::sync::Oneshot;

/// A return value of the function of a [`call`](crate::Plan::call): `()`, or a `Result<(), E>` whose error
/// fails the plan.
///
/// ```
/// use childminder::Plan;
///
/// let mut plan = Plan::new("example")?;
/// plan.call("say hello", || println!("hello"));
/// plan.call("read a file", || std::fs::read("/etc/hostname").map(drop));
/// # Ok::<(), childminder::PlanError>(())
/// ```
pub trait IntoStepResult {
    /// Converts the return value to a result.
    ///
    /// # Errors
    ///
    /// The error with which the plan is to fail.
    fn into_result(self) -> Result<(), Box<dyn Error + Send + Sync>>;
}

impl IntoStepResult for () {
    fn into_result(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> IntoStepResult for Result<(), E> {
    fn into_result(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.map_err(Into::into)
    }
}

type Returned = Result<(), Box<dyn Error + Send + Sync>>;
type Task = Pin<Box<dyn Future<Output = Returned> + Send>>;

/// A function to call once in every run.
#[derive(Clone)]
pub(super) enum Call {
    /// A function that may block, on its own thread.
    Blocking(Arc<dyn Fn() -> Returned + Send + Sync>),
    /// A future, polled beside the plan on its executor.
    Future(Arc<dyn Fn() -> Task + Send + Sync>),
}

/// A call in progress. Dropping it drops a future; a thread keeps running.
pub(super) type Calling = Pin<Box<dyn Future<Output = Result<(), PlanErrorKind>> + Send>>;

impl Call {
    pub(super) fn blocking<R: IntoStepResult>(call: impl Fn() -> R + Send + Sync + 'static) -> Self {
        Self::Blocking(Arc::new(move || call().into_result()))
    }

    pub(super) fn future<R: IntoStepResult, F: Future<Output = R> + Send + 'static>(
        call: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self::Future(Arc::new(move || {
            let future = call();
            Box::pin(async { future.await.into_result() })
        }))
    }

    /// Begins the call. On a host without threads a blocking function is called in place, before this
    /// returns.
    ///
    /// # Errors
    ///
    /// The error of the system if it cannot create a thread.
    pub(super) fn begin(&self, has_threads: bool) -> io::Result<Calling> {
        Ok(match self {
            Self::Blocking(call) if has_threads => {
                let (call, result) = (call.clone(), Arc::new(Oneshot::new()));
                let returned = result.clone();
                thread::Builder::new().name("childminder-call".to_owned()).spawn(move || {
                    returned.fill(step_result(catch(|| call())));
                })?;
                Box::pin(poll_fn(move |cx| result.poll(cx)))
            }
            Self::Blocking(call) => {
                let returned = step_result(catch(|| call()));
                Box::pin(async { returned })
            }
            Self::Future(call) => {
                let task = catch(|| call()).map(GuardedFuture::from);
                Box::pin(async move {
                    step_result(match task {
                        Ok(task) => task.await,
                        Err(panic) => Err(panic),
                    })
                })
            }
        })
    }
}

fn step_result(returned: Result<Returned, String>) -> Result<(), PlanErrorKind> {
    match returned {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(PlanErrorKind::CallFailed(error.into())),
        Err(message) => Err(PlanErrorKind::CallPanicked(message)),
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blocking(_) => "Blocking(..)",
            Self::Future(_) => "Future(..)",
        })
    }
}
