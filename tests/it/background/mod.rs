//! `Background`: a thread with an executor, for synchronous tests.

mod calls;
mod drive;
mod ends;
mod signals;

use std::sync::{Arc, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use childminder::Background;
use childminder::background::CallError;

use crate::support::PATIENCE;

/// The timeout of a thread in these tests: long enough to react, and short enough to wait for a thread that
/// does not.
const SOON: Duration = Duration::from_secs(1);

/// Returns the thread that runs the calls.
fn thread_of(background: &Background) -> ThreadId {
    background.call(PATIENCE, async { thread::current().id() }).expect("it runs")
}

/// A call that blocks the thread until this is removed.
struct Block {
    _hold: mpsc::Sender<()>,
    caller: Option<thread::JoinHandle<()>>,
}

impl Block {
    /// Blocks the thread, and returns when it is blocked.
    fn put(background: &Arc<Background>) -> Self {
        let (hold, held) = mpsc::channel::<()>();
        let (blocked, is_blocked) = mpsc::channel();
        let background = background.clone();
        let caller = thread::spawn(move || {
            let future = async move {
                blocked.send(()).unwrap();
                let _ = held.recv();
            };
            // The call succeeds, or the thread is stopped meanwhile.
            let outcome = background.call(PATIENCE, future);
            assert!(matches!(outcome, Ok(()) | Err(CallError::Stopped)), "{outcome:?}");
        });
        is_blocked.recv().unwrap();
        Self { _hold: hold, caller: Some(caller) }
    }

    /// Unblocks the thread, and returns when the call has returned.
    fn remove(mut self) {
        let caller = self.caller.take().unwrap();
        drop(self);
        caller.join().unwrap();
    }
}

/// Reports the thread on which it is dropped.
struct DropReporter(mpsc::Sender<ThreadId>);

impl Drop for DropReporter {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().id());
    }
}

fn drop_reporter() -> (DropReporter, mpsc::Receiver<ThreadId>) {
    let (reporter, reports) = mpsc::channel();
    (DropReporter(reporter), reports)
}
