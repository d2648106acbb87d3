//! INT and TERM while a `Background` runs.
//!
//! Pressing Ctrl-C must end the program and leave nothing behind. So the services are stopped first, and then
//! the signal has the effect that it would have had anyway. This happens on a separate thread: the one that
//! runs futures may be blocked by one of them, which is a common reason to press Ctrl-C.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use async_io::block_on;
use futures_lite::future::or;

use crate::shutdown;
use crate::sync::SetOnce;
use crate::sys::Interrupts;

/// Handles INT and TERM as long as it exists: a signal stops the services before it ends the process.
pub(super) struct SignalWatcher {
    end: SetOnce,
    /// Receives a message when the signal handlers are restored. Disconnected without one if a signal came
    /// first.
    restored: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl SignalWatcher {
    pub(super) fn start() -> io::Result<Self> {
        let interrupts = Interrupts::install()?;
        let end = SetOnce::new();
        let ended = end.wait();
        let (restoring, restored) = mpsc::channel();
        let body = move || {
            let signal = async { Some(interrupts.next().await) };
            let ended = async {
                ended.await;
                None
            };
            match block_on(or(signal, ended)) {
                None => {
                    drop(interrupts);
                    let _ = restoring.send(());
                }
                Some(signal) => {
                    // A drop of the watcher must not wait for the services: it may be what stops one of them.
                    drop(restoring);
                    stop_services(&interrupts);
                    interrupts.finish(signal);
                }
            }
        };
        let thread = thread::Builder::new().name("childminder-signals".to_owned()).spawn(body)?;
        Ok(Self { end, restored, thread: Some(thread) })
    }
}

impl Drop for SignalWatcher {
    fn drop(&mut self) {
        self.end.set();
        if self.restored.recv().is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// Returns when all services are stopped, or at the next signal: a second Ctrl-C means that the user will not
/// wait.
fn stop_services(interrupts: &Interrupts) {
    let stopped = SetOnce::new();
    let stopping = stopped.set_on_drop();
    let body = move || {
        let _stopping = stopping;
        shutdown::run();
    };
    let next_signal = async {
        interrupts.next().await;
    };
    match thread::Builder::new().name("childminder-stopping".to_owned()).spawn(body) {
        Ok(_) => block_on(or(stopped.wait(), next_signal)),
        Err(_) => shutdown::run(),
    }
}

#[cfg(test)]
mod tests;
