//! Checks that this process can have what the event loop and the timer need.
//!
//! The crates that provide them panic if they cannot have a descriptor or a thread. So the same resources are
//! acquired and given back first, where a lack of them is an ordinary error.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The descriptors that are needed: three of the event loop, one for the check of pidfds, and two for a first
/// pipe.
const DESCRIPTORS: usize = 6;

/// The threads that are needed: one each of the event loop and of the timer, and one for SIGCHLD.
const THREADS: usize = 3;

/// Runs `start` if it can have its resources. Once that has succeeded, later calls check nothing.
///
/// # Errors
///
/// A resource is missing, or `start` panicked.
pub(super) fn check_and_run<T>(start: impl FnOnce() -> T) -> io::Result<T> {
    static PASSED: AtomicBool = AtomicBool::new(false);
    if PASSED.load(Ordering::Acquire) {
        return Ok(start());
    }
    check_descriptors()?;
    check_event_loop()?;
    check_threads()?;
    // Another thread may take the last of it now.
    let started = catch_unwind(AssertUnwindSafe(start)).map_err(|panic| {
        let message =
            panic.downcast::<String>().map_or_else(|_| "a thread panicked".to_owned(), |text| *text);
        io::Error::other(message)
    })?;
    PASSED.store(true, Ordering::Release);
    Ok(started)
}

fn check_descriptors() -> io::Result<()> {
    (0..DESCRIPTORS).map(|_| File::open("/dev/null")).collect::<io::Result<Vec<File>>>().map(drop)
}

fn check_threads() -> io::Result<()> {
    let (keep, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Arc::new(crate::sync::Lock::new(wait));
    let spawn = |_| {
        let wait = std::sync::Arc::clone(&wait);
        // They must exist at the same time.
        thread::Builder::new().name("childminder-check".into()).spawn(move || wait.lock().recv())
    };
    let threads: Vec<io::Result<thread::JoinHandle<_>>> = (0..THREADS).map(spawn).collect();
    drop(keep);
    let mut result = Ok(());
    for thread in threads {
        match thread {
            // It does not panic.
            Ok(thread) => drop(thread.join()),
            Err(error) => result = Err(error),
        }
    }
    result
}

/// Watches a descriptor as the event loop does. The number of watches is limited for each user.
#[cfg(target_os = "linux")]
fn check_event_loop() -> io::Result<()> {
    use rustix::event::{EventfdFlags, epoll, eventfd};

    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    epoll::add(&epoll, &event, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn check_event_loop() -> io::Result<()> {
    Ok(())
}
