//! INT and TERM as events instead of the end of the process.
//!
//! A handler may do very little, so ours writes the number of the signal into a pipe, and
//! [`Interrupts::next`] reads it there. All instances read the same pipe: a signal is received by one of
//! them.
//!
//! The previous disposition is kept and restored:
//!
//! * when the last [`Interrupts`] is dropped. A signal that has not been received by then is raised again;
//! * for one signal, while [`Interrupts::finish`] raises it, so that the process ends as if there had been no
//!   handler. Its parent sees a process that died of this signal, as is the convention;
//! * never, if other code has replaced our handler meanwhile: that handler stays.
//!
//! A signal that was ignored stays ignored: `nohup` and shells in the background rely on that.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::thread;

use async_io::Async;
use libc::c_int;
use rustix::io::retry_on_intr;

use crate::machine::Signal;
use crate::sync::Lock;

/// The signals by which a terminal and a service manager ask a process to end.
const REQUESTS: [Signal; 2] = [Signal::INT, Signal::TERM];

/// The state shared by all [`Interrupts`], as long as there are any.
static INSTALLED: Lock<Option<Installed>> = Lock::new(None);

/// The descriptor that the handler writes to, or -1.
static WRITER: AtomicI32 = AtomicI32::new(-1);

/// The number of threads in the handler. The pipe stays open until they are done, because its number may be
/// reused.
static HANDLING: AtomicUsize = AtomicUsize::new(0);

/// While an instance exists, INT and TERM do not end the process but are received here. See the
/// [module](self).
#[derive(Debug)]
pub(crate) struct Interrupts {
    reader: Arc<Async<OwnedFd>>,
}

impl Interrupts {
    /// Installs the handlers, unless that is done already.
    ///
    /// # Errors
    ///
    /// There are no descriptors left, or the event loop does not accept one. Nothing is changed then.
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

    /// Waits for the next signal that no other instance has received. Dropping this future loses none.
    pub(crate) async fn next(&self) -> Signal {
        loop {
            if let Some(signal) = read(&self.reader) {
                return signal;
            }
            if self.reader.readable().await.is_err() {
                // Without an event loop no signal is received; those in the pipe are raised again at the end.
                pending::<()>().await;
            }
        }
    }

    /// Raises `signal` with its previous disposition. Most often that ends this process; if the program has a
    /// handler of its own, that is called and this returns.
    pub(crate) fn finish(self, signal: Signal) {
        with(signal, Taken::restore);
        raise(signal);
        with(signal, Taken::retake);
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        let mut installed = installed();
        let shared = installed.as_mut().expect("it exists as long as an instance does");
        shared.count -= 1;
        if shared.count > 0 {
            return;
        }
        *installed = None;
        drop(installed);
        let unreceived: BTreeSet<_> = std::iter::from_fn(|| read(&self.reader)).collect();
        unreceived.into_iter().for_each(raise);
    }
}

struct Installed {
    /// The number of [`Interrupts`].
    count: usize,
    reader: Arc<Async<OwnedFd>>,
    /// Open as long as [`WRITER`] has its number.
    _writer: OwnedFd,
    taken: Vec<Taken>,
}

impl Installed {
    fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let reader = Arc::new(Async::new(OwnedFd::from(reader))?);
        // A handler must not wait. A full pipe has the signal already.
        rustix::io::ioctl_fionbio(&writer, true)?;
        let writer = OwnedFd::from(writer);
        WRITER.store(writer.as_raw_fd(), Ordering::SeqCst);
        let mut new = Self { count: 0, reader, _writer: writer, taken: Vec::new() };
        for signal in REQUESTS {
            new.taken.extend(Taken::take(signal)?);
        }
        Ok(new)
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        self.taken.iter().for_each(Taken::restore);
        WRITER.store(-1, Ordering::SeqCst);
        while HANDLING.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
    }
}

/// A signal that has our handler, and its previous disposition.
struct Taken {
    signal: Signal,
    before: libc::sigaction,
}

impl Taken {
    /// Installs the handler; `None` if the signal is ignored, and stays so.
    fn take(signal: Signal) -> io::Result<Option<Self>> {
        let before = disposition(signal)?;
        if before.sa_sigaction == libc::SIG_IGN {
            return Ok(None);
        }
        dispose(signal, &ours())?;
        Ok(Some(Self { signal, before }))
    }

    /// Restores the previous disposition, unless other code has changed it.
    fn restore(&self) {
        if disposition(self.signal).is_ok_and(|now| is_ours(&now)) {
            let _ = dispose(self.signal, &self.before);
        }
    }

    /// Installs the handler again after [`restore`](Self::restore), unless other code has changed the
    /// disposition.
    fn retake(&self) {
        if disposition(self.signal).is_ok_and(|now| now.sa_sigaction == self.before.sa_sigaction) {
            let _ = dispose(self.signal, &ours());
        }
    }
}

fn installed() -> MutexGuard<'static, Option<Installed>> {
    INSTALLED.lock()
}

/// Applies `act` to a signal, if it has our handler.
fn with(signal: Signal, act: impl Fn(&Taken)) {
    let installed = installed();
    let taken = installed.iter().flat_map(|shared| &shared.taken);
    taken.filter(|taken| taken.signal == signal).for_each(act);
}

/// Reads a signal from the pipe, if there is one.
fn read(reader: &Async<OwnedFd>) -> Option<Signal> {
    let mut number = [0];
    match retry_on_intr(|| rustix::io::read(reader.get_ref(), &mut number)) {
        Ok(1) => Signal::from_number(number[0].into()),
        Ok(_) | Err(_) => None,
    }
}

/// The handler. It must not change `errno`: rustix does not on Linux, and elsewhere a pipe with room gives no
/// cause.
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

/// The disposition with our handler. Interrupted system calls are restarted.
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

/// Sends `signal` to this thread, which handles it before this returns, even if the signal is blocked.
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
