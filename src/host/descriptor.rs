//! An open descriptor that a child gets besides the first three.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// An open descriptor that the clones of a [`Spec`](crate::Spec) share. Each start gives the child a copy.
///
/// ```
/// use childminder::host::Descriptor;
/// use childminder::{Spec, Stdin};
///
/// let (reader, _writer) = std::io::pipe()?;
/// let shared = Descriptor::new(reader);
/// let first = Spec::new("cat").stdin(Stdin::Descriptor(shared.clone()));
/// let second = Spec::new("wc").stdin(Stdin::Descriptor(shared));
/// # drop((first, second));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Descriptor(Arc<OwnedFd>);

impl Descriptor {
    /// Takes an open descriptor. It is closed when the last clone is dropped.
    pub fn new(fd: impl Into<OwnedFd>) -> Self {
        Self(Arc::new(fd.into()))
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Two descriptors are equal if they are clones of each other.
impl PartialEq for Descriptor {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Descriptor {}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Descriptor({})", self.0.as_raw_fd())
    }
}
