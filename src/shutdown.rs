//! What is to be stopped before this process ends.
//!
//! A fixture that lives as long as the process has nobody to drop it: statics are never dropped, and a signal drops
//! nothing at all. So it [registers](register) how it is stopped. [`run`] is called by whoever hears INT or TERM
//! (SV-11), and, once somebody has asked for it [`at_exit`], when the process ends by itself.
//!
//! All are stopped at the same time, each on a thread of its own. Whoever ends a process is in a hurry: ten servers that
//! ignore TERM take one kill time and not ten, and one that cannot be stopped keeps none of the others alive.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use crate::panic_guard::catch_and_log;
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
    static ASKED: Once = Once::new();
    ASKED.call_once(|| {
        if let Err(error) = sys::at_exit(run) {
            log::warn!("what is not dropped may outlive this process: {error}");
        }
    });
}

fn stop_one(stop: &Stop) {
    STOPPING.set(true);
    catch_and_log("something that was to be stopped", || stop());
    STOPPING.set(false);
    list().running -= 1;
    ENDED.notify_all();
}

fn list() -> MutexGuard<'static, List> {
    LIST.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write as _};
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::sys::alone::{alone, passes_alone, text};

    /// Each call of what it returns counts.
    fn counter() -> (Arc<AtomicU32>, impl Fn() + Send + Sync) {
        let count = Arc::new(AtomicU32::new(0));
        let same = Arc::clone(&count);
        (count, move || {
            same.fetch_add(1, Ordering::SeqCst);
        })
    }

    #[test]
    fn sv_11_what_is_registered_is_stopped_once_unless_it_is_withdrawn() {
        let name = "shutdown::tests::sv_11_what_is_registered_is_stopped_once_unless_it_is_withdrawn";
        passes_alone(name, || {
            run();
            let (count, stop) = counter();
            let (withdrawn, never) = counter();
            let registration = register(stop);
            drop(register(never));
            assert_eq!(Arc::strong_count(&withdrawn), 1, "what it owns is gone");
            run();
            run();
            assert_eq!((count.load(Ordering::SeqCst), withdrawn.load(Ordering::SeqCst)), (1, 0));
            drop(registration);
            // There may be more to stop later.
            let (count, stop) = counter();
            let _registration = register(stop);
            run();
            assert_eq!(count.load(Ordering::SeqCst), 1);
        });
    }

    #[test]
    fn all_are_stopped_together_and_a_panic_keeps_none_from_it() {
        let name = "shutdown::tests::all_are_stopped_together_and_a_panic_keeps_none_from_it";
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
    fn who_asks_later_waits_for_what_is_being_stopped_but_not_for_itself() {
        let name = "shutdown::tests::who_asks_later_waits_for_what_is_being_stopped_but_not_for_itself";
        passes_alone(name, || {
            let (stopping, is_stopping) = mpsc::channel();
            let (go_on, may_go_on) = mpsc::channel::<()>();
            let may_go_on = Mutex::new(may_go_on);
            let (count, stopped) = counter();
            let _registration = register(move || {
                // Returns at once: it would be itself that it waits for.
                run();
                stopping.send(()).expect("the test listens");
                may_go_on.lock().expect("only here").recv().expect("the test says so");
                stopped();
            });
            thread::scope(|scope| {
                scope.spawn(run);
                is_stopping.recv().expect("it stops");
                let second = scope.spawn(|| {
                    run();
                    count.load(Ordering::SeqCst)
                });
                assert_eq!(count.load(Ordering::SeqCst), 0);
                go_on.send(()).expect("it listens");
                assert_eq!(second.join().expect("no panic"), 1);
            });
        });
    }

    #[test]
    fn what_nobody_drops_is_stopped_when_the_process_exits() {
        let name = "shutdown::tests::what_nobody_drops_is_stopped_when_the_process_exits";
        let output = alone(name, || {
            at_exit();
            at_exit();
            mem::forget(register(|| io::stdout().write_all(b"stopped\n").expect("somebody reads")));
            // The test harness ends by returning from `main`.
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
