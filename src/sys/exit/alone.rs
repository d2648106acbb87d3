//! Unit tests in a process of their own.

use std::process::Output;

use super::rerun::{is_inner, rerun};

/// Runs `body` in a process of its own and returns how that ended; `None` inside of it. `name` is the path of
/// the calling test.
pub(crate) fn alone(name: &str, body: impl FnOnce()) -> Option<Output> {
    if is_inner() {
        body();
        return None;
    }
    Some(rerun(&[], name, |_| {}))
}

/// Runs `body` in a process of its own, which must pass.
pub(crate) fn passes_alone(name: &str, body: impl FnOnce()) {
    if let Some(output) = alone(name, body) {
        let text = text(&output);
        assert!(output.status.success() && text.contains("1 passed"), "{}: {text}", output.status);
    }
}

/// Returns the output of both streams.
pub(crate) fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).join("\n")
}
