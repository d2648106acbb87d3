//! One call: a future on its way to the thread, and its value on the way back.
//!
//! Two channels belong to a call. The caller waits for the *reply*; the task waits, besides its future, for the other end
//! of *wanted* to be dropped. What the caller sees depends on an order:
//!
//! 1. the caller's time is over, and it drops `wanted`;
//! 2. the task, which looks there first whenever it is polled, drops its future without polling it again;
//! 3. the task drops its end of the reply, and only by that the caller knows.
//!
//! A value that was on its way before 1 is taken: what is done is done.

use std::convert::Infallible;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use async_channel::Sender;
use futures_lite::future::or;

use super::error::CallError;
use super::work::Job;
use crate::panic_guard::GuardedFuture;

/// What the caller holds.
pub(super) struct Call<T> {
    reply: mpsc::Receiver<Result<T, String>>,
    wanted: Sender<Infallible>,
}

impl<T: Send + 'static> Call<T> {
    /// A call, and the job that is to be handed in for it. A job that is dropped instead ends the call.
    pub(super) fn new<F: Future<Output = T> + 'static>(
        make: impl FnOnce() -> F + Send + 'static,
    ) -> (Self, Job) {
        let (replier, reply) = mpsc::channel();
        let (wanted, still_wanted) = async_channel::bounded::<Infallible>(1);
        let job: Job = Box::new(move |executor| {
            let value_replier = replier.clone();
            // The value is delivered in here, because its destructor may panic when nobody takes it.
            let future = GuardedFuture::new(async move {
                let value = make().await;
                let _ = value_replier.send(Ok(value));
            });
            let task = async move {
                let unwanted = async {
                    let _ = still_wanted.recv().await;
                    Ok(())
                };
                let outcome = or(unwanted, future).await;
                if let Err(message) = outcome {
                    let _ = replier.send(Err(message));
                }
            };
            executor.spawn(task).detach();
        });
        (Self { reply, wanted }, job)
    }

    /// Waits for the value at most `timeout`, and then at most `grace` until the future has been dropped.
    pub(super) fn wait(self, timeout: Duration, grace: Duration) -> Result<T, CallError> {
        match self.reply.recv_timeout(timeout) {
            Ok(outcome) => return outcome.map_err(CallError::Panicked),
            Err(RecvTimeoutError::Disconnected) => return Err(CallError::Stopped),
            Err(RecvTimeoutError::Timeout) => drop(self.wanted),
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
    fn rx_7_a_call_that_nobody_has_looked_at_ends_with_the_work() {
        let (jobs, queue) = async_channel::unbounded();
        let work = WorkFuture::new(queue);
        let (call, job) = Call::new(|| async {});
        assert!(jobs.try_send(job).is_ok());
        drop(work);
        assert_eq!(call.wait(Duration::from_secs(20), Duration::ZERO), Err(CallError::Stopped));
    }
}
