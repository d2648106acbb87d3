//! The guardian: a small process that outlives this one by a moment, and takes its children along (F-45).
//!
//! Nobody can clean up after their own SIGKILL; so it takes a second process. It is a shell with a short script, the
//! only child of its kind, started when the first spec asks to
//! [`die_with_parent`](crate::Spec::die_with_parent). We hold one end of a socket, and the guardian the other. However
//! this process ends, by KILL, abort, a panic, `exit` or the end of `main`, the kernel closes our end; the guardian reads
//! the end of its input, kills whoever is on its list with all their descendants, and then whoever has our marker in their
//! environment: daemons that have left their group and their family. Then it ends as well. The marker is found in `/proc`;
//! where there is none, only groups are killed.
//!
//! **Nobody runs unregistered.** A list that the parent keeps up to date is too late for whoever was started a moment
//! before its death. So the child registers itself: between fork and exec it sends a line (F-47). Until its `exec` it holds
//! our end of the socket as well, so whatever happens to us, the line comes before the end of the input. Nothing has to be
//! waited for: a guardian that has once said that it listens will read the line, unless it dies.
//!
//! **The list is short.** A child is taken off when its group is gone and it is reaped, since its number may be given to
//! a stranger then. Numbers are handed out in turn, so the moment between the two is no danger.
//!
//! **The guardian can die, too**: somebody kills it, or it is out of memory. The next child to register notices, and
//! refuses to run; a new guardian is started, is told of all who are alive, and the start is tried once more. Until then
//! nobody guards them. So that none is missing whom only the dead one has heard of, there is [`one_at_a_time`].
//!
//! The kernel's own means for this, the parent-death signal, is not used. It follows the thread that forked, not the
//! process: on an executor with many threads it kills children of a parent that is well (F-46). It does not reach
//! grandchildren, and is lost where the program changes its user.
//!
//! A program that forks itself shares our end of the socket with its copy: nobody is killed until both have ended. To
//! replace this process by another program with `exec` counts as its end. Whoever holds a descriptor of ours only until
//! their own `exec`, such as a child of `std::process::Command`, delays nothing for longer than that.

mod line;

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use libc::c_int;
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};

use crate::host::Spec;
use crate::machine::{SpawnError, SpawnStep};

use self::line::Line;
use super::descriptors::Descriptors;
use super::launch::{Launch, Marks};
use super::platform;
use super::report::ChildError;

/// What carries the marker in the environment of a child.
pub(super) const VARIABLE: &str = "CHILDMINDER_GUARDIAN";

const SCRIPT: &str = include_str!("guardian.sh");

/// Whose children somebody is: no other process has this.
pub(super) fn marker() -> &'static str {
    static MARKER: LazyLock<String> = LazyLock::new(|| {
        let random = RandomState::new().build_hasher().finish();
        format!("{}-{random:016x}", getpid())
    });
    &MARKER
}

/// Carries out a start that registers with the guardian. If that one is gone, there will be another for a second try.
pub(super) fn one_at_a_time<T>(start: impl Fn() -> Result<T, SpawnError>) -> Result<T, SpawnError> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    match start() {
        Err(error) if error.step() == SpawnStep::Guard => {
            Watch::lock().guardian = None;
            start()
        }
        other => other,
    }
}

/// Connects a child with the guardian, which is started if there is none.
pub(super) fn connect(spec: &Spec, descriptors: &Descriptors) -> Result<Connection, SpawnError> {
    let failed = |error| SpawnError::new(SpawnStep::Guard, spec.get_program().to_string_lossy(), error);
    let mut watch = Watch::lock();
    let guardian = watch.guardian().map_err(failed)?;
    let socket = descriptors.copy_out_of_the_way(&guardian.socket).map_err(|errno| failed(errno.into()))?;
    Ok(Connection { socket, own_group: spec.has_own_group() })
}

