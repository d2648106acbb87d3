//! The private directory of a file: the control socket, the lock, and the log of a detached `up`.
//!
//! It is `.childminder` beside the file, so it is found from every terminal, in every environment. If it
//! cannot be made there, it is in `/tmp/childminder-UID`. Both have mode 0700 and must belong to the user, so
//! no other user can put a socket or a link there.
//!
//! Sockets are bound and connected through the open directory (`/proc/self/fd/N/…`), because the path of a
//! socket may have 107 bytes only.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use async_io::Async;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::unistd::geteuid;

/// The directory beside the file.
const NEAR: &str = ".childminder";
/// The longest file name that is part of the name of the socket.
const LONGEST_NAME: usize = 64;

/// The directory of a file.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    dir: PathBuf,
    /// The beginning of the names of the entries.
    stem: String,
}

impl Home {
    /// Makes the directory for a file, if there is none.
    ///
    /// # Errors
    ///
    /// [`HomeError`] if there is no place for it, or if it belongs to another user.
    pub(crate) fn create(file: &Path) -> Result<Self, HomeError> {
        let [near, far] = Self::candidates(file);
        match near.prepare() {
            Ok(()) => return Ok(near),
            Err(error) if error.is_no_place() => log::debug!("{error}"),
            Err(error) => return Err(error),
        }
        far.prepare()?;
        Ok(far)
    }

    /// Returns the directories that are possible for a file, in order of preference.
    pub(crate) fn candidates(file: &Path) -> [Self; 2] {
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hash = |bytes: &[u8]| {
            // FNV-1a: short, and the same in every version.
            let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
        };
        let stem = if name.len() > LONGEST_NAME { hash(name.as_bytes()) } else { name };
        let near = file.parent().unwrap_or_else(|| Path::new("/")).join(NEAR);
        let far = PathBuf::from(format!("/tmp/childminder-{}", geteuid()));
        let of_path = format!("{}-{}", hash(file.as_os_str().as_bytes()), &stem[..stem.len().min(8)]);
        let of_path = if stem.is_char_boundary(stem.len().min(8)) { of_path } else { hash(stem.as_bytes()) };
        [Self { dir: near, stem }, Self { dir: far, stem: of_path }]
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.dir.join(format!("{}.{extension}", self.stem))
    }

    /// Returns the path of the log of a detached `up`.
    pub(crate) fn log(&self) -> PathBuf {
        self.path("log")
    }

