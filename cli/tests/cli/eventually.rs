//! Waits for what other processes bring about.

use std::thread;
use std::time::{Duration, Instant};

use crate::supervisor::PATIENCE;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `look` returns a value.
///
/// # Panics
///
/// With its last error, if it returns none within [`PATIENCE`].
#[expect(clippy::disallowed_methods, reason = "other processes are observed from outside")]
pub(crate) fn eventually_some<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    loop {
        match look() {
            Ok(value) => return value,
            Err(error) => assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {error}"),
        }
        thread::sleep(PAUSE);
    }
}

/// Waits until `holds`, which `what` describes.
///
/// # Panics
///
/// If it does not hold within [`PATIENCE`].
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    eventually_some(|| if holds() { Ok(()) } else { Err(what.to_owned()) });
}
