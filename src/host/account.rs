//! Users and groups by name.
//!
//! They are looked up when a spec is built and not at the start: the user database may be on another machine,
//! and the driver of a monitor must not wait for it.

#![expect(unsafe_code, reason = "the user database, for which neither std nor rustix has functions")]

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use libc::{c_char, c_int};

/// A name as it was given, and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccountLookup {
    pub(super) text: String,
    found: Found,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Account(Account),
    /// A user id without an entry in the database, or a group id.
    Number(u32),
    Unknown,
    /// The database could not be read.
    Failed(String),
}

/// A user of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
    variables: [(&'static str, OsString); 4],
}

impl AccountLookup {
    /// Looks up a user, by name and then by number.
    pub(super) fn user(text: &str) -> Self {
        let found = find_user(text).unwrap_or_else(|error| Found::Failed(error.to_string()));
        Self { text: text.to_owned(), found }
    }

    /// Looks up a group, by name and then by number.
    pub(super) fn group(text: &str) -> Self {
        let found = find_group(text).unwrap_or_else(|error| Found::Failed(error.to_string()));
        Self { text: text.to_owned(), found }
    }

    /// Returns the user's account, if it is in the database.
    pub(super) fn account(&self) -> Option<&Account> {
        match &self.found {
            Found::Account(account) => Some(account),
            Found::Number(_) | Found::Unknown | Found::Failed(_) => None,
        }
    }

    pub(super) fn uid(&self) -> Option<u32> {
        match &self.found {
            Found::Account(account) => Some(account.uid),
            Found::Number(uid) => Some(*uid),
            Found::Unknown | Found::Failed(_) => None,
        }
    }

    /// Returns the id of a group.
    pub(super) fn gid(&self) -> Option<u32> {
        match &self.found {
            Found::Number(gid) => Some(*gid),
            Found::Account(_) | Found::Unknown | Found::Failed(_) => None,
        }
    }

    /// Returns the error of the database, if it could not be read.
    pub(super) fn error(&self) -> Option<&str> {
        match &self.found {
            Found::Failed(error) => Some(error),
            Found::Account(_) | Found::Number(_) | Found::Unknown => None,
        }
    }
}

impl Account {
    /// Returns the environment variables that describe the user.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(key, value)| (OsStr::new(key), value.as_os_str()))
    }
}

/// Parses a number that can be an id. The largest one means "no change" to the system.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id != u32::MAX)
}

fn find_user(text: &str) -> io::Result<Found> {
    let Ok(name) = CString::new(text) else { return Ok(Found::Unknown) };
    let by_name = read_user(|entry, buffer, length, result| {
        // SAFETY: a C string, room for an entry, a buffer of this length, and room for a pointer.
        unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer, length, result) }
    })?;
    if let Some(account) = by_name {
        return Ok(Found::Account(account));
    }
    let Some(uid) = number(text) else { return Ok(Found::Unknown) };
    let by_number = read_user(|entry, buffer, length, result| {
        // SAFETY: room for an entry, a buffer of this length, and room for a pointer.
        unsafe { libc::getpwuid_r(uid, entry, buffer, length, result) }
    })?;
    Ok(by_number.map_or(Found::Number(uid), Found::Account))
}

fn read_user(
    get: impl Fn(*mut libc::passwd, *mut c_char, usize, *mut *mut libc::passwd) -> c_int,
) -> io::Result<Option<Account>> {
    read_entry(get, |entry| {
        // SAFETY: the strings of an entry are C strings, or null on some systems.
        let text = |pointer: *const c_char| match pointer.is_null() {
            true => OsString::new(),
            false => OsStr::from_bytes(unsafe { CStr::from_ptr(pointer) }.to_bytes()).to_owned(),
        };
        let name = text(entry.pw_name);
        Account {
            uid: entry.pw_uid,
            gid: entry.pw_gid,
            groups: groups_of(entry.pw_name, entry.pw_gid),
            variables: [
                ("HOME", text(entry.pw_dir)),
                ("LOGNAME", name.clone()),
                ("SHELL", text(entry.pw_shell)),
                ("USER", name),
            ],
        }
    })
}

/// Returns all groups of a user.
fn groups_of(name: *const c_char, gid: u32) -> Vec<u32> {
    let mut length: c_int = 64;
    loop {
        let mut groups = vec![0; usize::try_from(length).unwrap_or_default()];
        let before = length;
        // SAFETY: a C string, and room for as many groups as the last argument says, which the call changes.
        let result = unsafe { libc::getgrouplist(name, gid as _, groups.as_mut_ptr(), &raw mut length) };
        if result >= 0 {
            groups.truncate(usize::try_from(length).unwrap_or_default());
            #[cfg_attr(
                not(target_os = "macos"),
                expect(clippy::unnecessary_cast, reason = "macOS has signed group ids here")
            )]
            return groups.into_iter().map(|group| group as u32).collect();
        }
        // Some systems do not say how many there are.
        length = length.max(before.saturating_mul(2));
        if length > 1 << 20 {
            return vec![gid];
        }
    }
}

fn find_group(text: &str) -> io::Result<Found> {
    let Ok(name) = CString::new(text) else { return Ok(Found::Unknown) };
    let get = |entry, buffer, length, result| {
        // SAFETY: a C string, room for an entry, a buffer of this length, and room for a pointer.
        unsafe { libc::getgrnam_r(name.as_ptr(), entry, buffer, length, result) }
    };
    let by_name = read_entry(get, |entry: &libc::group| entry.gr_gid)?;
    Ok(by_name.or_else(|| number(text)).map_or(Found::Unknown, Found::Number))
}

/// Calls one of the functions that read an entry, with a larger and larger buffer.
fn read_entry<E, T>(
    get: impl Fn(*mut E, *mut c_char, usize, *mut *mut E) -> c_int,
    convert: impl FnOnce(&E) -> T,
) -> io::Result<Option<T>> {
    let mut buffer: Vec<c_char> = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::<E>::uninit();
        let mut result = ptr::null_mut();
        match get(entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut result) {
            // SAFETY: the result is null or points to the entry, which was filled then; its strings are in
            // the buffer.
            0 => return Ok(unsafe { result.as_ref() }.map(convert)),
            libc::ERANGE if buffer.len() < 1 << 24 => buffer.resize(buffer.len() * 4, 0),
            libc::EINTR => {}
            // Various systems report a missing entry like this.
            libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => return Ok(None),
            code => return Err(io::Error::from_raw_os_error(code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let root = AccountLookup::user("root");
        assert_eq!((root.uid(), root.account().map(|account| account.gid)), (Some(0), Some(0)));
        assert!(root.account().expect("it exists").groups.contains(&0));
        assert_eq!(AccountLookup::user("0").account(), root.account());
        let unknown = AccountLookup::user("no such user");
        assert_eq!((unknown.uid(), unknown.error()), (None, None));
        let number = AccountLookup::user("4123456789");
        assert_eq!((number.uid(), number.account()), (Some(4_123_456_789), None));
        assert_eq!(AccountLookup::user("4294967295").uid(), None);
    }

    #[test]
    fn a_group_is_found_by_name_and_by_number() {
        let by_number = AccountLookup::group("0");
        assert_eq!(by_number.gid(), Some(0));
        assert_eq!(AccountLookup::group("no such group").gid(), None);
        assert_eq!(AccountLookup::group("a\0b").gid(), None);
    }
}
