//! A step that calls something of the test's own.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use super::error::StepFailure;
use crate::panic_guard::{GuardedFuture, catch};

/// What a [`call`](super::Plan::call) may return: nothing, or whether it went well.
pub trait IntoStepResult {
    /// The error, if it is one.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; the plan fails with it.
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

/// Something to call, once in every run.
#[derive(Clone)]
pub(super) enum Call {
    /// On a thread of its own: it may block.
    Blocking(Arc<dyn Fn() -> Returned + Send + Sync>),
    /// Beside the plan itself, on whatever executor that runs.
    Future(Arc<dyn Fn() -> Task + Send + Sync>),
}

/// A call that was begun. Dropping it gives up waiting: a future is dropped, a thread runs on by itself.
pub(super) type Calling = Pin<Box<dyn Future<Output = Result<(), StepFailure>> + Send>>;

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

    /// Begins. In a world without threads what blocks is called in place, before this returns.
    ///
    /// # Errors
    ///
    /// The system's, when it has no thread to give.
    pub(super) fn begin(&self, has_threads: bool) -> io::Result<Calling> {
        Ok(match self {
            Self::Blocking(call) if has_threads => {
                let (sender, answer) = async_channel::bounded(1);
                let call = call.clone();
                thread::Builder::new().name("childminder-call".to_owned()).spawn(move || {
                    // Whoever waited may have lost patience.
                    let _ = sender.try_send(told(catch(|| call())));
                })?;
                Box::pin(async move { answer.recv().await.expect("the thread answers before it ends") })
            }
            Self::Blocking(call) => {
                let returned = told(catch(|| call()));
                Box::pin(async { returned })
            }
            Self::Future(call) => {
                let task = catch(|| call()).map(GuardedFuture::from);
                Box::pin(async move {
                    told(match task {
                        Ok(task) => task.await,
                        Err(words) => Err(words),
                    })
                })
            }
        })
    }
}

fn told(returned: Result<Returned, String>) -> Result<(), StepFailure> {
    match returned {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(StepFailure::Returned(error.into())),
        Err(words) => Err(StepFailure::Panicked(words)),
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
