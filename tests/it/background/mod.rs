//! `Background`: futures on a thread of their own, for synchronous tests.

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

/// Long enough for a thread that reacts, and short enough for a test that waits for one that does not.
const SOON: Duration = Duration::from_secs(1);

/// The thread that runs what is called.
fn thread_of(background: &Background) -> ThreadId {
    background.call(PATIENCE, async { thread::current().id() }).expect("it runs")
}

/// A call that blocks the thread, until the block is dropped.
struct Block {
    _hold: mpsc::Sender<()>,
    caller: Option<thread::JoinHandle<()>>,
}

impl Block {
    /// Returns when the thread is blocked.
    fn put(background: &Arc<Background>) -> Self {
        let (hold, held) = mpsc::channel::<()>();
        let (blocked, is_blocked) = mpsc::channel();
        let background = background.clone();
        let caller = thread::spawn(move || {
            let future = async move {
                blocked.send(()).unwrap();
                let _ = held.recv();
            };
            // It succeeds, or it fails because the thread is stopped meanwhile.
            let outcome = background.call(PATIENCE, future);
            assert!(matches!(outcome, Ok(()) | Err(CallError::Stopped)), "{outcome:?}");
        });
        is_blocked.recv().unwrap();
        Self { _hold: hold, caller: Some(caller) }
    }

    /// Ends it, and returns when its caller is done.
    fn remove(mut self) {
        let caller = self.caller.take().unwrap();
        drop(self);
        caller.join().unwrap();
    }
}

/// Tells on which thread it was dropped.
struct DropTeller(mpsc::Sender<ThreadId>);

impl Drop for DropTeller {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().id());
    }
}

fn drop_teller() -> (DropTeller, mpsc::Receiver<ThreadId>) {
    let (tell, told) = mpsc::channel();
    (DropTeller(tell), told)
}
