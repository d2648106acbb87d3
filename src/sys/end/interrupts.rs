//! INT and TERM, turned from the end of the process into something to wait for.
//!
//! A handler may do next to nothing, so ours writes the number of the signal into a pipe, and whoever waits for
//! [`Interrupts::next`] reads it there. All of them read the same pipe: a signal is heard by one, whoever is first.
//!
//! What was in place before is kept, and comes back in three ways:
//!
//! * when the last [`Interrupts`] is dropped. A signal that nobody has heard by then is raised again (RX-12);
//! * for one signal, while [`Interrupts::finish`] raises it, so that the process ends as if we had never been there.
//!   Its parent sees a process that died of this signal, as the convention wants it (RX-3);
//! * never, if somebody else has put a handler of theirs in the place of ours meanwhile: that one stays.
//!
//! A signal that was ignored stays ignored: `nohup` and shells in the background rely on that.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use async_io::Async;
use libc::c_int;
use rustix::io::retry_on_intr;

use crate::machine::Signal;

/// By these a terminal and a service manager ask a process to end.
const ASKING: [Signal; 2] = [Signal::INT, Signal::TERM];

/// What is shared by all [`Interrupts`], as long as there are any.
static INSTALLED: Mutex<Option<Installed>> = Mutex::new(None);

/// Where the handler writes: a descriptor, or -1.
static WRITER: AtomicI32 = AtomicI32::new(-1);

/// How many threads are in the handler. The pipe is not closed under them: its number may be somebody else's at once.
static HANDLING: AtomicUsize = AtomicUsize::new(0);

/// While there is one, INT and TERM do not end the process but wait to be heard. See the [module](self).
#[derive(Debug)]
pub(crate) struct Interrupts {
    reader: Arc<Async<OwnedFd>>,
}

impl Interrupts {
    /// Takes the signals over, unless that is done already.
    ///
    /// # Errors
    ///
    /// No descriptors are to be had, or the event loop does not take one. Nothing is changed then.
    pub(crate) fn install() -> io::Result<Self> {
        let mut installed = installed();
        let shared = match installed.take() {
            Some(shared) => shared,
            None => Installed::new()?,
        };
        let shared = installed.insert(shared);
        shared.count += 1;
        Ok(Self { reader: Arc::clone(&shared.reader) })
    }

    /// The next signal that nobody else has heard. Dropping this future loses none.
    pub(crate) async fn next(&self) -> Signal {
        loop {
            if let Some(signal) = read(&self.reader) {
                return signal;
            }
            if self.reader.readable().await.is_err() {
                // Without an event loop nothing is ever heard; what waits in the pipe is raised again at the end.
                pending::<()>().await;
            }
        }
    }

    /// Lets `signal` do what it would have done without us. Most often that is the end of this process; if the program
    /// has a handler of its own, that is called and this returns.
    pub(crate) fn finish(self, signal: Signal) {
        with(signal, Taken::give_back);
        raise(signal);
        with(signal, Taken::take_again);
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        let mut installed = installed();
        let shared = installed.as_mut().expect("it stays while there are any");
        shared.count -= 1;
        if shared.count > 0 {
            return;
        }
        *installed = None;
        drop(installed);
        let unheard: BTreeSet<_> = std::iter::from_fn(|| read(&self.reader)).collect();
        unheard.into_iter().for_each(raise);
    }
}

struct Installed {
    /// How many [`Interrupts`] there are.
    count: usize,
    reader: Arc<Async<OwnedFd>>,
    /// Open as long as [`WRITER`] names it.
    _writer: OwnedFd,
    taken: Vec<Taken>,
}

impl Installed {
    fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let reader = Arc::new(Async::new(OwnedFd::from(reader))?);
        // A handler never waits; so much unheard is as good as once.
        rustix::io::ioctl_fionbio(&writer, true)?;
        let writer = OwnedFd::from(writer);
        WRITER.store(writer.as_raw_fd(), Ordering::SeqCst);
        let mut new = Self { count: 0, reader, _writer: writer, taken: Vec::new() };
        for signal in ASKING {
            new.taken.extend(Taken::take(signal)?);
        }
        Ok(new)
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        self.taken.iter().for_each(Taken::give_back);
        WRITER.store(-1, Ordering::SeqCst);
        while HANDLING.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
    }
}

