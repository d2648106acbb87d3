//! What is to be stopped before this process ends.
//!
//! A fixture that lives as long as the process has nobody to drop it: statics are never dropped, and a signal drops
//! nothing at all. So it [registers](register) how it is stopped. [`run`] is called by whoever hears INT or TERM
//! (SV-11), and, once somebody has asked for it [`at_exit`], when the process ends by itself.
//!
//! All are stopped at the same time, each on a thread of its own. Whoever ends a process is in a hurry: ten servers that
//! ignore TERM take one kill time and not ten, and one that cannot be stopped keeps none of the others alive.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use crate::sys;

type Stop = Arc<dyn Fn() + Send + Sync>;

static LIST: Mutex<List> = Mutex::new(List { next: 0, stops: BTreeMap::new(), running: 0 });

/// One less is running.
static ENDED: Condvar = Condvar::new();

thread_local! {
    /// Whether this thread is one that stops something: it does not wait for itself.
    static STOPPING: Cell<bool> = const { Cell::new(false) };
}

struct List {
    next: u64,
    stops: BTreeMap<u64, Stop>,
    /// How many were taken from the list and have not returned.
    running: usize,
}

/// Has `stop` called, once, before this process ends; unless the registration is dropped before.
///
/// It may be called on any thread, and while `register`'s caller does something else.
pub(crate) fn register(stop: impl Fn() + Send + Sync + 'static) -> Registration {
    let mut list = list();
    let number = list.next;
    list.next += 1;
    list.stops.insert(number, Arc::new(stop));
    Registration { number }
}

/// A place in the list. Dropping it withdraws what was registered; if that is running just now, it runs to its end.
#[must_use = "dropping it withdraws what was registered"]
pub(crate) struct Registration {
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let withdrawn = list().stops.remove(&self.number);
        // What it owns may well register or withdraw something itself: the list is not locked any more.
        drop(withdrawn);
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({})", self.number)
    }
}

/// Stops all that is registered, and returns when that is done, and also what another thread is stopping just now.
/// Nothing is stopped twice. A panic is contained and logged.
///
/// Not to be called on a thread that something to be stopped needs for its end: both would wait for ever. What is
/// being stopped may call it, also by `exit`, and does not wait for itself.
pub(crate) fn run() {
    if STOPPING.get() {
        return;
    }
    let stops = {
        let mut list = list();
        list.running += list.stops.len();
        mem::take(&mut list.stops)
    };
    thread::scope(|scope| {
        let mut without_a_thread = Vec::new();
        for stop in stops.into_values() {
            let on_its_own = Arc::clone(&stop);
            let thread = thread::Builder::new().name("childminder-stop".into());
            if thread.spawn_scoped(scope, move || stop_one(&on_its_own)).is_err() {
                without_a_thread.push(stop);
            }
        }
        without_a_thread.iter().for_each(stop_one);
    });
    let mut list = list();
    while list.running > 0 {
        list = ENDED.wait(list).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Lets [`run`] happen when this process ends by `exit`, or by returning from `main`. Asking once is enough.
pub(crate) fn at_exit() {
    static ASKED_BY: OnceLock<u32> = OnceLock::new();

    /// A fork that ends by `exit` inherits this call, but not the threads, nor the right to stop anything.
    extern "C" fn run_unless_forked() {
        if ASKED_BY.get() == Some(&process::id()) {
            run();
        }
    }

    ASKED_BY.get_or_init(|| {
        if let Err(error) = sys::at_exit(run_unless_forked) {
            log::warn!("services may outlive this process: {error}");
        }
        process::id()
    });
}

fn stop_one(stop: &Stop) {
    STOPPING.set(true);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| stop())) {
        // A logger may panic, too.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            log::error!("panicked while something was stopped: {}", message(&*panic));
        }));
        // So may the panic itself, when it is dropped.
        mem::forget(panic);
    }
    STOPPING.set(false);
    list().running -= 1;
    ENDED.notify_all();
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message")
}

fn list() -> MutexGuard<'static, List> {
    LIST.lock().unwrap_or_else(PoisonError::into_inner)
}
