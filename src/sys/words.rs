//! Words as `exec` wants them.

#![expect(unsafe_code, reason = "the words of a program are shared with its future process")]

use std::ffi::{CString, OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};

/// Pointers to C strings, and a null pointer behind the last.
#[derive(Debug)]
pub(super) struct Words {
    /// Keeps alive what the pointers point to.
    _words: Vec<CString>,
    /// The last of them, if there is one that ends with a number not known yet.
    open: Option<OpenWord>,
    pointers: Vec<*const libc::c_char>,
}

// SAFETY: the pointers are to the words beside them, which nobody changes but through atomics.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    pub(super) fn new(words: impl Iterator<Item = CString>) -> Self {
        Self::with_open(words, None)
    }

    /// The words, and one more that [`complete`](Self::complete) will end.
    pub(super) fn with_open(words: impl Iterator<Item = CString>, open: Option<OpenWord>) -> Self {
        let words: Vec<_> = words.collect();
        let fixed = words.iter().map(|word| word.as_ptr());
        let pointers = fixed.chain(open.iter().map(OpenWord::as_ptr)).chain([ptr::null()]).collect();
        Self { _words: words, open, pointers }
    }

    /// Ends the open word, if there is one, with `number`. May be called between fork and exec.
    pub(super) fn complete(&self, number: u32) {
        if let Some(word) = &self.open {
            word.complete(number);
        }
    }

    pub(super) fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr()
    }
}

/// A word with room at its end for a number that is not known yet. It is zeros until then, so that this is a C string
/// before and after.
#[derive(Debug)]
pub(super) struct OpenWord {
    text: Box<[AtomicU8]>,
    length: usize,
}

/// The digits of the largest `u32`.
const DIGITS: usize = 10;

impl OpenWord {
    pub(super) fn new(beginning: &str) -> Self {
        let room = [0; DIGITS + 1];
        let text = beginning.bytes().chain(room).map(AtomicU8::new).collect();
        Self { text, length: beginning.len() }
    }

    fn complete(&self, number: u32) {
        let mut digits = [0; DIGITS];
        // It fits, and to write numbers into an array allocates nothing.
        let _ = write!(&mut digits[..], "{number}");
        for (place, digit) in self.text[self.length..].iter().zip(digits) {
            place.store(digit, Ordering::Relaxed);
        }
    }

    fn as_ptr(&self) -> *const libc::c_char {
        self.text.as_ptr().cast()
    }
}

/// A word that `exec` can take.
pub(super) fn c_string(text: impl AsRef<OsStr> + Into<OsString>) -> CString {
    CString::new(text.into().into_vec())
        .expect("the spec was checked for NUL, and the environment cannot have one")
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn an_open_word_is_a_c_string_before_and_after() {
        let words = Words::with_open([c"A=1".to_owned()].into_iter(), Some(OpenWord::new("PID=")));
        // SAFETY: the pointers are to C strings that live as long as `words`.
        let read = |nth: usize| unsafe { CStr::from_ptr(*words.as_ptr().add(nth)) }.to_str().expect("text");
        assert_eq!([read(0), read(1)], ["A=1", "PID="]);
        words.complete(u32::MAX);
        assert_eq!([read(0), read(1)], ["A=1", "PID=4294967295"]);
    }
}
