//! One call: a future on its way to the thread, and its value on the way back.
//!
//! A call has a reply channel and a cancellation event. What the caller sees depends on an order:
//!
//! 1. the timeout of the caller expires, and it sets the event;
//! 2. the task, which checks the event first whenever it is polled, drops its future without polling it
//!    again;
//! 3. the task drops its end of the reply channel, and only then does the caller return.
//!
//! A value that was sent before step 1 is returned: what has happened cannot be cancelled.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use futures_lite::future::or;

use super::error::CallError;
use super::work::Job;
use crate::panic_guard::GuardedFuture;
use crate::sync::SetOnce;

/// The caller's side of a call.
pub(super) struct Call<T> {
    reply: mpsc::Receiver<Result<T, String>>,
    cancelled: SetOnce,
}

impl<T: Send + 'static> Call<T> {
    /// Creates a call and its job. Dropping the job instead of running it ends the call.
    pub(super) fn new<F: Future<Output = T> + 'static>(
        make: impl FnOnce() -> F + Send + 'static,
    ) -> (Self, Job) {
        let (replier, reply) = mpsc::channel();
        let cancelled = SetOnce::new();
        let cancellation = cancelled.wait();
        let job: Job = Box::new(move |executor| {
            let value_replier = replier.clone();
            // The value is sent from inside: if there is no receiver it is dropped here, and its destructor
            // may panic.
            let future = GuardedFuture::new(async move {
                let value = make().await;
                let _ = value_replier.send(Ok(value));
            });
            let task = async move {
                let cancelled = async {
                    cancellation.await;
                    Ok(())
                };
                let outcome = or(cancelled, future).await;
                if let Err(message) = outcome {
                    let _ = replier.send(Err(message));
                }
            };
            executor.spawn(task).detach();
        });
        (Self { reply, cancelled }, job)
    }

    /// Waits up to `timeout` for the value, and then up to `grace` until the future is dropped.
    pub(super) fn wait(self, timeout: Duration, grace: Duration) -> Result<T, CallError> {
        match self.reply.recv_timeout(timeout) {
            Ok(outcome) => return outcome.map_err(CallError::Panicked),
            Err(RecvTimeoutError::Disconnected) => return Err(CallError::Stopped),
            Err(RecvTimeoutError::Timeout) => {
                self.cancelled.set();
            }
        }
        match self.reply.recv_timeout(grace) {
            Ok(outcome) => outcome.map_err(CallError::Panicked),
            Err(RecvTimeoutError::Disconnected) => Err(CallError::TimedOut { after: timeout }),
            Err(RecvTimeoutError::Timeout) => Err(CallError::Hung { after: timeout }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::background::work::WorkFuture;

    #[test]
    fn rx_7_a_call_whose_job_was_never_run_ends_with_the_work() {
        let (jobs, queue) = async_channel::unbounded();
        let work = WorkFuture::new(queue);
        let (call, job) = Call::new(|| async {});
        assert!(jobs.try_send(job).is_ok());
        drop(work);
        assert_eq!(call.wait(Duration::from_secs(20), Duration::ZERO), Err(CallError::Stopped));
    }
}
