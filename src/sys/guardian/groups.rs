//! Ends registered processes by their process group ids, on systems without `/proc`.
//!
//! The table contains only groups that have members, and ids are assigned in turn. So no id is reused within
//! the second that this takes.

#![expect(unsafe_code, reason = "signals by number")]

use std::time::Duration;

use libc::pid_t;

use super::birth::{GRACE, pause};
use super::table::{Kind, Registered, Table};

const STEP: Duration = Duration::from_millis(20);

/// Asks all to end, and kills what is there after the grace period. Returns false if `go_on` does.
pub(super) fn end(table: &Table, go_on: &dyn Fn() -> bool) -> bool {
    if !go_on() {
        return false;
    }
    table.for_each(|entry| {
        send(entry, entry.signal);
        send(entry, libc::SIGCONT);
    });
    let mut waited = Duration::ZERO;
    while waited < GRACE && any_is_there(table) {
        pause(STEP);
        waited = waited.saturating_add(STEP);
        table.progress.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        if !go_on() {
            return false;
        }
    }
    table.for_each(|entry| {
        send(entry, libc::SIGKILL);
    });
    true
}

fn any_is_there(table: &Table) -> bool {
    let mut found = false;
    table.for_each(|entry| found |= send(entry, 0));
    found
}

fn send(entry: Registered, signal: i32) -> bool {
    let target: pid_t = if entry.kind == Kind::Leader { entry.pid.saturating_neg() } else { entry.pid };
    // SAFETY: takes no pointers. The id is greater than 1, so this is neither every process nor our own
    // group.
    unsafe { libc::kill(target, signal) == 0 }
}
