//! What the thread does, as one future.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_channel::Receiver;
use async_executor::LocalExecutor;

use crate::panic_guard::catch;

/// Puts a future into the executor.
pub(super) type Job = Box<dyn FnOnce(&LocalExecutor<'static>) + Send>;

/// All that a [`Background`](super::Background) is called for, as one future: it is done when the `Background` stops.
///
/// Whoever drives it (see [`Background::with`](super::Background::with)) drives every future that is called, on the same
/// thread. Dropping it before it is done drops them all, and their calls fail; it never panics.
#[must_use = "it is to be driven to its end"]
pub struct WorkFuture(Pin<Box<dyn Future<Output = ()>>>);

impl WorkFuture {
    pub(super) fn new(jobs: Receiver<Job>) -> Self {
        let jobs = Jobs(jobs);
        Self(Box::pin(async move {
            let executor = LocalExecutor::new();
            let take_jobs = async {
                while let Ok(job) = jobs.0.recv().await {
                    job(&executor);
                }
            };
            executor.run(take_jobs).await;
        }))
    }
}

impl Future for WorkFuture {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for WorkFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

/// The receiving end. When it goes, nothing may be left in the channel: a call whose job nobody will ever look at would
/// wait for its whole time.
struct Jobs(Receiver<Job>);

impl Drop for Jobs {
    fn drop(&mut self) {
        self.0.close();
        while let Ok(job) = self.0.try_recv() {
            let _ = catch(|| drop(job));
        }
    }
}