    /// Returns the path of the control socket, for messages.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("sock")
    }

    /// Notes where the journal of this `up` is, or that there is none.
    ///
    /// # Errors
    ///
    /// The error of the system.
    pub(crate) fn note_journal(&self, journal: Option<&Path>) -> io::Result<()> {
        let note = self.path("journal");
        match journal {
            Some(journal) => fs::write(note, std::path::absolute(journal)?.as_os_str().as_bytes()),
            None => match fs::remove_file(note) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Returns where the journal of the last `up` is, if it had one.
    pub(crate) fn journal(&self) -> Option<PathBuf> {
        fs::read(self.path("journal")).ok().map(|path| OsString::from_vec(path).into())
    }

    /// Makes the directory and checks that it is private.
    fn prepare(&self) -> Result<(), HomeError> {
        let error = |error| HomeError { dir: self.dir.clone(), problem: Problem::Io(error) };
        match DirBuilder::new().mode(0o700).create(&self.dir) {
            Ok(()) => {
                // So that version control leaves the directory alone. It is not needed to work.
                let _ = fs::write(self.dir.join(".gitignore"), "*\n");
            }
            Err(failure) if failure.kind() == ErrorKind::AlreadyExists => {}
            Err(failure) => return Err(error(failure)),
        }
        // Not through a symbolic link, which another user may have put there.
        let metadata = fs::symlink_metadata(&self.dir).map_err(error)?;
        let mode = metadata.permissions().mode();
        let problem = if !metadata.is_dir() {
            Some(Problem::NoDirectory)
        } else if metadata.uid() != geteuid().as_raw() {
            Some(Problem::Foreign { owner: metadata.uid() })
        } else {
            (mode & 0o022 != 0).then_some(Problem::Writable)
        };
        if let Some(problem) = problem {
            return Err(HomeError { dir: self.dir.clone(), problem });
        }
        if mode & 0o077 != 0 {
            fs::set_permissions(&self.dir, fs::Permissions::from_mode(0o700)).map_err(error)?;
        }
        Ok(())
    }

    /// Takes the lock of the file, which lasts as long as this process.
    ///
    /// # Errors
    ///
    /// [`HomeError`] with the process that has it.
    pub(crate) fn lock(&self) -> Result<Lock, HomeError> {
        let error = |problem| HomeError { dir: self.dir.clone(), problem };
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(self.path("lock"));
        let file = file.map_err(|failure| error(Problem::Io(failure)))?;
        match fcntl(&file, FcntlArg::F_SETLK(&whole_file())) {
            Ok(_) => Ok(Lock { _file: file }),
            Err(Errno::EACCES | Errno::EAGAIN) => Err(error(Problem::Running { pid: holder(&file) })),
            Err(errno) => Err(error(Problem::Io(errno.into()))),
        }
    }

    /// Binds the control socket with mode 0600. The caller has the lock, so a socket that exists is stale.
    pub(crate) fn bind(&self, _lock: &Lock) -> Result<UnixListener, HomeError> {
        self.through_directory(|path| {
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        })
        .map_err(|error| HomeError { dir: self.socket(), problem: Problem::Io(error) })
    }

    /// Makes a socket ready for the event loop.
    pub(crate) fn nonblocking(&self, listener: UnixListener) -> Result<Async<UnixListener>, HomeError> {
        Async::new(listener).map_err(|error| HomeError { dir: self.dir.clone(), problem: Problem::Io(error) })
    }

    /// Connects to the control socket.
    pub(crate) fn connect(&self) -> io::Result<UnixStream> {
        self.through_directory(|path| UnixStream::connect(path))
    }

    /// Removes the control socket.
    pub(crate) fn remove(&self) {
        // It may have been removed with its directory.
        let _ = fs::remove_file(self.socket());
    }

    fn through_directory<T>(&self, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        let name = format!("{}.sock", self.stem);
        if !cfg!(target_os = "linux") {
            return act(&self.dir.join(name));
        }
        let dir = File::open(&self.dir)?;
        act(&PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name))
    }
}

/// The lock on a file. The kernel releases it with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Closing any descriptor of this file would release the lock.
    _file: File,
}

fn whole_file() -> libc::flock {
    // The structure has other fields on some systems.
    let mut lock: libc::flock = bytes_zero();
    lock.l_type = libc::F_WRLCK as _;
    lock.l_whence = libc::SEEK_SET as _;
    lock
}

#[expect(unsafe_code, reason = "a structure of the system whose fields differ between systems")]
fn bytes_zero() -> libc::flock {
    // SAFETY: it consists of integers.
    unsafe { std::mem::zeroed() }
}

/// Returns the process that has the lock, if it is in the same PID namespace.
fn holder(file: &File) -> Option<i32> {
    let mut lock = whole_file();
    fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock)).ok()?;
    (lock.l_type != libc::F_UNLCK as libc::c_short && lock.l_pid > 0).then_some(lock.l_pid)
}

/// The error for a directory that cannot be used.
#[derive(Debug)]
pub(crate) struct HomeError {
    dir: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    /// Another `up` of the same file runs.
    Running {
        pid: Option<i32>,
    },
    /// The directory belongs to another user.
    Foreign {
        owner: u32,
    },
    /// It is a file or a symbolic link.
    NoDirectory,
    /// Other users can write to it, so what is in it cannot be trusted.
    Writable,
    Io(io::Error),
}

impl HomeError {
    /// Whether another place can be tried.
    fn is_no_place(&self) -> bool {
        let kinds = [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem, ErrorKind::NotFound];
        matches!(&self.problem, Problem::Io(error) if kinds.contains(&error.kind()))
    }
}

