//! The resources of a process that can be limited.

use std::fmt;
use std::str::FromStr;

/// A resource of a process that the kernel can limit, as `setrlimit` does.
///
/// The text form is the name in `limits.conf`, such as `nofile`. The time limit of real-time processes
/// (`rttime`) is missing, because it marks the processes of a run on Linux.
///
/// ```
/// use childminder::host::Resource;
///
/// assert_eq!("nofile".parse(), Ok(Resource::OpenFiles));
/// assert_eq!(Resource::CoreFileSize.to_string(), "core");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// `as`: the address space, in bytes. A program that needs more gets ENOMEM.
    AddressSpace,
    /// `core`: the size of a core file, in bytes. Zero means no core file.
    CoreFileSize,
    /// `cpu`: the processor time, in seconds. The program gets XCPU at the soft limit, and KILL at the hard
    /// limit.
    CpuTime,
    /// `data`: the data segment, in bytes.
    DataSize,
    /// `fsize`: the size of a file that the program writes, in bytes. Writing more sends XFSZ.
    FileSize,
    /// `memlock`: memory that is locked into RAM, in bytes.
    LockedMemory,
    /// `msgqueue`: the POSIX message queues of the user, in bytes. Linux only.
    MessageQueues,
    /// `nice`: how far the program may lower its nice value, as 20 minus that value. Linux only.
    Nice,
    /// `nofile`: the number that is one above the highest descriptor.
    OpenFiles,
    /// `sigpending`: the signals that may be queued for the user. Linux only.
    PendingSignals,
    /// `nproc`: the number of processes (on Linux: threads) *of the user*, not of this program. It does not
    /// limit root.
    Processes,
    /// `rtprio`: the highest real-time priority. Linux only.
    RealtimePriority,
    /// `stack`: the stack of the main thread, in bytes.
    StackSize,
}

impl Resource {
    /// All resources with their names.
    const ALL: [(Self, &'static str); 13] = [
        (Self::AddressSpace, "as"),
        (Self::CoreFileSize, "core"),
        (Self::CpuTime, "cpu"),
        (Self::DataSize, "data"),
        (Self::FileSize, "fsize"),
        (Self::LockedMemory, "memlock"),
        (Self::MessageQueues, "msgqueue"),
        (Self::Nice, "nice"),
        (Self::OpenFiles, "nofile"),
        (Self::PendingSignals, "sigpending"),
        (Self::Processes, "nproc"),
        (Self::RealtimePriority, "rtprio"),
        (Self::StackSize, "stack"),
    ];
}

/// The name in `limits.conf`.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) = Self::ALL.iter().find(|(resource, _)| resource == self).expect("all are listed");
        f.write_str(name)
    }
}

/// Accepts the name in `limits.conf`.
impl FromStr for Resource {
    type Err = UnknownResource;

    fn from_str(text: &str) -> Result<Self, UnknownResource> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(resource, _)| *resource).ok_or_else(|| UnknownResource(text.to_owned()))
    }
}

/// The error for a text that is not the name of a [`Resource`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownResource(String);

impl fmt::Display for UnknownResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no limit {:?}; the names are", self.0)?;
        Resource::ALL.iter().zip(1..).try_for_each(|((_, name), number)| {
            let separator = if number == Resource::ALL.len() {
                " and"
            } else if number == 1 {
                ""
            } else {
                ","
            };
            write!(f, "{separator} {name}")
        })
    }
}

impl std::error::Error for UnknownResource {}

/// The limit of one [`Resource`], as set by [`Spec::limit`](crate::Spec::limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub(super) soft: u64,
    pub(super) hard: Option<u64>,
}

impl Limit {
    /// No limit: `unlimited`.
    pub const UNLIMITED: u64 = u64::MAX;

    /// Returns the limit that applies. The program may raise it up to the hard limit.
    pub fn soft(&self) -> u64 {
        self.soft
    }

    /// Returns the hard limit; `None` if it is inherited, and the soft limit is reduced to it if necessary.
    pub fn hard(&self) -> Option<u64> {
        self.hard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_is_known_by_its_name() {
        for (resource, name) in Resource::ALL {
            assert_eq!((name.parse(), &*resource.to_string()), (Ok(resource), name));
        }
        let error = "files".parse::<Resource>().unwrap_err().to_string();
        assert!(error.starts_with("there is no limit \"files\"; the names are as, core, "), "{error}");
        assert!(error.ends_with(", rtprio and stack"), "{error}");
    }
}
