//! Redis or Valkey, and Memcached.

use std::path::Path;

use super::server::{Server, ServerKind};
use crate::service::Service;

/// Redis or Valkey, without persistence.
///
/// ```no_run
/// use childminder::servers::Redis;
///
/// let redis = Redis::new().start()?;
/// assert!(redis.url().starts_with("redis://127.0.0.1:"));
/// # Ok::<(), childminder::NotReady>(())
/// ```
///
/// Settings: it listens at 127.0.0.1, writes neither snapshots nor an append-only file, and has the scratch
/// directory as its working directory. The address is `redis://127.0.0.1:PORT/`.
pub type Redis = Server<RedisKind>;

/// The kind of [`Redis`]. It has no settings of its own.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RedisKind;

impl ServerKind for RedisKind {
    const PROGRAMS: &'static [&'static str] = &["redis-server", "valkey-server"];
    const PACKAGES: &'static [(&'static str, &'static str)] = &[
        ("Debian and Ubuntu", "apt install redis-server"),
        ("Fedora", "dnf install valkey"),
        ("Homebrew", "brew install redis"),
        ("Nix", "nix profile install nixpkgs#redis"),
    ];
    const USER: &'static str = "redis";

    fn describe(&self, _: &Path, service: Service) -> Service {
        service
            .args(["--bind", "127.0.0.1", "--port", "{port}", "--dir", "{dir}", "--daemonize", "no"])
            .args(["--save", "", "--appendonly", "no"])
            .expect_output("Ready to accept connections")
            .url("redis://127.0.0.1:{port}/")
    }
}

/// Memcached.
///
/// ```no_run
/// use childminder::servers::Memcached;
///
/// let cache = Memcached::new().start()?;
/// assert!(cache.url().starts_with("memcached://127.0.0.1:"));
/// # Ok::<(), childminder::NotReady>(())
/// ```
///
/// Settings: it listens at 127.0.0.1, by TCP only, with one worker thread and up to 64 MiB. The address is
/// `memcached://127.0.0.1:PORT`.
pub type Memcached = Server<MemcachedKind>;

/// The kind of [`Memcached`]. It has no settings of its own.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MemcachedKind;

impl ServerKind for MemcachedKind {
    const PROGRAMS: &'static [&'static str] = &["memcached"];
    const PACKAGES: &'static [(&'static str, &'static str)] = &[
        ("Debian and Ubuntu", "apt install memcached"),
        ("Fedora", "dnf install memcached"),
        ("Homebrew", "brew install memcached"),
        ("Nix", "nix profile install nixpkgs#memcached"),
    ];
    const USER: &'static str = "memcache";

    fn describe(&self, _: &Path, service: Service) -> Service {
        service
            .args(["-l", "127.0.0.1", "-p", "{port}", "-U", "0", "-t", "1", "-m", "64"])
            .url("memcached://127.0.0.1:{port}")
    }
}