impl fmt::Display for HomeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dir = self.dir.display();
        match &self.problem {
            Problem::Running { pid: Some(pid) } => {
                write!(f, "this file is up already, as process {pid}; `childminder status` shows it")
            }
            Problem::Running { pid: None } => {
                write!(f, "this file is up already, in another container; `childminder status` shows it")
            }
            Problem::Foreign { owner } => {
                write!(f, "{dir} belongs to user {owner}, not to user {}; remove it first", geteuid())
            }
            Problem::NoDirectory => write!(f, "{dir} is not a directory; remove it first"),
            Problem::Writable => {
                write!(f, "other users can write to {dir}, and may have put links there; remove it first")
            }
            Problem::Io(error) => write!(f, "cannot use {dir}: {error}"),
        }
    }
}

impl std::error::Error for HomeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Io(error) => Some(error),
            Problem::Running { .. } | Problem::Foreign { .. } | Problem::NoDirectory | Problem::Writable => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::{FileTypeExt, symlink};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn f_257_the_socket_works_at_any_path_length_and_is_private() {
        let root = TempDir::new().unwrap();
        let dir = root.path().join("x".repeat(200)).join("y".repeat(200));
        fs::create_dir_all(&dir).unwrap();
        for name in ["childminder.toml".to_owned(), "z".repeat(250)] {
            let home = Home::create(&dir.join(&name)).unwrap();
            let lock = home.lock().unwrap();
            let listener = home.bind(&lock).unwrap();
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&home.dir), mode(&home.socket())), (0o700, 0o600));
            let mut client = home.connect().unwrap();
            client.write_all(b"hello").unwrap();
            drop(client);
            let mut received = String::new();
            listener.accept().unwrap().0.read_to_string(&mut received).unwrap();
            assert_eq!(received, "hello");
            // A socket that was left behind is taken over.
            drop(listener);
            assert!(home.connect().is_err());
            home.bind(&lock).unwrap();
        }
        assert_eq!(fs::read_to_string(dir.join(".childminder/.gitignore")).unwrap(), "*\n");
    }

    #[test]
    fn f_80_257_a_directory_that_others_can_write_to_and_a_link_are_refused() {
        let root = TempDir::new().unwrap();
        let (dir, file) = (root.path().join(NEAR), root.path().join("childminder.toml"));
        fs::create_dir(&dir).unwrap();
        let set_mode = |mode| fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
        // One that others can only read is made private.
        set_mode(0o755);
        Home::create(&file).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        for mode in [0o777, 0o720, 0o702] {
            set_mode(mode);
            let error = Home::create(&file).unwrap_err().to_string();
            assert!(error.contains("other users can write to"), "{mode:o}: {error}");
        }
        set_mode(0o700);
        let moved = root.path().join("moved");
        fs::rename(&dir, &moved).unwrap();
        symlink(&moved, &dir).unwrap();
        let error = Home::create(&file).unwrap_err().to_string();
        assert!(error.contains("is not a directory"), "{error}");
    }

    #[test]
    fn f_80_a_link_in_the_place_of_the_socket_is_replaced_and_not_followed() {
        let root = TempDir::new().unwrap();
        let home = Home::create(&root.path().join("childminder.toml")).unwrap();
        let target = root.path().join("target");
        fs::write(&target, "text").unwrap();
        symlink(&target, home.socket()).unwrap();
        home.bind(&home.lock().unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "text");
        assert!(fs::symlink_metadata(home.socket()).unwrap().file_type().is_socket());
    }

    #[test]
    fn f_257_without_a_place_beside_the_file_there_is_one_in_tmp() {
        let home = Home::create(Path::new("/proc/childminder.toml")).unwrap();
        assert!(home.dir.starts_with("/tmp"), "{home:?}");
        let [_, other] = Home::candidates(Path::new("/proc/other.toml"));
        assert_ne!(home.socket(), other.socket());
    }
}