/// A signal that has our handler, and what was there before.
struct Taken {
    signal: Signal,
    before: libc::sigaction,
}

impl Taken {
    /// `None` if the signal is ignored, and stays so.
    fn take(signal: Signal) -> io::Result<Option<Self>> {
        let before = disposition(signal)?;
        if before.sa_sigaction == libc::SIG_IGN {
            return Ok(None);
        }
        dispose(signal, &ours())?;
        Ok(Some(Self { signal, before }))
    }

    fn give_back(&self) {
        if disposition(self.signal).is_ok_and(|now| is_ours(&now)) {
            let _ = dispose(self.signal, &self.before);
        }
    }

    /// After it was given back; whoever else has put something there since keeps it.
    fn take_again(&self) {
        if disposition(self.signal).is_ok_and(|now| now.sa_sigaction == self.before.sa_sigaction) {
            let _ = dispose(self.signal, &ours());
        }
    }
}

fn installed() -> MutexGuard<'static, Option<Installed>> {
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something to a signal, if it was taken.
fn with(signal: Signal, act: impl Fn(&Taken)) {
    let installed = installed();
    let taken = installed.iter().flat_map(|shared| &shared.taken);
    taken.filter(|taken| taken.signal == signal).for_each(act);
}

/// A signal from the pipe, if one is there.
fn read(reader: &Async<OwnedFd>) -> Option<Signal> {
    let mut number = [0];
    match retry_on_intr(|| rustix::io::read(reader.get_ref(), &mut number)) {
        Ok(1) => Signal::from_number(number[0].into()),
        Ok(_) | Err(_) => None,
    }
}

/// The handler. It must not touch `errno`: the call of rustix does not on Linux, and elsewhere a pipe that has room
/// gives no cause to.
extern "C" fn on_signal(number: c_int) {
    HANDLING.fetch_add(1, Ordering::SeqCst);
    let writer = WRITER.load(Ordering::SeqCst);
    if writer >= 0 {
        // SAFETY: it is not closed before `HANDLING` is zero again.
        let writer = unsafe { BorrowedFd::borrow_raw(writer) };
        let _ = rustix::io::write(writer, &[number as u8]);
    }
    HANDLING.fetch_sub(1, Ordering::SeqCst);
}

/// Calls that the signal interrupts go on by themselves: we disturb nobody.
fn ours() -> libc::sigaction {
    // SAFETY: all zeros is a disposition: the default, with no signal masked.
    let mut ours: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    ours.sa_sigaction = on_signal as extern "C" fn(c_int) as libc::sighandler_t;
    ours.sa_flags = libc::SA_RESTART;
    ours
}

fn is_ours(now: &libc::sigaction) -> bool {
    now.sa_sigaction == ours().sa_sigaction
}

fn disposition(signal: Signal) -> io::Result<libc::sigaction> {
    let mut now = MaybeUninit::uninit();
    // SAFETY: the pointer is to room for one.
    match unsafe { libc::sigaction(signal.number(), ptr::null(), now.as_mut_ptr()) } {
        // SAFETY: it was written.
        0 => Ok(unsafe { now.assume_init() }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn dispose(signal: Signal, how: &libc::sigaction) -> io::Result<()> {
    // SAFETY: the handler is ours, which does only what a handler may, or the one that was there before.
    match unsafe { libc::sigaction(signal.number(), how, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends `signal` to this very thread, which hears it before this returns, also if it is blocked here.
fn raise(signal: Signal) {
    let mut this = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: the pointers are to room for one set each, and the first one is initialized by `sigemptyset`.
    unsafe {
        libc::sigemptyset(this.as_mut_ptr());
        libc::sigaddset(this.as_mut_ptr(), signal.number());
        libc::pthread_sigmask(libc::SIG_UNBLOCK, this.as_ptr(), before.as_mut_ptr());
        libc::raise(signal.number());
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
    }
}
