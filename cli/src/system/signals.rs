//! The signals that childminder handles: requests to stop, signals to forward, and SIGCHLD.
//!
//! Every signal that would end childminder by default is handled, because the program must be stopped first:
//! the usual TERM, INT, QUIT and HUP, and all others that a mistyped `kill` or a log rotation may send,
//! real-time signals included. Faults (SEGV, BUS, ILL, FPE, SYS) keep their default.
//!
//! The handlers write the signal number to a socket pair. The `async-signal` crate does the same, but knows
//! no real-time signals.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use async_io::{Async, Timer};
use childminder::Signal;
use futures_lite::AsyncReadExt;
use futures_lite::future::or;
use nix::libc;

/// A repetition of a signal within this time counts as an echo: `timeout`, some shells, and tools that
/// forward signals send it to the process and to its group.
const ECHO: Duration = Duration::from_millis(200);

/// The signals that end a process by default, in addition to the real-time signals.
const ENDING: [i32; 12] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGXCPU,
    libc::SIGABRT,
    libc::SIGTRAP,
];

#[cfg(target_os = "linux")]
const LINUX_ENDING: [i32; 3] = [libc::SIGIO, libc::SIGPWR, libc::SIGSTKFLT];
#[cfg(not(target_os = "linux"))]
const LINUX_ENDING: [i32; 0] = [];

/// These are handled even if they were ignored when childminder was started, as in a background job of a
/// shell script.
const ALWAYS: [i32; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT];

/// A received signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// A request to stop.
    Stop(Signal),
    /// A signal to pass on to the program.
    Forward(Signal),
    /// A child has exited or was stopped.
    Child,
}

/// The received signals, in order.
#[derive(Debug)]
pub(crate) struct Signals {
    received: Async<UnixStream>,
    forward: Vec<Signal>,
}

impl Signals {
    /// Installs the handlers. This must happen before the first start, or a signal in between would leave the
    /// program behind.
    ///
    /// # Errors
    ///
    /// The error of the system, if it has no descriptors left.
    pub(crate) fn install(forward: Vec<Signal>) -> io::Result<Self> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        let ignored = ignored_signals();
        let mut numbers: Vec<i32> = ENDING.into_iter().chain(LINUX_ENDING).collect();
        #[cfg(target_os = "linux")]
        numbers.extend(libc::SIGRTMIN()..=libc::SIGRTMAX());
        // Under `nohup`, for instance, HUP stays ignored.
        numbers.retain(|number| ALWAYS.contains(number) || ignored & (1 << (number - 1)) == 0);
        numbers.extend(forward.iter().map(|signal| signal.number()));
        numbers.push(libc::SIGCHLD);
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            send_to(&sender, number)?;
        }
        ignore_file_size_limit()?;
        Ok(Self { received: Async::new(receiver)?, forward })
    }

    /// Returns the next signal.
    pub(crate) async fn next(&mut self) -> Received {
        let mut number = [0];
        match self.received.read_exact(&mut number).await {
            Ok(()) => self.classify(number[0]),
            // A supervisor that cannot be stopped by a signal would have to be killed, so it is better to
            // stop now.
            Err(error) => {
                log::error!("cannot receive signals any more: {error}");
                Received::Stop(Signal::TERM)
            }
        }
    }

    /// Returns the next signal that is not an echo of `first`, which has just been received.
    pub(crate) async fn next_after(&mut self, first: Signal) -> Received {
        let mut echo = Timer::after(ECHO);
        loop {
            let next = or(async { Some(self.next().await) }, async {
                (&mut echo).await;
                None
            });
            match next.await {
                Some(Received::Stop(signal)) if signal == first => {}
                Some(received) => return received,
                None => return self.next().await,
            }
        }
    }

    fn classify(&self, number: u8) -> Received {
        let number = i32::from(number);
        match Signal::from_number(number) {
            Some(signal) if self.forward.contains(&signal) => Received::Forward(signal),
            _ if number == libc::SIGCHLD => Received::Child,
            signal => Received::Stop(signal.unwrap_or(Signal::TERM)),
        }
    }
}

/// Installs a handler that writes the number of the signal to `sender`.
#[expect(unsafe_code, reason = "a signal handler")]
fn send_to(sender: &UnixStream, number: i32) -> io::Result<()> {
    let sender = sender.try_clone()?;
    let byte = [u8::try_from(number).unwrap_or_default()];
    let handler = move || {
        // If the socket is full, there are enough signals in it.
        let _ = nix::unistd::write(&sender, &byte);
    };
    // SAFETY: the handler only calls `write`, which is async-signal-safe.
    unsafe { signal_hook_registry::register(number, handler) }?;
    Ok(())
}

/// Installs a handler for XFSZ that does nothing, so that a write beyond the file size limit fails with an
/// error.
#[expect(unsafe_code, reason = "a signal handler")]
fn ignore_file_size_limit() -> io::Result<()> {
    // SAFETY: the handler does nothing.
    unsafe { signal_hook_registry::register(libc::SIGXFSZ, || {}) }?;
    Ok(())
}

/// Returns the set of the signals that were ignored when this process was started. Empty without `/proc`.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
