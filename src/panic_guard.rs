//! Catches panics of foreign code: sinks, loggers, connectors, handlers and callbacks of the user.
//!
//! The callers never call code again that has panicked, so the state that the panic left it in does not
//! matter.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Calls `call`, and returns its panic message as an error if it panics.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let message = message(&*payload);
        // The destructor of the payload is foreign code, too, and may panic.
        mem::forget(payload);
        message
    })
}

/// Calls `call`, and logs a panic as an error of `what`. Returns whether there was none.
pub(crate) fn catch_and_log(what: &str, call: impl FnOnce()) -> bool {
    let Err(message) = catch(call) else { return true };
    log_guarded(|| log::error!("{what} panicked and is not called again: {message}"));
    false
}

/// Writes to the log. The panic of a logger is ignored: there is no other place to report it.
pub(crate) fn log_guarded(log: impl FnOnce()) {
    let _ = catch(log);
}

/// A future of foreign code. If it or its destructor panics, the output is an error with the panic message.
pub(crate) struct GuardedFuture<F: ?Sized>(Option<Pin<Box<F>>>);

impl<F: Future> GuardedFuture<F> {
    pub(crate) fn new(future: F) -> Self {
        Box::pin(future).into()
    }
}

impl<F: ?Sized> From<Pin<Box<F>>> for GuardedFuture<F> {
    fn from(future: Pin<Box<F>>) -> Self {
        Self(Some(future))
    }
}

impl<F: Future + ?Sized> Future for GuardedFuture<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.0.as_mut().expect("the future is there until this is dropped");
        match catch(|| future.as_mut().poll(cx)) {
            Ok(poll) => Poll::Ready(Ok(ready!(poll))),
            Err(message) => Poll::Ready(Err(message)),
        }
    }
}

impl<F: ?Sized> Drop for GuardedFuture<F> {
    fn drop(&mut self) {
        let future = self.0.take();
        let _ = catch(|| drop(future));
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}