/// The child's connection with the guardian, for use between fork and exec.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    own_group: bool,
}

impl Connection {
    /// In the child: registers it. After this it may run.
    pub(super) fn sign_on(&self) -> Result<(), ChildError> {
        let sent = Line::on(target(getpid(), self.own_group)).send(self.socket.as_fd());
        sent.map_err(|errno| ChildError { step: SpawnStep::Guard, errno: errno.raw_os_error() })
    }

    /// In the parent: removes the registration of a child that could not execute its program.
    pub(super) fn sign_off(&self, child: Pid) {
        // A guardian that does not receive this is replaced before the next start.
        let _ = Line::off(target(child, self.own_group)).send_now(self.socket.as_fd());
    }
}

/// A child that is registered, until this is dropped: when its group is gone and it is reaped.
#[derive(Debug)]
pub(super) struct Registration(c_int);

impl Registration {
    /// Remembers a child that has just registered itself.
    pub(super) fn of(spec: &Spec, child: Pid) -> Option<Self> {
        spec.dies_with_parent().then(|| {
            let target = target(child, spec.has_own_group());
            Watch::lock().targets.insert(target);
            Self(target)
        })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut watch = Watch::lock();
        watch.targets.remove(&self.0);
        // A guardian that does not read must not keep numbers that soon belong to others.
        watch.guardian.take_if(|guardian| Line::off(self.0).send(guardian.socket.as_fd()).is_err());
    }
}

/// As `kill` takes it.
fn target(child: Pid, own_group: bool) -> c_int {
    let id = child.as_raw_nonzero().get();
    if own_group { -id } else { id }
}

/// The guardian, and who it guards.
struct Watch {
    guardian: Option<Guardian>,
    targets: BTreeSet<c_int>,
}

impl Watch {
    fn lock() -> MutexGuard<'static, Self> {
        static WATCH: Mutex<Watch> = Mutex::new(Watch { guardian: None, targets: BTreeSet::new() });
        WATCH.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guardian, which knows of everybody.
    fn guardian(&mut self) -> io::Result<&Guardian> {
        let guardian = match self.guardian.take() {
            Some(guardian) => guardian,
            None => {
                let guardian = Guardian::start()?;
                for line in self.targets.iter().copied().map(Line::on) {
                    line.send(guardian.socket.as_fd())?;
                }
                guardian
            }
        };
        Ok(self.guardian.insert(guardian))
    }
}

/// The process. Dropped, it ends without doing anything.
#[derive(Debug)]
struct Guardian {
    socket: OwnedFd,
    id: Pid,
}

impl Guardian {
    /// One that listens.
    fn start() -> io::Result<Self> {
        // Its environment is empty but for this: no marker of anybody's is in it. So it is not killed by the guardian of
        // whoever started us, and does its own work when that one has killed us.
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        let spec = Spec::new("/bin/sh")
            .args(["-c", SCRIPT, "childminder-guardian", marker()])
            .env_clear()
            .env("PATH", path)
            .cwd(Path::new("/"));
        let (launch, socket) = Launch::gather(&spec, Marks::default(), |low| {
            let failed = |error| SpawnError::new(SpawnStep::Pipe, "", error);
            let (ours, theirs) = UnixStream::pair().map_err(failed)?;
            platform::calls::without_sigpipe(&ours).map_err(failed)?;
            let (theirs, null) = (OwnedFd::from(theirs), low.take_null());
            Ok((OwnedFd::from(ours), [theirs.try_clone().map_err(failed)?, theirs, null]))
        })
        .map_err(as_cause)?;
        let id = platform::create(&launch).map_err(|error| as_cause(launch.describe(error)))?;
        // Our copy of its end is one that would stay open when it dies.
        drop(launch);
        let guardian = Self { socket, id };
        line::wait_for_a_word(guardian.socket.as_fd())?;
        Ok(guardian)
    }
}

