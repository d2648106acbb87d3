//! What becomes the standard input of a child, and how the first three descriptors are kept free of anything
//! else.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{FileType, Mode, OFlags, Stat, fcntl_getfl, fcntl_setfl, fstat, open};
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
        let mut held = Vec::new();
        loop {
            let null = null().map_err(|errno| stdin_error(Path::new(NULL), errno))?;
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

const NULL: &str = "/dev/null";

/// `/dev/null`, and what distinguishes it from other files.
static KEPT_NULL: OnceLock<(OwnedFd, Stat)> = OnceLock::new();

/// Opens `/dev/null` once for all starts, each of which needs a copy. To be called early, while there are
/// descriptors; without it each start opens its own, which takes longer.
pub(super) fn keep_null() {
    if KEPT_NULL.get().is_none()
        && let Ok(null) = open(NULL, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        && let (Ok(kept), Ok(stat)) = (fcntl_dupfd_cloexec(&null, 3), fstat(&null))
    {
        let _ = KEPT_NULL.set((kept, stat));
    }
}

/// Returns `/dev/null` with the lowest number that is free.
fn null() -> Result<OwnedFd, Errno> {
    // The program may have closed the original, and something else may have its number now.
    if let Some((kept, stat)) = KEPT_NULL.get()
        && let Ok(copy) = fcntl_dupfd_cloexec(kept, 0)
        && fstat(&copy).is_ok_and(|now| (now.st_dev, now.st_ino) == (stat.st_dev, stat.st_ino))
    {
        return Ok(copy);
    }
    open(NULL, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
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
    use std::os::unix::fs::FileTypeExt;

    use super::*;

    #[test]
    fn the_kept_null_device_is_copied() {
        keep_null();
        for _ in 0..2 {
            let null = std::fs::File::from(null().expect("/dev/null"));
            assert!(null.metadata().expect("it is open").file_type().is_char_device());
            assert_eq!((&null).read(&mut [0]).expect("it reads"), 0);
        }
    }

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
