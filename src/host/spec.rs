//! What to run: a program with everything it is given.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::descriptor::Descriptor;
use crate::machine::{Policy, Signal, SignalTarget};

/// The number of the first listener, by the convention of `LISTEN_FDS`.
const FIRST_LISTENER: i32 = 3;

/// A program, its arguments, and the surroundings it is started in.
///
/// A child gets a process group of its own, `/dev/null` as standard input, an empty signal mask, default
/// signal dispositions, and no descriptor but 0, 1 and 2. Everything else it inherits unless the spec says
/// otherwise.
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
    program: OsString,
    args: Vec<OsString>,
    env_clear: bool,
    env: BTreeMap<OsString, Option<OsString>>,
    cwd: Option<PathBuf>,
    uid: Option<u32>,
    gid: Option<u32>,
    groups: Option<Vec<u32>>,
    umask: Option<u32>,
    merge_output: bool,
    stdin: Stdin,
    stop_signal: Signal,
    pub(super) stop_target: SignalTarget,
    pub(super) stop_command: Vec<OsString>,
    own_group: bool,
    policy: Option<Policy>,
    descriptors: BTreeMap<i32, Descriptor>,
    listeners: Vec<Descriptor>,
    die_with_parent: bool,
    spared: Vec<OsString>,
}

/// What a child reads from descriptor 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stdin {
    /// Nothing: `/dev/null`, so that a reader sees the end at once (PM-47, F-73).
    #[default]
    Null,
    /// Whatever the monitor itself reads from.
    Inherit,
    /// This file.
    File(PathBuf),
    /// This open descriptor, such as the end of a pipe that somebody else writes to. The spec keeps it open
    /// for later starts, which go on reading where the one before has stopped.
    Descriptor(Descriptor),
}

impl Spec {
    /// `program`, without arguments. A name without a slash is looked up in the PATH that the child will
    /// have; no shell is involved (PM-4).
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env_clear: false,
            env: BTreeMap::new(),
            cwd: None,
            uid: None,
            gid: None,
            groups: None,
            umask: None,
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
        }
    }

    /// The same with this file as the program: what a name was found to mean.
    #[must_use]
    pub(crate) fn with_program(mut self, program: impl AsRef<OsStr>) -> Self {
        self.program = program.as_ref().to_owned();
        self
    }

    /// Creates a spec for another program with the same user, directory, environment and limits.
    pub(super) fn as_command(&self, program: &OsStr) -> Self {
        Self {
            env_clear: self.env_clear,
            env: self.env.clone(),
            cwd: self.cwd.clone(),
            uid: self.uid,
            gid: self.gid,
            groups: self.groups.clone(),
            umask: self.umask,
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

    /// Sets a variable. The others are inherited, unless [`env_clear`](Self::env_clear) is called (PM-5).
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(key.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Takes a variable away.
    #[must_use]
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.env.insert(key.as_ref().to_owned(), None);
        self
    }

    /// Starts from an empty environment, as Twisted did: only what [`env`](Self::env) sets, before or after
    /// this.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.env_clear = true;
        self
    }

    /// Sets the working directory. Default: the monitor's own (PM-6).
    #[must_use]
    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.cwd = Some(dir.as_ref().to_owned());
        self
    }

    /// Switches to this user id; the monitor must be allowed to, which means root (PM-7).
    #[must_use]
    pub fn uid(mut self, uid: u32) -> Self {
        self.uid = Some(uid);
        self
    }

    /// Switches to this group id.
    #[must_use]
    pub fn gid(mut self, gid: u32) -> Self {
        self.gid = Some(gid);
        self
    }

    /// Sets the supplementary groups. Default: none when [`uid`](Self::uid) or [`gid`](Self::gid) is set, for
    /// the monitor's groups are no business of another user's; else the monitor's.
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = u32>) -> Self {
        self.groups = Some(groups.into_iter().collect());
        self
    }

    /// Sets the file mode creation mask, such as `0o077`. Default: the monitor's.
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

    /// Sets the signal that asks the program to end; CONT follows it, so that a stopped process hears it too
    /// (F-26). Default: TERM.
    #[must_use]
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// Whether the child leads a process group of its own. Default: yes, so that stopping it stops all it
    /// started and a Ctrl-C at the terminal reaches the monitor alone. With no, it stays in the monitor's
    /// group, and signals go to the child only (PM-38, PM-47).
    #[must_use]
    pub fn own_group(mut self, own: bool) -> Self {
        self.own_group = own;
        self
    }

    /// Gives this process a policy of its own. Default: the monitor's.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Gives the child this descriptor, as its descriptor `number`: 3 to 255. The monitor keeps it open for
    /// later starts. Default: the child gets none but 0, 1 and 2.
    #[must_use]
    pub fn descriptor(mut self, number: i32, fd: impl Into<OwnedFd>) -> Self {
        self.descriptors.insert(number, Descriptor::new(fd.into()));
        self
    }

    /// Gives the child a socket that listens already, as systemd's socket activation does: the first one is
    /// its descriptor 3, the next one 4, and so on; `LISTEN_FDS` says how many there are and `LISTEN_PID` for
    /// which process. So no connection is ever refused, and no port is picked twice.
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

    /// Exempts a program from the [containment](crate::machine::Containment) of this process, by the file name of its
    /// executable: if the process starts it and it leaves the process group, it and everything it starts live on. This is
    /// for daemons of the user that a program happens to start first, such as `tmux`, `ssh-agent`, `gradle` or `sccache`.
    ///
    /// A script can exempt what it starts itself, by an empty variable: `CHILDMINDER_RUN= tmux new-session -d`.
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

