//! What becomes the standard input of a child, and how the first three descriptors are kept free of anything
//! else.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat, open};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

use crate::host::Stdin;
use crate::machine::{SpawnError, SpawnStep};

use super::platform::calls;

/// Holds `/dev/null` at those of the descriptors 0, 1 and 2 that are closed in this process, while a start
/// takes place. Otherwise a pipe could get one of these numbers, and the child's own descriptors would
/// overwrite it.
#[derive(Debug)]
pub(super) struct LowDescriptors {
    _held: Vec<OwnedFd>,
    /// The first one that got a higher number: `/dev/null`, ready for use.
    null: Option<OwnedFd>,
}

impl LowDescriptors {
    pub(super) fn fill() -> Result<Self, SpawnError> {
        let path = Path::new("/dev/null");
        let mut held = Vec::new();
        loop {
            let null = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|errno| stdin_error(path, errno))?;
            if null.as_raw_fd() > 2 {
                return Ok(Self { _held: held, null: Some(null) });
            }
            held.push(null);
        }
    }

    /// Returns `/dev/null`, open for reading. May be called once.
    pub(super) fn take_null(&mut self) -> OwnedFd {
        self.null.take().expect("a start takes it once")
    }
}

/// Opens what the child reads from.
pub(super) fn open_stdin(stdin: &Stdin, low: &mut LowDescriptors) -> Result<OwnedFd, SpawnError> {
    // A copy above the first three: `dup2` onto the same number would leave its close-on-exec flag set.
    let copy = |fd: BorrowedFd<'_>| {
        fcntl_dupfd_cloexec(fd, 3)
            .map_err(|errno| SpawnError::new(SpawnStep::Stdin, stdin.to_string(), errno.into()))
    };
    match stdin {
        // A pipe has another end, which is made elsewhere.
        Stdin::Null | Stdin::Piped => Ok(low.take_null()),
        Stdin::Inherit => copy(io::stdin().as_fd()),
        Stdin::File(path) => open_file(path).map_err(|errno| stdin_error(path, errno)),
        Stdin::Descriptor(descriptor) => copy(descriptor.as_fd()),
    }
}

/// Opens a file for reading without waiting.
///
/// `open` waits for a writer if the file is a FIFO, and for a carrier if it is a serial line, so O_NONBLOCK
/// is set meanwhile. A FIFO without a writer would report the end at once; opened for reading and writing, it
/// waits for data as the reader expects, and has no end. Only a file system that does not answer can still
/// delay this, as it can delay `exec`.
fn open_file(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = open(path, flags | OFlags::RDONLY, Mode::empty())?;
    let kind = FileType::from_raw_mode(fstat(&file)?.st_mode);
    let file = match kind {
        FileType::Fifo if !calls::has_writer(&file) => {
            match open(path, flags | OFlags::RDWR, Mode::empty()) {
                Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => file,
                other => other?,
            }
        }
        _ => file,
    };
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

fn stdin_error(path: &Path, errno: Errno) -> SpawnError {
    SpawnError::new(SpawnStep::Stdin, path.display().to_string(), errno.into())
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_fifo_without_a_writer_is_opened_at_once_and_read_like_a_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
        let file = open_file(&path).expect("it opens");
        assert!(!fcntl_getfl(&file).expect("flags").contains(OFlags::NONBLOCK));
        OpenOptions::new().write(true).open(&path).expect("it has a reader").write_all(b"x").expect("room");
        let mut byte = [0];
        std::fs::File::from(file).read_exact(&mut byte).expect("one byte");
        assert_eq!(&byte, b"x");

        let writer = OpenOptions::new().read(true).write(true).open(&path).expect("it opens");
        let mut file = std::fs::File::from(open_file(&path).expect("it opens"));
        drop(writer);
        assert_eq!(file.read(&mut byte).expect("it has an end"), 0, "its writer is gone");
    }
}
