//! Writes lines to a file that is rotated.
//!
//! A crate was considered for the rotation and rejected: `file-rotate`, the maintained one, panics if the
//! directory cannot be written, discards what is written while the file cannot be opened, and writes a part
//! of a line twice after a full disk.
//!
//! The file is not remembered but looked up before each write, which happens once for all lines that are
//! waiting. So its length is right even if another program has truncated it, and a file that was moved is
//! left alone.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memchr::{memchr, memrchr};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use super::batch::Batch;
use super::sink::Sink;
use super::writer::{WriterHealth, WriterSink};

/// When a log file is rotated, and how many old ones are kept. Default: at 10 MiB, and five.
///
/// ```
/// use childminder::output::Rotation;
///
/// let rotation = Rotation::default().max_size(1 << 20).keep(3);
/// # let _ = rotation;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    max_size: u64,
    keep: u32,
}

impl Rotation {
    /// Never rotates: another program such as `logrotate` does.
    pub const NEVER: Self = Self { max_size: u64::MAX, keep: 0 };

    /// Sets the maximum size of a file, in bytes. Only a single line that is longer makes a file larger.
    /// Default: 10 MiB.
    #[must_use]
    pub fn max_size(self, bytes: u64) -> Self {
        Self { max_size: bytes, ..self }
    }

    /// Sets the number of old files that are kept beside the current one: `web.log.1` is the latest of them.
    /// With zero the current file is emptied. Default: five.
    #[must_use]
    pub fn keep(self, files: u32) -> Self {
        Self { keep: files, ..self }
    }

    fn moves_files(self) -> bool {
        self.keep > 0 && self.max_size < u64::MAX
    }
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_size: 10 * 1024 * 1024, keep: 5 }
    }
}

/// Appends every line to a file, as [`Batch::render`] shows it: `[name] text`. The file is rotated before it
/// becomes too large, between two lines.
///
/// The sink never affects supervision. While the disk is full or the file cannot be written, lines are kept
/// and lost as [`WriterSink`] describes; the failure is logged once, and so is the return to normal.
///
/// `logrotate` and administrators may move, remove or truncate the file: the next lines go to a new file with
/// the name. No signal is needed for that. Two programs must not rotate the same file.
///
/// ```
/// use childminder::output::{FileSink, Rotation};
/// use childminder::{ProcessMonitor, System};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("web.log");
/// let sink = FileSink::open(&path, Rotation::default())?;
/// let health = sink.health();
/// let monitor = ProcessMonitor::builder().sink(sink).background(System::new())?;
/// assert_eq!((health.failures(), health.lost()), (0, 0));
///
/// let error = FileSink::open("/no/such/directory/web.log", Rotation::default()).unwrap_err();
/// assert!(error.to_string().starts_with("cannot open the log file /no/such/directory/web.log: "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileSink(WriterSink<RotatingFile>);

impl FileSink {
    /// Opens a file for appending, and creates it if necessary. Its directory must exist.
    ///
    /// # Errors
    ///
    /// [`FileSinkError`] if the file cannot be opened; if its directory is not writable, so that the file
    /// could not be rotated; or if the maximum size is zero.
    pub fn open(path: impl AsRef<Path>, rotation: Rotation) -> Result<Self, FileSinkError> {
        let path = path.as_ref();
        let failed = |step| move |source| FileSinkError { step, path: path.to_owned(), source };
        if rotation.max_size == 0 {
            return Err(failed(FileSinkStep::MaxSize)(io::ErrorKind::InvalidInput.into()));
        }
        // The working directory of this process may change.
        let absolute = std::path::absolute(path).map_err(failed(FileSinkStep::Open))?;
        let file = open(&absolute).map_err(failed(FileSinkStep::Open))?;
        // A device is never rotated.
        if rotation.moves_files()
            && file.metadata().is_ok_and(|file| file.is_file())
            && let Some(directory) = absolute.parent()
        {
            is_writable(directory).map_err(|errno| failed(FileSinkStep::Rotate)(errno.into()))?;
        }
        let file = RotatingFile { path: absolute, rotation, file, within_line: false };
        Ok(Self(WriterSink::regular_file(file)))
    }

    /// Sets the form of the lines, as [`WriterSink::format`] does.
    #[must_use]
    pub fn format(self, render: impl FnMut(&Batch<'_>, &mut Vec<u8>) + Send + 'static) -> Self {
        Self(self.0.format(render))
    }

    /// Returns counters of the sink, which can be read while a monitor owns it.
    pub fn health(&self) -> Arc<WriterHealth> {
        self.0.health()
    }
}

impl Sink for FileSink {
    fn lines(&mut self, batch: &Batch<'_>) {
        self.0.lines(batch);
    }

