//! The end of this process: by `exit`, and by a signal that asks for it.

#![expect(unsafe_code, reason = "atexit and signal dispositions, which no safe function offers")]

#[cfg(test)]
pub(crate) mod alone;
mod interrupts;
#[cfg(test)]
mod tests;

use std::io;
use std::process;
use std::sync::{Mutex, PoisonError};

pub(crate) use self::interrupts::Interrupts;

/// What is to be called, and in which process: a fork inherits the calls, but none of the threads, and nothing of what
/// the others stand for is its own.
static HOOKS: Mutex<Vec<(u32, fn())>> = Mutex::new(Vec::new());

/// Has `hook` called when this process ends by `exit`, or by returning from `main`; the last one first. A signal or
/// `abort` calls nothing.
///
/// # Errors
///
/// There is no memory for it.
pub(crate) fn at_exit(hook: fn()) -> io::Result<()> {
    let mut hooks = HOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: takes a function that lives for ever.
    if unsafe { libc::atexit(call_last) } != 0 {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    hooks.push((process::id(), hook));
    Ok(())
}

extern "C" fn call_last() {
    let last = HOOKS.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if let Some((process, hook)) = last
        && process == process::id()
    {
        hook();
    }
}
