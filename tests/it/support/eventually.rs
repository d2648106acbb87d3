//! Waits for what other threads and processes bring about.

use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// The pause between two looks, which leaves the processor to those who are waited for. It is the sleep of
/// the thread: a timer of `async-io` would have a thread and descriptors, which a census would find.
const PAUSE: Duration = Duration::from_millis(1);

/// Waits until `condition` holds, which `what` describes.
///
/// # Panics
///
/// If it does not hold within [`PATIENCE`].
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, condition);
}

/// Waits at most `patience` until `condition` holds.
///
/// # Panics
///
/// If it does not hold in this time.
pub(crate) fn eventually_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < patience, "not within {patience:?}: {what}");
        thread::sleep(PAUSE);
    }
}
