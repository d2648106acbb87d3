//! The description of a process to start.

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::account::AccountLookup;
use super::descriptor::Descriptor;
use super::io_priority::IoPriority;
use super::limits::{Limit, Resource};
use super::requirement::{InvalidRequirement, OptionalRequirement, Requirement};
use super::sorted_map::SortedMap;
use super::stdin::Stdin;
use super::terminal::TerminalSize;
use crate::machine::{Dependency, NameError, Policy, RestartGroup, Signal, SignalTarget};

/// A program with its arguments and everything else that a start needs.
///
/// A child gets a process group of its own, `/dev/null` as standard input, an empty signal mask, default
/// signal dispositions, and no descriptor but 0, 1 and 2. It inherits everything else unless the spec says
/// otherwise. Two things mark the processes of a run, so that they are found when it ends: the variable
/// `CHILDMINDER_RUN`, and on Linux a soft limit of more than 100,000 years on the time that a real-time
/// process may run without a system call.
///
/// ```
/// use childminder::{Signal, Spec};
///
/// let spec = Spec::new("redis-server")
///     .args(["--port", "0"])
///     .env("LC_ALL", "C")
///     .cwd("/var/lib/redis")
///     .stop_signal(Signal::INT);
/// assert_eq!(spec.to_string(), "redis-server --port 0");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Spec {
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) env_clear: bool,
    pub(super) env: SortedMap<OsString, Option<OsString>>,
    pub(super) cwd: Option<PathBuf>,
    pub(super) user: Option<Box<AccountLookup>>,
    pub(super) group: Option<Box<AccountLookup>>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) groups: Option<Vec<u32>>,
    pub(super) umask: Option<u32>,
    pub(super) limits: SortedMap<Resource, Limit>,
    pub(super) nice: Option<i32>,
    pub(super) oom_score_adj: Option<i32>,
    pub(super) io_priority: Option<IoPriority>,
    pub(super) terminal: Option<TerminalSize>,
    pub(super) merge_output: bool,
    pub(super) stdin: Stdin,
    pub(super) stop_signal: Signal,
    pub(super) stop_target: SignalTarget,
    pub(super) stop_command: Vec<OsString>,
    pub(super) own_group: bool,
    pub(super) policy: Option<Box<Policy>>,
    pub(super) descriptors: BTreeMap<i32, Descriptor>,
    pub(super) listeners: Vec<Descriptor>,
    pub(super) die_with_parent: bool,
    pub(super) spared: Vec<OsString>,
    pub(super) after: Vec<Dependency>,
    /// The first name of a dependency that is not valid.
    pub(super) after_error: Option<Box<NameError>>,
    pub(super) restart_group: Option<RestartGroup>,
    pub(super) requirement: OptionalRequirement,
}

