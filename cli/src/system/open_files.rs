//! The limit on open descriptors: a supervisor of many programs needs more of them than they do.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit of this process as far as possible. Returns the former soft limit, for the programs: some
/// close all possible descriptors one by one, and `select` fails with numbers above 1023.
#[cfg_attr(
    not(target_os = "freebsd"),
    expect(clippy::useless_conversion, reason = "the number is signed on FreeBSD")
)]
pub(crate) fn raise() -> Option<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok()?;
    u64::try_from(soft).ok()
}
