//! The table of guarded processes, in memory that the monitor shares with its guardians.
//!
//! A child registers itself with one atomic store, between fork and exec, and the guardians read the table
//! only when every process that writes to it has ended. So a registration takes no system call, cannot wait
//! for a guardian that is stopped, and is known to every guardian at once, also to one that is started later.

#![expect(unsafe_code, reason = "memory that is shared between processes")]

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};

use libc::pid_t;

/// The most entries: guarded processes together with the members of their families that have left the group.
/// Memory is used only up to the highest entry that was ever in use.
pub(super) const CAPACITY: usize = 1 << 16;

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A process that the monitor has started, and that leads a group of its own.
    Leader,
    /// A process that the monitor has started, in the monitor's own group.
    Single,
    /// A descendant of one of these that was seen outside of its group.
    Member,
}

/// All entries, and how far the guardians have got with their work. All zeros is an empty table.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Table {
    /// Entries from here on have never been used.
    used: AtomicU32,
    /// The guardian that ends the families.
    pub(super) sweeper: AtomicI32,
    /// Counts up as long as it makes progress.
    pub(super) progress: AtomicU32,
    /// Not 0 when it is done.
    pub(super) done: AtomicU32,
    entries: [Entry; CAPACITY],
}

/// One process.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Entry {
    /// 0: not in use; else a [`Kind`].
    kind: AtomicU32,
    /// 0: reserved for a process that is not there yet.
    pid: AtomicI32,
    run: AtomicU64,
    /// The process began no earlier than this, in clock ticks since the machine was started, as `/proc`
    /// counts them.
    earliest: AtomicU64,
    /// And no later than this; 0 if that is not known.
    latest: AtomicU64,
    /// The signal that asks it to end.
    signal: AtomicI32,
    /// The names of programs that are exempt, each followed by a zero.
    spared: [AtomicU8; SPARED],
}

/// The room for the names of exempt programs. Names that do not fit are not exempt.
const SPARED: usize = 120;

/// A copy of an entry that is in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registered {
    pub(super) kind: Kind,
    pub(super) pid: pid_t,
    pub(super) run: u64,
    pub(super) earliest: u64,
    pub(super) latest: u64,
    pub(super) signal: i32,
}

/// Memory that counts only when it is used. FreeBSD treats all memory so.
#[cfg(not(target_os = "freebsd"))]
const WITHOUT_RESERVE: libc::c_int = libc::MAP_NORESERVE;
#[cfg(target_os = "freebsd")]
const WITHOUT_RESERVE: libc::c_int = 0;

