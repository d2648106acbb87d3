//! Arguments and environment in the form that `execve` takes: arrays of pointers to C strings.

#![expect(unsafe_code, reason = "raw pointers that a new process reads")]

use std::ffi::{CString, OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};

/// C strings with an array of pointers to them that ends with a null pointer.
#[derive(Debug)]
pub(super) struct CStrArray {
    /// Owns what the pointers point to, one string after the other.
    _text: Vec<u8>,
    /// The last string, if it ends with a number that is not known yet.
    patched: Option<PatchedCString>,
    pointers: Vec<*const libc::c_char>,
}

// SAFETY: the pointers are to the strings in the same value, which only change through atomics.
unsafe impl Send for CStrArray {}
// SAFETY: as above.
unsafe impl Sync for CStrArray {}

impl CStrArray {
    /// Creates an array of these strings.
    pub(super) fn new<'a>(strings: impl Iterator<Item = &'a OsStr>) -> Self {
        let mut builder = CStrArrayBuilder::default();
        strings.for_each(|string| builder.push(&[string]));
        builder.build(None)
    }

    /// Appends a number to the patched string, if there is one. Allowed between fork and exec.
    pub(super) fn patch(&self, number: impl FnOnce() -> u32) {
        if let Some(string) = &self.patched {
            string.patch(number());
        }
    }

    pub(super) fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr()
    }
}

/// Collects strings for a [`CStrArray`], in one piece of memory: an environment has dozens of them, and they
/// are collected for each start.
#[derive(Debug, Default)]
pub(super) struct CStrArrayBuilder {
    text: Vec<u8>,
    /// The positions at which the strings begin.
    starts: Vec<usize>,
}

impl CStrArrayBuilder {
    /// Adds a string that consists of these parts.
    ///
    /// # Panics
    ///
    /// If it contains NUL. The words of a spec are checked, and the environment cannot contain one.
    pub(super) fn push(&mut self, parts: &[&OsStr]) {
        self.starts.push(self.text.len());
        for part in parts {
            let part = part.as_bytes();
            assert!(memchr::memchr(0, part).is_none(), "the spec was checked for NUL");
            self.text.extend_from_slice(part);
        }
        self.text.push(0);
    }

    /// Builds the array, with one more string that [`patch`](CStrArray::patch) completes.
    pub(super) fn build(self, patched: Option<PatchedCString>) -> CStrArray {
        let Self { text, starts } = self;
        let fixed = starts.iter().map(|start| text[*start..].as_ptr().cast());
        let pointers = fixed.chain(patched.iter().map(PatchedCString::as_ptr)).chain([ptr::null()]).collect();
        CStrArray { _text: text, patched, pointers }
    }
}

/// The digits of the largest `u32`.
const DIGITS: usize = 10;

/// A C string with room for a number that is appended and that only the child knows. The room is filled with
/// zeros, so this is a valid C string before and after.
#[derive(Debug)]
pub(super) struct PatchedCString {
    text: Box<[AtomicU8]>,
    length: usize,
}

impl PatchedCString {
    pub(super) fn new(beginning: &str) -> Self {
        let room = [0; DIGITS + 1];
        let text = beginning.bytes().chain(room).map(AtomicU8::new).collect();
        Self { text, length: beginning.len() }
    }

    fn patch(&self, number: u32) {
        let mut digits = [0; DIGITS];
        // Formatting an integer into an array does not allocate, and the array is large enough.
        let _ = write!(&mut digits[..], "{number}");
        for (place, digit) in self.text[self.length..].iter().zip(digits) {
            place.store(digit, Ordering::Relaxed);
        }
    }

    fn as_ptr(&self) -> *const libc::c_char {
        self.text.as_ptr().cast()
    }
}

/// Converts a word of a checked spec, or a variable of this process.
pub(super) fn c_string(text: impl AsRef<OsStr> + Into<OsString>) -> CString {
    CString::new(text.into().into_vec())
        .expect("the spec was checked for NUL, and the environment cannot contain one")
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn a_patched_string_is_valid_before_and_after() {
        let mut builder = CStrArrayBuilder::default();
        builder.push(&["A".as_ref(), "=1".as_ref()]);
        let array = builder.build(Some(PatchedCString::new("PID=")));
        // SAFETY: the pointers are to C strings that live as long as `array`.
        let read = |nth: usize| unsafe { CStr::from_ptr(*array.as_ptr().add(nth)) }.to_str().expect("text");
        assert_eq!([read(0), read(1)], ["A=1", "PID="]);
        array.patch(|| u32::MAX);
        assert_eq!([read(0), read(1)], ["A=1", "PID=4294967295"]);
    }
}
