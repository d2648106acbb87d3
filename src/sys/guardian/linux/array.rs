//! Arrays for a process that must not allocate on the heap.

#![expect(unsafe_code, reason = "memory straight from the kernel")]

use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;

/// An array of limited size in pages of its own. Memory is used up to the longest that it ever was, and
/// stays.
#[derive(Debug)]
pub(super) struct Array<T> {
    start: NonNull<T>,
    length: usize,
    capacity: usize,
}

impl<T: Copy> Array<T> {
    /// Makes an empty array with room for `capacity` values.
    pub(super) fn new(capacity: usize) -> io::Result<Self> {
        let (protection, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        );
        let size = capacity.saturating_mul(size_of::<T>()).max(1);
        // SAFETY: the kernel chooses the address, so nothing else is there.
        let address = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0) };
        match NonNull::new(address.cast::<T>()) {
            Some(start) if address != libc::MAP_FAILED => Ok(Self { start, length: 0, capacity }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    /// Appends a value; one that does not fit is dropped.
    pub(super) fn push(&mut self, value: T) {
        self.insert(self.length, value);
    }

    /// Inserts a value before the one at `index`; one that does not fit is dropped.
    pub(super) fn insert(&mut self, index: usize, value: T) {
        if self.length == self.capacity || index > self.length {
            return;
        }
        // SAFETY: there is room for one more, and the index is no further than the end.
        unsafe {
            let place = self.start.add(index);
            place.copy_to(place.add(1), self.length - index);
            place.write(value);
        }
        self.length += 1;
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `length` values have been written.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl<T> DerefMut for Array<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: `length` values have been written, and this is the only reference.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl<T> Drop for Array<T> {
    fn drop(&mut self) {
        let size = self.capacity.saturating_mul(size_of::<T>()).max(1);
        // SAFETY: these are the pages of `new`, and no reference to them is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), size) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_order_and_one_too_many_is_dropped() {
        let mut array = Array::new(4).expect("memory");
        [1, 3, 4].into_iter().for_each(|value| array.push(value));
        array.insert(1, 2);
        assert_eq!(*array, [1, 2, 3, 4]);
        array.push(5);
        array.insert(0, 0);
        assert_eq!(*array, [1, 2, 3, 4]);
        array.clear();
        array.insert(1, 7);
        assert_eq!(*array, [0; 0]);
    }
}
