use std::fs;
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use futures_lite::future::{block_on, or, poll_once};

use super::alone::{alone, passes_alone, text};
use super::{Interrupts, at_exit};
use crate::machine::Signal;

/// The number of calls of [`handler`].
static CALLS: AtomicU32 = AtomicU32::new(0);

extern "C" fn handler(_: i32) {
    CALLS.fetch_add(1, Ordering::SeqCst);
}

/// Puts something in the place of what is done on `signal`.
fn dispose(signal: Signal, how: libc::sighandler_t) {
    // SAFETY: the handler only counts.
    unsafe { libc::signal(signal.number(), how) };
}

fn handle(signal: Signal) {
    dispose(signal, handler as extern "C" fn(i32) as libc::sighandler_t);
}

fn disposition(signal: Signal) -> libc::sighandler_t {
    let mut now = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: the pointer is to room for one, which is written.
    unsafe {
        assert_eq!(libc::sigaction(signal.number(), ptr::null(), now.as_mut_ptr()), 0);
        now.assume_init().sa_sigaction
    }
}

/// To this very thread, so that it has come when this returns.
fn send(signal: Signal) {
    // SAFETY: takes no pointers.
    unsafe { libc::raise(signal.number()) };
}

fn say(what: &str) {
    io::stdout().write_all(what.as_bytes()).expect("it is read");
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").or_else(|_| fs::read_dir("/dev/fd")).expect("the descriptors").count()
}

#[track_caller]
fn assert_ended_by(signal: Signal, output: Option<Output>) {
    if let Some(output) = output {
        assert_eq!(output.status.signal(), Some(signal.number()), "{}", text(&output));
    }
}

#[test]
fn rx_3_a_signal_is_heard_and_then_ends_the_process_as_ever() {
    let name = "sys::exit::tests::rx_3_a_signal_is_heard_and_then_ends_the_process_as_ever";
    let output = alone(name, || {
        // A shell may have started us with an INT that is ignored.
        dispose(Signal::INT, libc::SIG_DFL);
        let (interrupts, _another) = (Interrupts::install().expect("it works"), Interrupts::install());
        send(Signal::TERM);
        assert_eq!(block_on(interrupts.next()), Signal::TERM);
        send(Signal::INT);
        assert_eq!(block_on(interrupts.next()), Signal::INT);
        interrupts.finish(Signal::INT);
        panic!("still there");
    });
    assert_ended_by(Signal::INT, output);
}

#[test]
fn rx_3_a_signal_that_is_blocked_ends_the_process_too() {
    let output = alone("sys::exit::tests::rx_3_a_signal_that_is_blocked_ends_the_process_too", || {
        let interrupts = Interrupts::install().expect("it works");
        crate::sys::platform::calls::with_signals_blocked(|| interrupts.finish(Signal::TERM));
    });
    assert_ended_by(Signal::TERM, output);
}

#[test]
fn rx_12_a_signal_that_was_not_received_is_not_lost() {
    let output = alone("sys::exit::tests::rx_12_a_signal_that_was_not_received_is_not_lost", || {
        let interrupts = Interrupts::install().expect("it works");
        send(Signal::TERM);
        drop(interrupts);
        panic!("still there");
    });
    assert_ended_by(Signal::TERM, output);
}

