//! INT and TERM, as long as there is a `Background`.
//!
//! Whoever presses Ctrl-C wants two things: that the program ends, and that nothing of it is left. So the services are
//! stopped first, and then the signal does what it would have done without us. This happens on a thread of its own; the
//! one that runs futures may be blocked by one, and that is a common reason to press Ctrl-C.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use async_channel::{Receiver, Sender};
use async_io::block_on;
use futures_lite::future::or;

use crate::shutdown;
use crate::sys::Interrupts;

/// While there is one, INT and TERM stop the services before they end the process.
pub(super) struct Watch {
    /// Dropped: no more watching.
    on_duty: Option<Sender<Infallible>>,
    /// Hears that the handlers have been given back; disconnected without it, if a signal came first.
    relieved: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start() -> io::Result<Self> {
        let interrupts = Interrupts::install()?;
        let (on_duty, duty) = async_channel::bounded(1);
        let (relief, relieved) = mpsc::channel();
        let body = move || match block_on(or(async { Some(interrupts.next().await) }, off_duty(&duty))) {
            None => {
                drop(interrupts);
                let _ = relief.send(());
            }
            Some(signal) => {
                // Nobody waits for what follows: those who do might be what is to be stopped.
                drop(relief);
                stop_services(&interrupts);
                interrupts.finish(signal);
            }
        };
        let thread = thread::Builder::new().name("childminder-signals".to_owned()).spawn(body)?;
        Ok(Self { on_duty: Some(on_duty), relieved, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.on_duty = None;
        if self.relieved.recv().is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

async fn off_duty<T>(duty: &Receiver<Infallible>) -> Option<T> {
    let _ = duty.recv().await;
    None
}

/// Returns when all services are stopped, or at the next signal: who asks twice is in a hurry.
fn stop_services(interrupts: &Interrupts) {
    let (stopping, stopped) = async_channel::bounded::<Infallible>(1);
    let body = move || {
        let _stopping = stopping;
        shutdown::run();
    };
    let done = async {
        let _ = stopped.recv().await;
    };
    let asked_again = async {
        interrupts.next().await;
    };
    match thread::Builder::new().name("childminder-stopping".to_owned()).spawn(body) {
        Ok(_) => block_on(or(done, asked_again)),
        Err(_) => shutdown::run(),
    }
}

#[cfg(test)]
mod tests;