/// Killed before the socket is closed, lest it take that for the end of this process; and reaped. If it has been reaped
/// by somebody else, or is the child of the process that we were forked from, its number is none of our business.
impl Drop for Guardian {
    fn drop(&mut self) {
        let wait = |options| retry_on_intr(|| waitpid(Some(self.id), options));
        if let Ok(None) = wait(WaitOptions::NOHANG) {
            let _ = kill_process(self.id, Signal::KILL);
            let _ = wait(WaitOptions::empty());
        }
    }
}

/// Why the guardian did not start, for the error of the start that needed it.
fn as_cause(error: SpawnError) -> io::Error {
    match error.raw_os_error() {
        // To be retried, and so known by its number.
        Some(code) if error.is_resource() => Errno::from_raw_os_error(code).into(),
        _ => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::host::Host;
    use crate::sys::System;

    /// The script by itself, and our end of its socket.
    fn guardian() -> (Child, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a socket");
        let theirs = OwnedFd::from(theirs);
        let guardian = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "childminder-guardian", "nobody has this marker"])
            .stdin(theirs.try_clone().expect("a copy"))
            .stdout(theirs)
            .spawn()
            .expect("a shell");
        (guardian, ours)
    }

    #[test]
    fn f_45_a_long_list_does_not_keep_the_guardian_from_listening() {
        let (mut guardian, ours) = guardian();
        // Beyond what Linux has for process ids.
        let groups = (0..2000).map(|number| -2_000_000_000 - number);
        groups.clone().for_each(|group| Line::on(group).send(ours.as_fd()).expect("it reads"));
        // Those who came last are the first to go, far from where a search would begin.
        groups.rev().for_each(|group| Line::off(group).send(ours.as_fd()).expect("it reads"));
        drop(ours);
        assert!(guardian.wait().expect("wait").success());
    }

    #[test]
    fn f_45_who_was_taken_off_the_list_is_spared() {
        let (mut guardian, ours) = guardian();
        let [mut one, mut two, mut three] = [(); 3].map(|()| sleeper());
        let say = |line: Line| line.send(ours.as_fd()).expect("it reads");
        let id = |child: &Child| Pid::from_child(child).as_raw_nonzero().get();
        let [first, second, third] = [&one, &two, &three].map(|child| Line::on(id(child)));
        [first, second, third, first].into_iter().for_each(say);
        say(Line::off(id(&two)));
        drop(ours);
        assert!(guardian.wait().expect("wait").success());
        for dead in [&mut one, &mut three] {
            assert!(!dead.wait().expect("wait").success());
        }
        assert_eq!(two.try_wait().expect("it is ours"), None, "alive");
        two.kill().expect("it is ours");
        two.wait().expect("wait");
    }

    fn sleeper() -> Child {
        Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().expect("sleep")
    }

    #[test]
    fn f_45_a_child_is_on_the_list_until_its_group_is_gone() {
        let is_listed = |id: u32| Watch::lock().targets.contains(&-id.cast_signed());
        let spec = Spec::new("sh").args(["-c", "sleep 1000 >&- 2>&- & exit"]).die_with_parent(true);
        let mut process = System::new().spawn(&spec).expect("it starts");
        let id = process.id();
        futures_lite::future::block_on(poll_fn(|cx| process.poll_exit(cx)));
        assert_eq!(process.remaining().len(), 1);
        assert!(is_listed(id), "its group is alive");
        drop(process);
        assert!(!is_listed(id));
        // With nobody left in its group, its number may be that of a stranger soon, and the handle stay for long.
        let spec = Spec::new("true").die_with_parent(true);
        let mut process = System::new().spawn(&spec).expect("it starts");
        let id = process.id();
        assert!(is_listed(id));
        futures_lite::future::block_on(poll_fn(|cx| process.poll_exit(cx)));
        assert!(process.remaining().is_empty());
        assert!(!is_listed(id));
    }
}
