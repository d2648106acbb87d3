//! Fixtures that must be stopped before this process ends.
//!
//! A fixture that lives as long as the process is never dropped: statics are not, and a signal drops nothing
//! at all. So it [registers](register) a function that stops it. [`run`] calls these functions. It is called
//! when the process gets INT or TERM and, after [`at_exit`], when the process exits by itself.
//!
//! All functions run at the same time, each on a thread of its own: ten servers that ignore TERM take one
//! kill time instead of ten, and one that cannot be stopped does not keep the others alive.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Condvar, Once};
use std::thread;

use crate::panic_guard::catch_and_log;
use crate::sync::{Lock, wait};
use crate::sys;

type Stop = Arc<dyn Fn() + Send + Sync>;

static LIST: Lock<List> = Lock::new(List { next: 0, stops: BTreeMap::new(), running: 0 });

/// Notified when a function has returned.
static RETURNED: Condvar = Condvar::new();

thread_local! {
    /// Whether this thread runs one of the functions. It must not wait for itself.
    static STOPPING: Cell<bool> = const { Cell::new(false) };
}

struct List {
    next: u64,
    stops: BTreeMap<u64, Stop>,
    /// The number of functions that were taken from the list and have not returned.
    running: usize,
}

/// Registers `stop` to be called once before this process ends, unless the registration is dropped first.
///
/// It may be called on any thread.
pub(crate) fn register(stop: impl Fn() + Send + Sync + 'static) -> Registration {
    let mut list = LIST.lock();
    let number = list.next;
    list.next += 1;
    list.stops.insert(number, Arc::new(stop));
    Registration { number }
}

/// A registered function. Dropping this removes it from the list; a call that has begun goes on.
#[must_use = "dropping it removes the function"]
pub(crate) struct Registration {
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let removed = LIST.lock().stops.remove(&self.number);
        // What the function owns may use the list when it is dropped, so the list is unlocked first.
        drop(removed);
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({})", self.number)
    }
}

/// Calls all registered functions, and waits until they and those that another thread has called have
/// returned.
///
/// No function is called twice. A panic is caught and logged. A function may call this, also by exiting the
/// process: then it returns at once. A thread that a function needs must not call it, since both would wait
/// forever.
pub(crate) fn run() {
    if STOPPING.get() {
        return;
    }
    let stops = {
        let mut list = LIST.lock();
        list.running += list.stops.len();
        mem::take(&mut list.stops)
    };
    thread::scope(|scope| {
        let mut without_a_thread = Vec::new();
        for stop in stops.into_values() {
            let for_thread = Arc::clone(&stop);
            let thread = thread::Builder::new().name("childminder-stop".into());
            if thread.spawn_scoped(scope, move || call(&for_thread)).is_err() {
                without_a_thread.push(stop);
            }
        }
        without_a_thread.iter().for_each(call);
    });
    let mut list = LIST.lock();
    while list.running > 0 {
        list = wait(&RETURNED, list);
    }
}

/// Arranges that [`run`] is called when this process exits by `exit` or by returning from `main`. Later calls
/// do nothing.
pub(crate) fn at_exit() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if let Err(error) = sys::at_exit(run) {
            log::warn!("cannot install the exit hook; fixtures in statics will not be stopped: {error}");
        }
    });
}

fn call(stop: &Stop) {
    STOPPING.set(true);
    catch_and_log("a registered stop", || stop());
    STOPPING.set(false);
    LIST.lock().running -= 1;
    RETURNED.notify_all();
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write as _};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;
    use std::sync::{Barrier, Mutex};

    use super::*;
    use crate::sys::alone::{alone, passes_alone, text};

    /// Returns a function, and the number of its calls.
    fn counter() -> (Arc<AtomicU32>, impl Fn() + Send + Sync) {
        let count = Arc::new(AtomicU32::new(0));
        let same = Arc::clone(&count);
        (count, move || {
            same.fetch_add(1, Ordering::SeqCst);
        })
    }

    #[test]
    fn sv_11_a_registered_function_is_called_once_unless_it_is_removed() {
        let name = "shutdown::tests::sv_11_a_registered_function_is_called_once_unless_it_is_removed";
        passes_alone(name, || {
            run();
            let (count, stop) = counter();
            let (removed, never) = counter();
            let registration = register(stop);
            drop(register(never));
            assert_eq!(Arc::strong_count(&removed), 1, "what it owns is dropped");
            run();
            run();
            assert_eq!((count.load(Ordering::SeqCst), removed.load(Ordering::SeqCst)), (1, 0));
            drop(registration);
            // It can be called again for later registrations.
            let (count, stop) = counter();
            let _registration = register(stop);
            run();
            assert_eq!(count.load(Ordering::SeqCst), 1);
        });
    }

    #[test]
    fn all_functions_run_at_the_same_time_and_a_panic_does_not_stop_the_others() {
        let name = "shutdown::tests::all_functions_run_at_the_same_time_and_a_panic_does_not_stop_the_others";
        passes_alone(name, || {
            let (count, stop) = counter();
            let together = Arc::new(Barrier::new(3));
            let stop = Arc::new(stop);
            let _registrations: Vec<_> = (0..3)
                .map(|number| {
                    let (together, stop) = (Arc::clone(&together), Arc::clone(&stop));
                    register(move || {
                        together.wait();
                        assert_ne!(number, 1, "this one panics");
                        stop();
                    })
                })
                .collect();
            run();
            assert_eq!(count.load(Ordering::SeqCst), 2);
        });
    }

    #[test]
    fn a_second_call_waits_for_running_functions_but_not_for_itself() {
        let name = "shutdown::tests::a_second_call_waits_for_running_functions_but_not_for_itself";
        passes_alone(name, || {
            let (stopping, is_stopping) = mpsc::channel();
            let (go_on, may_go_on) = mpsc::channel::<()>();
            let may_go_on = Mutex::new(may_go_on);
            let (count, stopped) = counter();
            let _registration = register(move || {
                // Returns at once, since it would wait for itself.
                run();
                stopping.send(()).expect("the test receives");
                may_go_on.lock().expect("not poisoned").recv().expect("the test sends");
                stopped();
            });
            thread::scope(|scope| {
                scope.spawn(run);
                is_stopping.recv().expect("it sends");
                let second = scope.spawn(|| {
                    run();
                    count.load(Ordering::SeqCst)
                });
                assert_eq!(count.load(Ordering::SeqCst), 0);
                go_on.send(()).expect("it receives");
                assert_eq!(second.join().expect("no panic"), 1);
            });
        });
    }

    #[test]
    fn registered_functions_are_called_when_the_process_exits() {
        let name = "shutdown::tests::registered_functions_are_called_when_the_process_exits";
        let output = alone(name, || {
            at_exit();
            at_exit();
            mem::forget(register(|| io::stdout().write_all(b"stopped\n").expect("the test reads")));
            // The test harness exits by returning from `main`.
        });
        if let Some(output) = output {
            let text = text(&output);
            assert!(output.status.success(), "{}: {text}", output.status);
            let (before, after) = text.split_once("1 passed").expect("it passed");
            assert_eq!(
                (before.matches("stopped\n").count(), after.matches("stopped\n").count()),
                (0, 1),
                "{text}"
            );
        }
    }
}