impl Table {
    /// Makes an empty table that stays for as long as this process, and is inherited by every process it
    /// forks.
    pub(super) fn create() -> io::Result<&'static Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANON | WITHOUT_RESERVE;
        // SAFETY: the kernel chooses the address, so nothing else is there.
        let address = unsafe { libc::mmap(ptr::null_mut(), size_of::<Self>(), protection, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the memory is aligned to a page, large enough, and full of zeros, which is an empty table;
        // it is never unmapped, and all that is in it is atomic.
        Ok(unsafe { &*address.cast::<Self>() })
    }

    /// Returns the memory of the table, as a range of addresses.
    pub(super) fn range(&self) -> (usize, usize) {
        let start = ptr::from_ref(self).addr();
        (start, start + size_of::<Self>())
    }

    /// Returns the entry with this index.
    ///
    /// # Panics
    ///
    /// If there is none. The indexes are those that [`FreeList`] gives.
    pub(super) fn entry(&self, index: u32) -> &Entry {
        &self.entries[index as usize]
    }

    /// Calls `each` with every entry that is in use. Allocates nothing.
    pub(super) fn for_each(&self, mut each: impl FnMut(Registered)) {
        let used = (self.used.load(Ordering::Acquire) as usize).min(CAPACITY);
        self.entries[..used].iter().filter_map(Entry::get).for_each(&mut each);
    }

    /// Returns the registered run that `is_it` accepts, if any.
    pub(super) fn find_run(&self, is_it: impl Fn(u64) -> bool) -> Option<u64> {
        let mut found = None;
        self.for_each(|entry| {
            if is_it(entry.run) {
                found = Some(entry.run);
            }
        });
        found
    }

    /// Whether a run spares programs with this name.
    pub(super) fn spares(&self, run: u64, name: &[u8]) -> bool {
        let used = (self.used.load(Ordering::Acquire) as usize).min(CAPACITY);
        let of_the_run = |entry: &&Entry| entry.get().is_some_and(|entry| entry.run == run);
        self.entries[..used].iter().filter(of_the_run).any(|entry| entry.spares(name))
    }
}

impl Entry {
    /// Reserves it for a process that is about to be created.
    pub(super) fn reserve(&self, kind: Kind, run: u64, earliest: u64, signal: i32) {
        self.pid.store(0, Ordering::Relaxed);
        self.run.store(run, Ordering::Relaxed);
        self.earliest.store(earliest, Ordering::Relaxed);
        self.latest.store(0, Ordering::Relaxed);
        self.signal.store(signal, Ordering::Relaxed);
        let kind = match kind {
            Kind::Leader => 1,
            Kind::Single => 2,
            Kind::Member => 3,
        };
        self.spared[0].store(0, Ordering::Relaxed);
        self.kind.store(kind, Ordering::Release);
    }

    /// Sets the names of the programs that are exempt.
    pub(super) fn spare<'a>(&self, names: impl Iterator<Item = &'a [u8]>) {
        let mut from = 0;
        for name in names.filter(|name| !name.is_empty()) {
            // A zero after the name, and one after the last.
            if from + name.len() + 2 > SPARED {
                break;
            }
            let places = &self.spared[from..];
            places
                .iter()
                .zip(name.iter().chain(&[0, 0]))
                .for_each(|(to, byte)| to.store(*byte, Ordering::Relaxed));
            from += name.len() + 1;
        }
    }

    fn spares(&self, name: &[u8]) -> bool {
        let bytes = self.spared.each_ref().map(|byte| byte.load(Ordering::Relaxed));
        let mut names = bytes.split(|byte| *byte == 0);
        names.by_ref().take_while(|name| !name.is_empty()).any(|spared| spared == name)
    }

    /// Says which process it is. To be called by that process itself, or for it.
    pub(super) fn set_pid(&self, pid: pid_t) {
        self.pid.store(pid, Ordering::Release);
    }

    /// Says exactly when the process began.
    pub(super) fn set_start(&self, start: u64) {
        self.earliest.store(start, Ordering::Relaxed);
        self.latest.store(start, Ordering::Relaxed);
    }

    /// Says that the process began no later than this.
    pub(super) fn set_latest(&self, latest: u64) {
        self.latest.store(latest, Ordering::Release);
    }

    /// Takes the process off the table.
    pub(super) fn clear(&self) {
        self.kind.store(0, Ordering::Release);
        self.pid.store(0, Ordering::Release);
    }

    fn get(&self) -> Option<Registered> {
        let kind = match self.kind.load(Ordering::Acquire) {
            1 => Kind::Leader,
            2 => Kind::Single,
            3 => Kind::Member,
            _ => return None,
        };
        let pid = self.pid.load(Ordering::Acquire);
        // 1 is init, and what is negative would be a group, or every process there is.
        (pid > 1).then(|| Registered {
            kind,
            pid,
            run: self.run.load(Ordering::Relaxed),
            earliest: self.earliest.load(Ordering::Relaxed),
            latest: self.latest.load(Ordering::Relaxed),
            signal: self.signal.load(Ordering::Relaxed),
        })
    }
}

/// The indexes of entries that are not in use. It is the monitor's alone.
#[derive(Debug)]
pub(super) struct FreeList {
    table: &'static Table,
    returned: Vec<u32>,
}

