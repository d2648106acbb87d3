//! A warning about drops that block the thread of an asynchronous runtime.
//!
//! There is no way to ask whether a thread runs tasks. Two things are known: the names that runtimes give
//! their threads, and that a thread has completed the asynchronous start of a service.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::machine::Name;
use crate::output::report_in_test;

/// The beginnings of the names of the threads of runtimes: tokio, its older versions, async-std, smol.
const RUNTIMES: [&str; 4] = ["tokio-rt-worker", "tokio-runtime-w", "async-std/runti", "smol-"];

thread_local! {
    /// Whether an asynchronous start of a service was completed on this thread.
    static IS_ASYNC: Cell<bool> = const { Cell::new(false) };
}

/// Whether the warning was given.
static WARNED: AtomicBool = AtomicBool::new(false);

/// Notes that asynchronous code runs on this thread.
pub(super) fn note_async_thread() {
    IS_ASYNC.set(true);
}

/// Warns, once in this process, that the drop of a service is about to block a thread that runs asynchronous
/// code.
pub(super) fn warn_if_async(name: &Name) {
    if !is_async(thread::current().name(), IS_ASYNC.get()) || WARNED.swap(true, Ordering::Relaxed) {
        return;
    }
    let warning = format!(
        "service {name} is dropped in asynchronous code, which blocks this thread until everything that it has \
         started is gone; call `stop_async().await` instead (this is reported once)"
    );
    if log::max_level() == log::LevelFilter::Off {
        report_in_test(&warning);
    } else {
        crate::panic_guard::log_guarded(|| log::warn!("{warning}"));
    }
}

fn is_async(thread: Option<&str>, has_started: bool) -> bool {
    let is_worker = |name: &str| RUNTIMES.iter().any(|runtime| name.starts_with(runtime));
    has_started || thread.is_some_and(is_worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_runtimes_are_recognised_by_their_names() {
        for name in ["tokio-rt-worker", "tokio-runtime-worker", "async-std/runtime", "smol-1"] {
            assert!(is_async(Some(name), false), "{name}");
        }
        assert!(!is_async(Some("service::real::a_test"), false) && !is_async(None, false));
        assert!(is_async(None, true), "it has completed an asynchronous start");
    }
}
