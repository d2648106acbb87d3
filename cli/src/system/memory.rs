//! Memory that was needed for a short time.

/// Returns memory that is not used to the system. The parts of a file with a thousand processes, once it was
/// read, leave gaps between what stays, which the allocator keeps.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a function of the C library")]
pub(crate) fn release() {
    // SAFETY: it may be called at any time, by any thread.
    unsafe { nix::libc::malloc_trim(0) };
}

/// Other allocators decide that themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn release() {}