impl Spec {
    /// Creates a spec for `program` without arguments. A name without a slash is looked up in the PATH that
    /// the child will have. No shell is involved.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env_clear: false,
            env: SortedMap::new(),
            cwd: None,
            user: None,
            group: None,
            uid: None,
            gid: None,
            groups: None,
            umask: None,
            limits: SortedMap::new(),
            nice: None,
            oom_score_adj: None,
            io_priority: None,
            terminal: None,
            merge_output: false,
            stdin: Stdin::Null,
            stop_signal: Signal::TERM,
            stop_target: SignalTarget::Group,
            stop_command: Vec::new(),
            own_group: true,
            policy: None,
            descriptors: BTreeMap::new(),
            listeners: Vec::new(),
            die_with_parent: false,
            spared: Vec::new(),
            after: Vec::new(),
            after_error: None,
            restart_group: None,
            requirement: OptionalRequirement::default(),
        }
    }

    /// Replaces the program by the file that its name was found to mean.
    #[must_use]
    pub(crate) fn with_program(mut self, program: impl AsRef<OsStr>) -> Self {
        self.program = program.as_ref().to_owned();
        self
    }

    /// Sets the readiness and health that are required of each run.
    #[must_use]
    pub(crate) fn require(mut self, requirement: impl Requirement) -> Self {
        self.requirement.0 = Some(Arc::new(requirement));
        self
    }

    /// Requires nothing of its runs.
    #[must_use]
    pub(crate) fn without_requirement(mut self) -> Self {
        self.requirement = OptionalRequirement::default();
        self
    }

    /// Returns what is required of each run, if that is of type `R`.
    pub(crate) fn get_requirement<R: Requirement>(&self) -> Option<&R> {
        let requirement: &dyn Any = self.requirement.0.as_deref()?;
        requirement.downcast_ref()
    }

    /// Returns what is required and can never be met.
    pub(super) fn find_invalid_requirement(&self) -> Option<InvalidRequirement> {
        self.requirement.0.as_ref()?.check().err()
    }

    /// Creates a spec for another program with the same user, directory, environment, limits and
    /// priorities.
    pub(super) fn as_command(&self, program: &OsStr) -> Self {
        Self {
            env_clear: self.env_clear,
            env: self.env.clone(),
            cwd: self.cwd.clone(),
            user: self.user.clone(),
            group: self.group.clone(),
            uid: self.uid,
            gid: self.gid,
            groups: self.groups.clone(),
            umask: self.umask,
            limits: self.limits.clone(),
            nice: self.nice,
            oom_score_adj: self.oom_score_adj,
            io_priority: self.io_priority,
            ..Self::new(program)
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable. The others are inherited unless [`env_clear`](Self::env_clear) is
    /// called.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(key.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Removes an inherited environment variable.
    #[must_use]
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.env.insert(key.as_ref().to_owned(), None);
        self
    }

    /// Starts from an empty environment, as Twisted does. It contains what [`env`](Self::env) sets, before or
    /// after this call, and the mark of the run.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.env_clear = true;
        self
    }

    /// Sets the working directory. Default: that of the monitor.
    #[must_use]
    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.cwd = Some(dir.as_ref().to_owned());
        self
    }

    /// Switches to this user id, which only root may. See [`user`](Self::user) for a user by name.
    #[must_use]
    pub fn uid(mut self, uid: u32) -> Self {
        self.uid = Some(uid);
        self
    }

    /// Switches to this user, by name or by number, which only root may. It brings its primary group, its
    /// supplementary groups, and the variables HOME, USER, LOGNAME and SHELL, unless these are set otherwise.
    ///
    /// The user database is read by this call, because it may take long. A user that does not exist is an
    /// error of [`check`](Self::check), and so of the start. A number without an entry in the database needs
    /// a [`group`](Self::group) or [`gid`](Self::gid) as well.
    ///
    /// ```
    /// use childminder::Spec;
    ///
    /// let spec = Spec::new("id").user("root");
    /// assert_eq!((spec.get_uid(), spec.get_gid()), (Some(0), Some(0)));
    /// let error = Spec::new("id").user("no-such-user").check().unwrap_err();
    /// assert_eq!(error.to_string(), r#"user is unknown: "no-such-user""#);
    /// ```
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(Box::new(AccountLookup::user(user)));
        self
    }

    /// Switches to this group, by name or by number, which only root may. Default: that of the
    /// [`user`](Self::user).
    #[must_use]
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(Box::new(AccountLookup::group(group)));
        self
    }

    /// Switches to this group id, which only root may.
    #[must_use]
    pub fn gid(mut self, gid: u32) -> Self {
        self.gid = Some(gid);
        self
    }

    /// Sets the supplementary groups. Default: those of the [`user`](Self::user); none if only
    /// [`uid`](Self::uid) or [`gid`](Self::gid) is set, because those of the monitor are not meant for
    /// another user; otherwise those of the monitor.
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = u32>) -> Self {
        self.groups = Some(groups.into_iter().collect());
        self
    }

    /// Sets the file mode creation mask, such as `0o077`. Default: that of the monitor.
    #[must_use]
    pub fn umask(mut self, umask: u32) -> Self {
        self.umask = Some(umask);
        self
    }

    /// Gives the child one pipe for its standard output and its standard error. Default: one pipe for each.
    ///
    /// With one pipe, the lines of both streams arrive exactly in the order in which they were written, and
    /// [`Batch::stream`](crate::output::Batch::stream) is always `Stdout`. With two pipes, lines are ordered
    /// only if about a millisecond lies between them, but each line is known to be of one stream.
    #[must_use]
    pub fn merge_output(mut self, merge: bool) -> Self {
        self.merge_output = merge;
        self
    }

    /// Sets the standard input. Default: `/dev/null`.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Sets the signal that asks the program to end. It is followed by CONT, so that a stopped process
    /// receives it as well. Default: TERM.
    #[must_use]
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// Sets whether the child leads a process group of its own. Default: yes, so that a stop ends everything
    /// that it has started, and a Ctrl-C at the terminal reaches only the monitor. Without one it stays in
    /// the group of the monitor, and signals and stops reach only the child itself.
    #[must_use]
    pub fn own_group(mut self, own: bool) -> Self {
        self.own_group = own;
        self
    }

    /// Sets a policy for this process. Default: that of the monitor.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(Box::new(policy));
        self
    }

    /// Gives the child an open descriptor under the number `number`, from 3 to 255. The spec keeps it open
    /// for later starts. Default: the child gets only 0, 1 and 2.
    #[must_use]
    pub fn descriptor(mut self, number: i32, fd: impl Into<OwnedFd>) -> Self {
        self.descriptors.insert(number, Descriptor::new(fd.into()));
        self
    }

    /// Gives the child a socket that is listening already, as systemd's socket activation does: the first one
    /// is its descriptor 3, the next one 4, and so on; `LISTEN_FDS` contains their number and `LISTEN_PID`
    /// the process id. So no connection is refused during a restart, and no port is chosen twice.
    #[must_use]
    pub fn listener(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.listeners.push(Descriptor::new(socket.into()));
        self
    }

    /// Sets whether the child and everything it has started end when this process ends without stopping it,
    /// even by SIGKILL. Default: no, except for a `Service` and a `Plan`.
    ///
    /// Two guardian processes see to that, which are made by the first start that asks for them and serve all
    /// later ones. They send the [stop signal](Self::stop_signal) to the group of the child and TERM to its
    /// other descendants, and KILL half a second later. Daemons that have left the group are found by their
    /// parents, by sessions and groups, and by the mark that every child inherits in the variable
    /// `CHILDMINDER_RUN`. A daemon with an empty variable is exempt, as in `CHILDMINDER_RUN= tmux new-session
    /// -d`, and so is everything that is left of a child that was stopped. On macOS and the BSDs only the
    /// process group is ended.
    ///
    /// The guardians are forks of this process. The first start that makes them takes about 0.1 s for each
    /// GiB of memory that this process uses; they give back all of it but one MiB or two. In a process with
    /// the id 1 there are none, since the kernel ends the whole PID namespace with it.
    #[must_use]
    pub fn die_with_parent(mut self, die: bool) -> Self {
        self.die_with_parent = die;
        self
    }

    /// Exempts a program from the [containment](crate::machine::Containment) of this process, by the file
    /// name of its executable. If the process starts it and it leaves the process group, it and everything it
    /// starts live on. This is for daemons of the user that a program happens to start first, such as `tmux`,
    /// `ssh-agent`, `gradle` or `sccache`.
    ///
    /// A script can exempt what it starts itself, by an empty variable: `CHILDMINDER_RUN= tmux new-session
    /// -d`.
    #[must_use]
    pub fn spare(mut self, program: impl AsRef<OsStr>) -> Self {
        self.spared.push(program.as_ref().to_owned());
        self
    }
}

/// Creates a spec for a program without arguments.
impl From<&str> for Spec {
    fn from(program: &str) -> Self {
        Self::new(program)
    }
}

/// A program and its arguments, as in `["echo", "hello"]`. An empty list is an empty program, which
/// [`check`](Spec::check) rejects.
impl<W: AsRef<OsStr>> From<&[W]> for Spec {
    fn from(words: &[W]) -> Self {
        let (program, arguments) = match words {
            [] => (OsStr::new(""), words),
            [program, arguments @ ..] => (program.as_ref(), arguments),
        };
        Self::new(program).args(arguments)
    }
}

impl<W: AsRef<OsStr>, const N: usize> From<[W; N]> for Spec {
    fn from(words: [W; N]) -> Self {
        words.as_slice().into()
    }
}

impl<W: AsRef<OsStr>> From<Vec<W>> for Spec {
    fn from(words: Vec<W>) -> Self {
        words.as_slice().into()
    }
}
