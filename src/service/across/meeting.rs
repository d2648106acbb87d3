//! The directory in which the processes of a test run meet.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{geteuid, getppid};

/// The variable by which a copy of the program learns that it is to become a keeper, and of which directory.
const KEEPER: &str = "CHILDMINDER_KEEPER";

/// The variable with the process id of the test runner.
const RUNNER: &str = "CHILDMINDER_KEEPER_RUNNER";

/// The variable with the identity of the run, for a keeper, whose parent is not that of the others.
const KEEPER_RUN: &str = "CHILDMINDER_KEEPER_RUN";

/// The variable that nextest sets to a value of the run.
const NEXTEST_RUN: &str = "NEXTEST_RUN_ID";

/// All these variables, which are not meant for the service.
pub(super) const VARIABLES: [&str; 3] = [KEEPER, RUNNER, KEEPER_RUN];

/// The longest path of the directory, so that a socket in it has an address.
const LONGEST: usize = 90;

/// The directory of one service in one test run.
#[derive(Debug)]
pub(super) struct Meeting {
    dir: PathBuf,
}

impl Meeting {
    /// Returns the directory for the service `name`, which may not exist.
    pub(super) fn of(name: &str) -> io::Result<Self> {
        let mut hasher = DefaultHasher::new();
        (run_id(), name).hash(&mut hasher);
        let name = format!("childminder-shared-{}-{:016x}", geteuid().as_raw(), hasher.finish());
        let dir = [env::temp_dir(), PathBuf::from("/tmp")]
            .into_iter()
            .map(|parent| parent.join(&name))
            .find(|dir| dir.as_os_str().len() <= LONGEST);
        let dir = dir.ok_or(io::ErrorKind::InvalidFilename)?;
        Ok(Self { dir })
    }

    /// Returns whether this process is the copy that was started to keep this service.
    pub(super) fn is_kept_here(&self) -> bool {
        env::var_os(KEEPER).is_some_and(|dir| Path::new(&dir) == self.dir)
    }

    /// Returns the process id of the test runner, for a keeper.
    pub(super) fn runner() -> Option<i32> {
        env::var(RUNNER).ok()?.parse().ok()
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("keeper.sock")
    }

    /// Returns the file with the output of the service.
    pub(super) fn output(&self) -> PathBuf {
        self.dir.join("output.log")
    }

    /// Returns the file with what the keeper itself prints.
    fn keeper_log(&self) -> PathBuf {
        self.dir.join("keeper.log")
    }

    /// Creates the directory and locks it, waiting for other processes. The lock ends with the file.
    pub(super) fn lock(&self) -> io::Result<File> {
        loop {
            match DirBuilder::new().mode(0o700).create(&self.dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let metadata = fs::symlink_metadata(&self.dir);
            if metadata.as_ref().is_ok_and(|dir| !dir.is_dir() || dir.uid() != geteuid().as_raw()) {
                let why = format!("{} belongs to another user", self.dir.display());
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
            let path = self.dir.join("lock");
            let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
            let file = match opened {
                // A keeper that ends has removed the directory meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            flock(&file, FlockOperation::LockExclusive)?;
            let is_same = |named: fs::Metadata| {
                file.metadata().is_ok_and(|own| own.ino() == named.ino() && own.dev() == named.dev())
            };
            if fs::symlink_metadata(&path).is_ok_and(is_same) {
                return Ok(file);
            }
        }
    }

    /// Removes the directory. The caller holds the lock.
    pub(super) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.dir);
    }

    /// Connects to the keeper, which is started if there is none. Returns the keeper if it was.
    pub(super) fn join(&self) -> io::Result<(UnixStream, Option<Child>)> {
        let _lock = self.lock()?;
        match UnixStream::connect(self.socket()) {
            Ok(connection) => Ok((connection, None)),
            // A socket without a listener is left of a keeper that was killed.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                let (connection, keeper) = self.start_keeper()?;
                Ok((connection, Some(keeper)))
            }
            Err(error) => Err(error),
        }
    }

    /// Starts a copy of this program as the keeper, and waits until it listens.
    fn start_keeper(&self) -> io::Result<(UnixStream, Child)> {
        let (mut connection, for_keeper) = UnixStream::pair()?;
        let log = File::create(self.keeper_log())?;
        let program = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { env::current_exe()? };
        let mut command = Command::new(program);
        let runner = getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        command
            .args(arguments())
            .env(KEEPER, &self.dir)
            .env(RUNNER, runner.to_string())
            .env(KEEPER_RUN, run_id())
            .stdin(OwnedFd::from(for_keeper))
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0);
        let mut keeper = command.spawn()?;
        // The command holds a copy of the keeper's end.
        drop(command);
        let mut listens = [0];
        match io::Read::read_exact(&mut connection, &mut listens) {
            Ok(()) => Ok((connection, keeper)),
            Err(_) => {
                let status = keeper.wait()?;
                let log = fs::read_to_string(self.keeper_log()).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(10).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                Err(io::Error::other(format!(
                    "the copy of this program ended before it reached the service ({status}); call `get` first \
                     in the test, on its own thread; the copy has printed:\n{}",
                    last.join("\n")
                )))
            }
        }
    }
}

/// Returns what identifies the run, which is the same in all its processes.
fn run_id() -> OsString {
    let parent = || getppid().map_or(0, |pid| pid.as_raw_nonzero().get()).to_string().into();
    env::var_os(KEEPER_RUN).or_else(|| env::var_os(NEXTEST_RUN)).unwrap_or_else(parent)
}

/// Returns the arguments with which a copy of this program runs what this thread runs: those of this process,
/// or the name of its test if it runs several.
fn arguments() -> Vec<OsString> {
    let own: Vec<OsString> = env::args_os().skip(1).collect();
    if own.iter().any(|arg| arg == "--exact") {
        return own;
    }
    let current = thread::current();
    let is_test = |name: &&str| {
        *name != "main" && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
    };
    match current.name().filter(is_test) {
        Some(name) => ["--exact", name, "--nocapture", "--test-threads=1"].map(OsString::from).to_vec(),
        None => own,
    }
}