/// What the spec says, for those who carry it out.
impl Spec {
    /// The program as it was given.
    pub fn get_program(&self) -> &OsStr {
        &self.program
    }

    /// The arguments, without the program itself.
    pub fn get_args(&self) -> impl ExactSizeIterator<Item = &OsStr> {
        self.args.iter().map(OsString::as_os_str)
    }

    /// Whether nothing of the environment is inherited.
    pub fn is_env_cleared(&self) -> bool {
        self.env_clear
    }

    /// The variables that are set, or taken away (`None`).
    pub fn get_envs(&self) -> impl Iterator<Item = (&OsStr, Option<&OsStr>)> {
        self.env.iter().map(|(key, value)| (key.as_os_str(), value.as_deref()))
    }

    /// The working directory, if it is set.
    pub fn get_cwd(&self) -> Option<&Path> {
        self.cwd.as_deref()
    }

    /// The user id to switch to.
    pub fn get_uid(&self) -> Option<u32> {
        self.uid
    }

    /// The group id to switch to.
    pub fn get_gid(&self) -> Option<u32> {
        self.gid
    }

    /// The supplementary groups to set: those that were given, or none at all for another user or group.
    pub fn get_groups(&self) -> Option<&[u32]> {
        match &self.groups {
            Some(groups) => Some(groups),
            None => (self.uid.is_some() || self.gid.is_some()).then_some(&[]),
        }
    }

    /// Whether both output streams share one pipe.
    pub fn merges_output(&self) -> bool {
        self.merge_output
    }

    /// The file mode creation mask to set.
    pub fn get_umask(&self) -> Option<u32> {
        self.umask
    }

    /// The standard input.
    pub fn get_stdin(&self) -> &Stdin {
        &self.stdin
    }

    /// The signal that asks the program to end.
    pub fn get_stop_signal(&self) -> Signal {
        self.stop_signal
    }

    /// Whether the child leads a process group of its own.
    pub fn has_own_group(&self) -> bool {
        self.own_group
    }

    /// The policy of its own, if it has one.
    pub fn get_policy(&self) -> Option<Policy> {
        self.policy
    }

    /// The descriptors to give, by their number in the child: the listeners, from 3, and the others.
    pub fn get_descriptors(&self) -> impl Iterator<Item = (i32, &Descriptor)> {
        let others = self.descriptors.iter().map(|(number, descriptor)| (*number, descriptor));
        (FIRST_LISTENER..).zip(&self.listeners).chain(others)
    }

    /// How many listeners there are, which is what `LISTEN_FDS` says.
    pub fn count_listeners(&self) -> usize {
        self.listeners.len()
    }

    /// Returns the programs that are exempt from the containment.
    pub fn get_spared(&self) -> impl Iterator<Item = &OsStr> {
        self.spared.iter().map(OsString::as_os_str)
    }

    /// Returns whether the child dies with this process.
    pub fn dies_with_parent(&self) -> bool {
        self.die_with_parent
    }
}

impl Stdin {
    /// This open descriptor.
    ///
    /// ```
    /// use childminder::{Spec, Stdin};
    ///
    /// let (theirs, ours) = std::io::pipe()?;
    /// let spec = Spec::new("cat").stdin(Stdin::descriptor(theirs));
    /// // … what is written to `ours`, the child reads; when it is dropped the child sees the end.
    /// # drop((spec, ours));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// As long as a spec has the reading end of a pipe the pipe has a reader: whoever writes to it is not
    /// told that the child has gone.
    pub fn descriptor(fd: impl Into<OwnedFd>) -> Self {
        Self::Descriptor(Descriptor::new(fd.into()))
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Null | Self::Inherit | Self::Descriptor(_) => None,
        }
    }
}

/// What it is, as it stands in an error.
impl fmt::Display for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("/dev/null"),
            Self::Inherit => f.write_str("its own standard input"),
            Self::File(path) => path.display().fmt(f),
            Self::Descriptor(descriptor) => write!(f, "descriptor {}", descriptor.as_fd().as_raw_fd()),
        }
    }
}

/// The command line as a shell would take it.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Word(&self.program))?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", Word(arg)))
    }
}

/// The command line and what differs from the defaults; of the environment only the names, for a value may be
/// a secret (F-77).
impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("command", &format_args!("{self}"))
            .field("env_clear", &self.env_clear)
            .field("env", &self.env.keys())
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}

/// One word of a command line, quoted where a shell would need it.
struct Word<'a>(&'a OsStr);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(b);
        match self.0.to_str() {
            Some(word) if !word.is_empty() && word.bytes().all(|b| plain(&b)) => f.write_str(word),
            Some(word) if !word.contains(char::is_control) => write!(f, "'{}'", word.replace('\'', r"'\''")),
            _ => write!(f, "$'{}'", self.0.as_bytes().escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_77_values_of_the_environment_are_never_shown() {
        let spec = Spec::new("x").env("TOKEN", "canary");
        let shown = format!("{spec:?} {spec}");
        assert!(shown.contains("TOKEN") && !shown.contains("canary"), "{shown}");
    }

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let spec = Spec::new("sh").args(["-c", "echo 'a b'; exit", "", "line\nbreak"]);
        assert_eq!(spec.to_string(), r"sh -c 'echo '\''a b'\''; exit' '' $'line\nbreak'");
    }
}
