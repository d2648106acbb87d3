//! Everything that the thread does, as one future.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_channel::Receiver;
use async_executor::LocalExecutor;

use crate::panic_guard::catch;

/// Spawns the future of a call on the executor.
pub(super) type Job = Box<dyn FnOnce(&LocalExecutor<'static>) + Send>;

/// All the work of a [`Background`](crate::Background), as one future. It is done when the `Background`
/// stops.
///
/// An executor of your own (see [`Background::with`](crate::Background::with)) drives this future, and with
/// it every future that is called, on the same thread. Dropping it before it is done drops those futures, and
/// their calls fail. It never panics.
///
/// ```
/// use childminder::Background;
///
/// let background = Background::with(|work| async_io::block_on(work))?;
/// background.stop()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "no call runs unless this future is driven"]
pub struct WorkFuture(Pin<Box<dyn Future<Output = ()>>>);

impl WorkFuture {
    pub(super) fn new(jobs: Receiver<Job>) -> Self {
        let jobs = Jobs(jobs);
        Self(Box::pin(async move {
            let executor = LocalExecutor::new();
            let run_jobs = async {
                while let Ok(job) = jobs.0.recv().await {
                    job(&executor);
                }
            };
            executor.run(run_jobs).await;
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
        f.debug_struct("WorkFuture").finish_non_exhaustive()
    }
}

/// The receiving end of the queue. Dropping it empties the queue: a call whose job stayed there would wait
/// for its whole timeout.
struct Jobs(Receiver<Job>);

impl Drop for Jobs {
    fn drop(&mut self) {
        self.0.close();
        while let Ok(job) = self.0.try_recv() {
            let _ = catch(|| drop(job));
        }
    }
}
