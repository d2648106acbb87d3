//! The thread that calls the sinks, and the one that publishes notices while the first is blocked in a sink.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;

use super::outlet::{Outlet, Publisher};
use super::queue::{Item, Queue, Task, Urgent};
use crate::machine::Notice;
use crate::panic_guard::log_guarded;
use crate::sync::Lock;

/// The state that the driver shares with both threads.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    /// The sinks. The output thread has them locked while it calls them, which may take any time, so the
    /// driver only tries to lock them. `None` once they were dropped.
    pub(super) outlet: Lock<Option<Outlet>>,
    /// The queue lets only one thread publish at a time.
    pub(super) publisher: Lock<Publisher>,
}

impl Shared {
    pub(super) fn new(outlet: Outlet, publisher: Publisher) -> Arc<Self> {
        let (outlet, publisher) = (Lock::new(Some(outlet)), Lock::new(publisher));
        Arc::new(Self { queue: Queue::default(), outlet, publisher })
    }
}

/// An output thread that is not running yet. If it is dropped, nothing that was queued is delivered.
#[derive(Debug)]
pub(crate) struct OutputThread(Abandon);

impl OutputThread {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self(Abandon(Arc::clone(shared)))
    }

    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The error of the system if it cannot create a thread.
    pub(crate) fn start(self) -> io::Result<()> {
        let body = move || {
            let Abandon(shared) = &self.0;
            deliver(shared);
            // The destructor of a sink may block, too.
            let outlet = shared.outlet.lock().take();
            drop(outlet);
        };
        thread::Builder::new().name("childminder-output".to_owned()).spawn(body).map(drop)
    }
}

/// Ends the queue when the output thread ends, for any reason.
#[derive(Debug)]
struct Abandon(Arc<Shared>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}

/// Delivers until the driver is gone and the queue is empty.
fn deliver(shared: &Shared) {
    let queue = &shared.queue;
    let call = |call: &dyn Fn(&mut Outlet)| shared.outlet.lock().iter_mut().for_each(call);
    let mut done = None;
    while let Some(task) = queue.next(done.take()) {
        match task {
            Task::Deliver(Item::Output(output)) => {
                call(&|outlet| {
                    outlet.data(output.run, &output.name, output.stream, &output.buffer[..output.len]);
                });
                done = Some(output);
            }
            Task::Deliver(Item::Partial(run, stream)) => call(&|outlet| outlet.show_partial(run, stream)),
            Task::Deliver(Item::End(run)) => call(&|outlet| outlet.end(run)),
            Task::Deliver(Item::Notice(notice)) => publish(shared, notice),
            Task::ReportDropped(count) => {
                warn(format_args!("{count} events were dropped because too many were waiting"));
            }
            Task::ReportResumed => warn(format_args!("the output is no longer blocked")),
            Task::Flush => call(&Outlet::flush),
        }
    }
}

/// Starts the thread that publishes notices while the output thread is blocked in a sink.
pub(super) fn start_notice_thread(shared: &Arc<Shared>) {
    let thread = thread::Builder::new().name("childminder-notices".to_owned()).spawn({
        let shared = Arc::clone(shared);
        move || {
            while let Some(urgent) = shared.queue.next_urgent() {
                match urgent {
                    Urgent::ReportBlocked(bytes) => warn(format_args!(
                        "the output is blocked with {bytes} bytes waiting; events are reported ahead of it"
                    )),
                    Urgent::Publish(notice) => publish(&shared, notice),
                }
            }
        }
    });
    if thread.is_err() {
        shared.queue.wait_again();
    }
}

fn publish(shared: &Shared, notice: Notice) {
    shared.publisher.lock().publish(notice);
    shared.queue.published();
}

pub(super) fn warn(message: fmt::Arguments<'_>) {
    log_guarded(|| log::warn!("{message}"));
}