    fn flush(&mut self) {
        self.0.flush();
    }

    fn room(&mut self) -> usize {
        self.0.room()
    }

    fn try_flush(&mut self) -> bool {
        self.0.try_flush()
    }
}

/// The error of a log file that cannot be used.
#[derive(Debug)]
pub struct FileSinkError {
    step: FileSinkStep,
    path: PathBuf,
    source: io::Error,
}

/// The step at which a log file was found to be unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileSinkStep {
    /// The maximum size is zero.
    MaxSize,
    /// The file cannot be opened.
    Open,
    /// The directory is not writable.
    Rotate,
}

impl FileSinkError {
    /// Returns the step that failed.
    pub fn step(&self) -> FileSinkStep {
        self.step
    }

    /// Returns the path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for FileSinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, path, source } = self;
        let path = path.display();
        match step {
            FileSinkStep::MaxSize => write!(f, "max_size is zero, so {path} would have no room for a line"),
            FileSinkStep::Open => write!(f, "cannot open the log file {path}: {source}"),
            FileSinkStep::Rotate => write!(
                f,
                "cannot rotate the log file {path}: its directory is not writable: {source}; keep 0 old files or \
                 let another program rotate it"
            ),
        }
    }
}

impl std::error::Error for FileSinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A file that is rotated between lines.
#[derive(Debug)]
struct RotatingFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    /// Whether the last byte that was written is not the end of a line. The rest of that line goes to the
    /// same file.
    within_line: bool,
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Returns an error if this process may not move files in a directory.
fn is_writable(directory: &Path) -> Result<(), Errno> {
    let allowed = Access::WRITE_OK | Access::EXEC_OK;
    match accessat(CWD, directory, allowed, AtFlags::EACCESS) {
        // Some seccomp profiles refuse `faccessat2` with EPERM, which says nothing about the directory.
        Err(Errno::PERM) => accessat(CWD, directory, allowed, AtFlags::empty()),
        other => other,
    }
}

impl RotatingFile {
    /// Opens the file again if another file, or none, has its name now. Returns the file as it is now.
    fn follow(&mut self) -> io::Result<Metadata> {
        let (here, named) = (self.file.metadata()?, fs::metadata(&self.path));
        match named {
            Ok(named) if (named.dev(), named.ino()) == (here.dev(), here.ino()) => Ok(named),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => {
                self.file = open(&self.path)?;
                self.file.metadata()
            }
        }
    }

    /// Returns how much of `buf`, which begins a line, is to be written to the file, after rotating it if
    /// necessary. The file is as `now` says.
    fn make_room(&mut self, now: &Metadata, buf: &[u8]) -> io::Result<usize> {
        let room = |length| {
            let room = self.rotation.max_size.saturating_sub(length);
            usize::try_from(room).unwrap_or(usize::MAX).min(buf.len())
        };
        // A device has no size.
        if !now.is_file() || room(now.len()) == buf.len() {
            return Ok(buf.len());
        }
        if let Some(end) = memrchr(b'\n', &buf[..room(now.len())]) {
            return Ok(end + 1);
        }
        let fits = memrchr(b'\n', &buf[..room(0)]).or_else(|| memchr(b'\n', buf));
        if now.len() > 0 {
            self.rotate()?;
        }
        Ok(fits.map_or(buf.len(), |end| end + 1))
    }

    /// Moves the file aside and begins a new one.
    fn rotate(&mut self) -> io::Result<()> {
        if self.rotation.keep == 0 {
            return self.file.set_len(0);
        }
        for number in (1..self.rotation.keep).rev() {
            rename(&self.numbered(number), &self.numbered(number + 1))?;
        }
        rename(&self.path, &self.numbered(1))?;
        self.file = open(&self.path)?;
        Ok(())
    }

    /// Returns the path of an old file.
    fn numbered(&self, number: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }
}

/// Moves a file, if there is one.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

impl Write for RotatingFile {
    /// Writes a part that is to be in one file.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let length = if self.within_line {
            memchr(b'\n', buf).map_or(buf.len(), |end| end + 1)
        } else {
            let now = self.follow()?;
            self.make_room(&now, buf)?
        };
        let written = self.file.write(&buf[..length])?;
        if let Some(last) = buf[..written].last() {
            self.within_line = *last != b'\n';
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
