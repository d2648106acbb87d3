//! The end of this process: by `exit`, and by a signal that asks for it.
//!
//! The signals are handled here and not with `signal-hook-registry`, because its handlers stay: what was in
//! place before does not come back when the last user is gone, and a signal that was ignored is no longer. A
//! library that a test uses for a moment must leave the dispositions as they were.

#![expect(unsafe_code, reason = "atexit and signal dispositions, which no safe function offers")]

#[cfg(test)]
pub(crate) mod alone;
mod interrupts;
#[cfg(test)]
#[path = "../../../tests/it/support/rerun.rs"]
pub(crate) mod rerun;
#[cfg(test)]
mod tests;

use std::io;
use std::process;

use crate::sync::Lock;

pub(crate) use self::interrupts::Interrupts;

static HOOKS: Lock<Vec<Hook>> = Lock::new(Vec::new());

/// A function to call, and the process in which to call it: a fork inherits the functions, but not the
/// threads and processes that they end.
struct Hook {
    process: u32,
    call: fn(),
}

/// Registers a function to be called when this process ends by `exit` or by returning from `main`; the last
/// one is called first. A signal or `abort` calls none.
///
/// # Errors
///
/// There is no memory for it.
pub(crate) fn at_exit(hook: fn()) -> io::Result<()> {
    let mut hooks = HOOKS.lock();
    // SAFETY: takes a function that lives as long as the process.
    if unsafe { libc::atexit(call_last) } != 0 {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    hooks.push(Hook { process: process::id(), call: hook });
    Ok(())
}

extern "C" fn call_last() {
    let last = HOOKS.lock().pop();
    if let Some(hook) = last
        && hook.process == process::id()
    {
        (hook.call)();
    }
}
