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

static HOOKS: Mutex<Vec<Hook>> = Mutex::new(Vec::new());

/// What is to be called, and in which process: a fork inherits the calls, but not the threads, nor what is to be ended.
struct Hook {
    process: u32,
    call: fn(),
}

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
    hooks.push(Hook { process: process::id(), call: hook });
    Ok(())
}

extern "C" fn call_last() {
    let last = HOOKS.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(hook) = last
        && hook.process == process::id()
    {
        (hook.call)();
    }
}
