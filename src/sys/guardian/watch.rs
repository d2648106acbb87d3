//! The monitor's side: which guardians there are, and which places of the table are free.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use libc::pid_t;
use rustix::process::{Pid, getpid};

use super::birth::{self, Birth, Label};
use super::pair::{self, Report};
use super::platform;
use super::table::{FreeList, Kind, Table};
use crate::sys::mark::Token;

/// The time that a start waits for guardians that are being created.
const PATIENCE: Duration = Duration::from_secs(2);

/// The stack of the thread that waits. A guardian keeps a copy of it, and runs on it.
const STACK: usize = 256 * 1024;

/// Guardians that end sooner than this have not worked at all.
const SHORT_LIFE: Duration = Duration::from_millis(200);

const LONGEST_PAUSE: Duration = Duration::from_secs(1);

static WATCH: Mutex<Option<Watch>> = Mutex::new(None);

/// The health of the guardians has changed, or a start wants new ones.
static CHANGED: Condvar = Condvar::new();

/// The guardians of this process.
#[derive(Debug)]
pub(super) struct Watch {
    /// A forked copy of the process starts anew.
    owner: Pid,
    table: &'static Table,
    free: FreeList,
    health: Health,
}

#[derive(Debug)]
enum Health {
    /// They are being made.
    Starting,
    /// There is at least one.
    Up,
    /// They could not be made, for this reason; a start asks for another attempt.
    Down(i32),
}

impl Watch {
    fn lock() -> MutexGuard<'static, Option<Self>> {
        WATCH.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves an entry: for a process that is to be started as soon as there is a guardian, which is made
    /// if there is none; for a member of its family at once.
    pub(super) fn reserve(kind: Kind, run: u64, signal: i32) -> io::Result<(&'static Table, u32)> {
        let mut lock = Self::lock();
        if lock.as_ref().is_none_or(|watch| watch.owner != getpid()) {
            *lock = Some(Self::begin()?);
        }
        if let Some(watch) = &mut *lock
            && matches!(watch.health, Health::Down(_))
        {
            watch.health = Health::Starting;
            CHANGED.notify_all();
        }
        let starting = |watch: &mut Option<Self>| {
            watch.as_ref().is_some_and(|watch| matches!(watch.health, Health::Starting))
        };
        let patience = if kind == Kind::Member { Duration::ZERO } else { PATIENCE };
        let waited = CHANGED.wait_timeout_while(lock, patience, starting);
        let (mut lock, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let watch = lock.as_mut().expect("it was there before the wait, and is never taken away");
        match watch.health {
            Health::Up => {}
            _ if kind == Kind::Member => {}
            Health::Down(errno) => return Err(io::Error::from_raw_os_error(errno)),
            Health::Starting => return Err(io::Error::from_raw_os_error(libc::EAGAIN)),
        }
        let index = watch.free.take().ok_or_else(|| {
            io::Error::new(io::ErrorKind::QuotaExceeded, "too many processes are registered")
        })?;
        watch.table.entry(index).reserve(kind, run, platform::clock_ticks(), signal);
        Ok((watch.table, index))
    }

    /// Frees an entry.
    pub(super) fn free(index: u32) {
        if let Some(watch) = &mut *Self::lock() {
            watch.free.put_back(index);
        }
    }

    /// Starts the thread that makes guardians and waits for their end.
    fn begin() -> io::Result<Self> {
        let table = Table::create()?;
        let token = Token::of_this_process();
        let thread = thread::Builder::new().name("childminder-guard".into()).stack_size(STACK);
        thread.spawn(move || keep_guardians(table, token))?;
        Ok(Self { owner: getpid(), table, free: FreeList::new(table), health: Health::Starting })
    }

    fn set_health(health: Health) {
        if let Some(watch) = &mut *Self::lock() {
            watch.health = health;
        }
        CHANGED.notify_all();
    }
}

/// Makes guardians, and makes them again whenever both have died. Sleeps in a system call otherwise.
fn keep_guardians(table: &'static Table, token: Token) {
    let mut inheritance = Birth {
        table,
        label: Label::new(token),
        limit_prefix: token.limit_prefix(),
        stack: platform::own_stack(),
        lean: true,
    };
    let mut pause = Duration::ZERO;
    loop {
        birth::pause(pause);
        let begin = now();
        match pair::start(&inheritance) {
            Ok(socket) => {
                // Those that do not live to say so may have given back memory that they needed.
                inheritance.lean &= wait_for_their_end(socket);
                Watch::set_health(Health::Starting);
            }
            Err(error) if inheritance.lean && error.raw_os_error().is_none() => inheritance.lean = false,
            Err(error) => wait_for_a_wish(error.raw_os_error().unwrap_or(libc::EAGAIN)),
        }
        let was_short = now().saturating_duration_since(begin) < SHORT_LIFE;
        pause = if was_short {
            (pause * 2).clamp(Duration::from_millis(5), LONGEST_PAUSE)
        } else {
            Duration::ZERO
        };
    }
}

/// Returns when all guardians are dead: whether any has been ready.
fn wait_for_their_end(mut socket: UnixStream) -> bool {
    let mut ready = false;
    let mut living = Vec::new();
    let mut bytes = [0; Report::SIZE];
    while socket.read_exact(&mut bytes).is_ok() {
        match Report::from_bytes(bytes) {
            Report::Born(pid) => {
                living.push(pid);
                ready = true;
                Watch::set_health(Health::Up);
            }
            Report::Died(pid) => reap(&mut living, &[pid]),
        }
    }
    let dead = living.clone();
    reap(&mut living, &dead);
    ready
}

/// Reaps guardians that have died, and takes them off the list of the living.
fn reap(living: &mut Vec<pid_t>, dead: &[pid_t]) {
    // Its descriptors are closed a moment before a process can be reaped.
    for _ in 0..100 {
        living.retain(|pid| !dead.contains(pid) || !platform::reap_orphan(*pid));
        if !dead.iter().any(|pid| living.contains(pid)) {
            return;
        }
        birth::pause(Duration::from_millis(1));
    }
    living.retain(|pid| !dead.contains(pid));
}

/// Waits until a start asks for guardians; if processes are registered already, not for long.
fn wait_for_a_wish(errno: i32) {
    Watch::set_health(Health::Down(errno));
    let lock = Watch::lock();
    let is_down = |watch: &mut Option<Watch>| {
        watch.as_ref().is_some_and(|watch| matches!(watch.health, Health::Down(_)))
    };
    if lock.as_ref().is_some_and(|watch| watch.free.is_whole()) {
        drop(CHANGED.wait_while(lock, is_down));
    } else {
        drop(CHANGED.wait_timeout_while(lock, LONGEST_PAUSE, is_down));
    }
}

#[expect(clippy::disallowed_methods, reason = "there is no host on this thread")]
fn now() -> Instant {
    Instant::now()
}
