//! The end of this process: by `exit`, and by a signal that asks for it.

#![expect(unsafe_code, reason = "atexit and signal dispositions, which no safe function offers")]

mod interrupts;

use std::io;

pub(crate) use self::interrupts::Interrupts;

/// Has `hook` called when this process ends by `exit`, or by returning from `main`. A signal or `abort` calls nothing.
///
/// # Errors
///
/// There is no memory for it.
pub(crate) fn at_exit(hook: extern "C" fn()) -> io::Result<()> {
    // SAFETY: takes a function that lives for ever and unwinds nowhere.
    match unsafe { libc::atexit(hook) } {
        0 => Ok(()),
        _ => Err(io::ErrorKind::OutOfMemory.into()),
    }
}