impl FreeList {
    /// Returns the list of an empty table.
    pub(super) fn new(table: &'static Table) -> Self {
        Self { table, returned: Vec::new() }
    }

    /// Returns the index of a free entry, or `None` if the table is full.
    pub(super) fn take(&mut self) -> Option<u32> {
        self.returned.pop().or_else(|| {
            let next = self.table.used.load(Ordering::Relaxed);
            ((next as usize) < CAPACITY).then(|| {
                self.table.used.store(next + 1, Ordering::Release);
                next
            })
        })
    }

    /// Clears an entry, and takes its index back.
    pub(super) fn put_back(&mut self, index: u32) {
        self.table.entry(index).clear();
        self.returned.push(index);
    }

    /// Whether no entry is in use.
    pub(super) fn is_whole(&self) -> bool {
        self.returned.len() == self.table.used.load(Ordering::Relaxed) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_45_an_entry_counts_from_the_moment_it_has_a_process_until_it_is_cleared() {
        let table = Table::create().expect("memory");
        let mut free = FreeList::new(table);
        let pids = || {
            let mut pids = Vec::new();
            table.for_each(|entry| pids.push(entry.pid));
            pids
        };
        let [first, second] = [free.take(), free.take()].map(|index| index.expect("there is room"));
        for (index, run) in [(first, 7), (second, 8)] {
            table.entry(index).reserve(Kind::Leader, run, 0, libc::SIGTERM);
        }
        assert_eq!(pids(), [0; 0]);
        table.entry(second).set_pid(42);
        let has = |run| table.find_run(|other| other == run).is_some();
        assert_eq!((pids(), has(7), has(8)), (vec![42], false, true));
        free.put_back(second);
        assert_eq!((pids(), has(8), free.is_whole()), (vec![], false, false));
        free.put_back(first);
        assert!(free.is_whole());
        assert_eq!(free.take(), Some(first), "used again");
    }

    #[test]
    fn names_of_exempt_programs_are_found_as_far_as_there_is_room() {
        let table = Table::create().expect("memory");
        let entry = table.entry(FreeList::new(table).take().expect("there is room"));
        entry.reserve(Kind::Leader, 7, 0, libc::SIGTERM);
        entry.set_pid(42);
        assert!(!table.spares(7, b"") && !table.spares(7, b"tmux"));
        entry.spare([&b"tmux"[..], b"", b"ssh-agent"].into_iter());
        let spared = |name: &[u8]| table.spares(7, name);
        assert!(
            spared(b"tmux") && spared(b"ssh-agent") && !spared(b"tmu") && !spared(b"agent") && !spared(b"")
        );
        assert!(!table.spares(8, b"tmux"));
        entry.spare([&[b'x'; SPARED - 3][..], b"y"].into_iter());
        assert!(spared(&[b'x'; SPARED - 3]) && !spared(b"y") && !spared(b"tmux"));
        entry.reserve(Kind::Leader, 7, 0, libc::SIGTERM);
        entry.set_pid(42);
        assert!(!spared(&[b'x'; SPARED - 3]), "cleared");
    }

    #[test]
    fn a_full_table_has_no_room() {
        let mut free = FreeList::new(Table::create().expect("memory"));
        let taken = std::iter::from_fn(|| free.take()).count();
        assert_eq!(taken, CAPACITY);
        free.put_back(7);
        assert_eq!((free.take(), free.take()), (Some(7), None));
    }

    #[test]
    fn no_entry_stands_for_init_or_for_a_group() {
        let table = Table::create().expect("memory");
        let index = FreeList::new(table).take().expect("there is room");
        let entry = table.entry(index);
        entry.reserve(Kind::Leader, 1, 0, libc::SIGTERM);
        for pid in [1, 0, -1, -7] {
            entry.set_pid(pid);
            table.for_each(|entry| panic!("{entry:?}"));
        }
    }
}