#[test]
fn rx_12_the_last_one_puts_back_what_was_there_before() {
    passes_alone("sys::exit::tests::rx_12_the_last_one_puts_back_what_was_there_before", || {
        dispose(Signal::INT, libc::SIG_DFL);
        handle(Signal::TERM);
        let before = [Signal::INT, Signal::TERM].map(disposition);
        // Once, for the event loop's own.
        drop(Interrupts::install());
        let descriptors_before = descriptors();
        let first = Interrupts::install().expect("it works");
        let ours = [Signal::INT, Signal::TERM].map(disposition);
        assert!(ours[0] == ours[1] && !before.contains(&ours[0]));
        let second = Interrupts::install().expect("it works");
        drop(first);
        assert_eq!([Signal::INT, Signal::TERM].map(disposition), ours);
        drop(second);
        assert_eq!([Signal::INT, Signal::TERM].map(disposition), before);
        assert_eq!(descriptors(), descriptors_before);
        send(Signal::TERM);
        assert_eq!(CALLS.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn rx_12_a_handler_of_the_programs_own_is_called_and_then_we_hear_again() {
    let name = "sys::exit::tests::rx_12_a_handler_of_the_programs_own_is_called_and_then_we_hear_again";
    passes_alone(name, || {
        handle(Signal::INT);
        let (first, second) = (Interrupts::install().expect("it works"), Interrupts::install());
        send(Signal::INT);
        let second = second.expect("it works");
        // One of the two hears it, and only one.
        assert_eq!(block_on(or(first.next(), second.next())), Signal::INT);
        assert_eq!(block_on(poll_once(or(first.next(), second.next()))), None);
        assert_eq!(CALLS.load(Ordering::SeqCst), 0);
        first.finish(Signal::INT);
        assert_eq!(CALLS.load(Ordering::SeqCst), 1);
        send(Signal::INT);
        assert_eq!((block_on(second.next()), CALLS.load(Ordering::SeqCst)), (Signal::INT, 1));
        second.finish(Signal::INT);
        send(Signal::INT);
        assert_eq!(CALLS.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn rx_12_what_is_ignored_stays_ignored_and_what_other_code_has_set_stays() {
    let name = "sys::exit::tests::rx_12_what_is_ignored_stays_ignored_and_what_other_code_has_set_stays";
    passes_alone(name, || {
        dispose(Signal::INT, libc::SIG_IGN);
        let interrupts = Interrupts::install().expect("it works");
        assert_eq!(disposition(Signal::INT), libc::SIG_IGN);
        handle(Signal::TERM);
        drop(interrupts);
        send(Signal::INT);
        send(Signal::TERM);
        assert_eq!(CALLS.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn rx_12_signals_may_come_while_threads_come_and_go() {
    passes_alone("sys::exit::tests::rx_12_signals_may_come_while_threads_come_and_go", || {
        handle(Signal::INT);
        handle(Signal::TERM);
        drop(Interrupts::install());
        let before = descriptors();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let busy: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| (0..2_000).for_each(|_| drop(Interrupts::install().expect("it works"))))
                })
                .collect();
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    send(Signal::INT);
                }
            });
            busy.into_iter().for_each(|thread| thread.join().expect("it ends"));
            done.store(true, Ordering::SeqCst);
        });
        assert_eq!(descriptors(), before);
        assert!(CALLS.load(Ordering::SeqCst) > 0);
        let calls = CALLS.load(Ordering::SeqCst);
        send(Signal::INT);
        assert_eq!(CALLS.load(Ordering::SeqCst), calls + 1);
    });
}

#[test]
fn a_hook_is_called_at_the_exit_of_this_process_and_not_of_a_fork() {
    let name = "sys::exit::tests::a_hook_is_called_at_the_exit_of_this_process_and_not_of_a_fork";
    let output = alone(name, || {
        at_exit(|| say("first\n")).expect("there is memory");
        at_exit(|| say("second\n")).expect("there is memory");
        say("\n");
        io::stdout().flush().expect("it is read");
        // SAFETY: the fork only ends; the parent waits for it.
        unsafe {
            match libc::fork() {
                0 => libc::exit(0),
                pid => assert_eq!(libc::waitpid(pid, ptr::null_mut(), 0), pid),
            }
        }
        say("forked\n");
        std::process::exit(7);
    });
    if let Some(output) = output {
        let all = text(&output);
        assert_eq!(output.status.code(), Some(7), "{all}");
        assert!(all.contains("\nforked\nsecond\nfirst\n"), "{all}");
        assert_eq!(all.matches("first").count(), 1, "{all}");
    }
}
