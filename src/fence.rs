//! A fence around code that is not ours: its panic ends there.
//!
//! What panicked is not called again by those who use this, so it does not matter in what state the panic left it.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Calls it; a panic is an error, with what it said.
pub(crate) fn contain<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let reason = reason(&*panic);
        // It may panic, too, when it is dropped.
        mem::forget(panic);
        reason
    })
}

/// Calls it; false when it panicked, which is logged.
pub(crate) fn survives(who: &str, call: impl FnOnce()) -> bool {
    let Err(reason) = contain(call) else { return true };
    record(|| log::error!("{who} panicked and is not called any more: {reason}"));
    false
}

/// Writes to the log. The logger is not ours either: if it panics there is nobody left to tell.
pub(crate) fn record(log: impl FnOnce()) {
    let _ = contain(log);
}

/// A future whose panics end here, and so do those of its destructor. The output is an error with the message then.
pub(crate) struct Contained<F: ?Sized>(Option<Pin<Box<F>>>);

impl<F: Future> Contained<F> {
    pub(crate) fn new(future: F) -> Self {
        Box::pin(future).into()
    }
}

impl<F: ?Sized> From<Pin<Box<F>>> for Contained<F> {
    fn from(future: Pin<Box<F>>) -> Self {
        Self(Some(future))
    }
}

impl<F: Future + ?Sized> Future for Contained<F> {
    type Output = Result<F::Output, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.0.as_mut().expect("a future is not polled again after its end");
        match contain(|| future.as_mut().poll(cx)) {
            Ok(poll) => Poll::Ready(Ok(ready!(poll))),
            Err(message) => Poll::Ready(Err(message)),
        }
    }
}

impl<F: ?Sized> Drop for Contained<F> {
    fn drop(&mut self) {
        let future = self.0.take();
        let _ = contain(|| drop(future));
    }
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}
